"""The outermost layer of the application: ids, keys, one log line and the metrics of each request. Pure ASGI.

What is asked most is answered from here, without the framework's way to a route, which costs as much as a small model.

Who may ask what: with keys, all but health (an orchestrator has no key) and the page's own files (they hold nothing of
the model; the page asks for the key). Schema, metrics and card are as confidential as the answers.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Final

from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightloop.service.books import SEEN, Seen
from lightloop.service.context import Context
from lightloop.service.faults import MEANINGS, RequestError
from lightloop.service.ids import request_id
from lightloop.service.keys import KeyRing

Answering = Callable[[Request], Awaitable[Response]]
REQUEST_ID: Final = "x-request-id"
GUARDED: Final = ("/v1", "/v2", "/metrics", "/openapi.json")
OPEN: Final = ("/v2/health/",)
PRIVATE: Final = "private"  # in the state of a connection to the private socket, see `service.processes.worker`


class Edge:
    """Sees each request first and last."""

    def __init__(self, app: ASGIApp, context: Context, direct: Mapping[str, Answering]) -> None:
        """Made once.

        Args:
            app: that answers all else.
            context: of the service.
            direct: what answers a POST to an address without the framework between; it raises `RequestError` alone.
        """
        self._app, self._keys, self._logger = app, context.keys, context.logger
        self._direct = direct
        self._books = context.books

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Of several of one name the first.
        given = dict(reversed(scope["headers"]))
        private = _private(scope)
        seen = Seen(time.perf_counter(), _id(given), given, given.get(b"sec-fetch-site") == b"same-origin", private)
        scope[SEEN] = seen
        method, path = scope["method"], scope["path"]
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", seen.request.encode("latin-1")))
            await send(message)

        try:
            if self._keys is not None and not private and guarded(path) and not self._admits(self._keys, given, seen):
                await _say(answer, 401, (b"www-authenticate", b"Bearer"))
            elif method == "POST" and path in self._direct:
                response = await _answered(self._direct[path], Request(scope, receive))
                await answer(
                    {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
                )
                await send({"type": "http.response.body", "body": response.body})
            else:
                await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - the one place where our own faults end
            self._mourn(seen, error)
            if not status:
                await _say(answer, 500)
        finally:
            # 499: the client went away before the answer began.
            self._books.note(seen, method, path, status or 499)

    def _admits(self, keys: KeyRing, given: dict[bytes, bytes], seen: Seen) -> bool:
        presented = given.get(b"x-api-key")
        if presented is None:
            kind, _, presented = given.get(b"authorization", b"").partition(b" ")
            if kind.lower() != b"bearer":
                return False
            presented = presented.strip()
        seen.told["key"] = keys.holder(presented.decode("latin-1"))
        return seen.told["key"] is not None

    def _mourn(self, seen: Seen, error: Exception) -> None:
        """Log a fault of ours: where, but no values, which may be a client's."""
        places = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in extract_tb(error.__traceback__)]
        if self._logger is not None:
            self._logger.error("fault", request_id=seen.request, fault=type(error).__name__, places=places[-8:])


async def _answered(answering: Answering, request: Request) -> Response:
    """What the framework's handlers of faults would make of it."""
    try:
        return await answering(request)
    except RequestError as error:
        return error.response()
    except ClientDisconnect:  # nobody reads this
        return Response(status_code=499)


async def _say(send: Send, status: int, *more: tuple[bytes, bytes]) -> None:
    body = to_json({"error": MEANINGS[status]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _id(given: dict[bytes, bytes]) -> str:
    named = given.get(b"x-request-id")
    return request_id(None if named is None else named.decode("latin-1"))


def guarded(path: str) -> bool:
    """Whether an address wants a key, where there are keys."""
    return path.startswith(GUARDED) and not path.startswith(OPEN)


def _private(scope: Scope) -> bool:
    """Whether a request came by the private socket.

    It lies in a folder that its owner alone can enter: `lightloop deploy` tries a release there.
    """
    return bool(scope.get("state", {}).get(PRIVATE))
