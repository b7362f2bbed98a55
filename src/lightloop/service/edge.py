"""The outermost layer of the application: ids, keys, one log line and the metrics of each request. Pure ASGI.

What is asked most is answered from here, without the framework's way to a route, which costs as much as a small model.

Who may ask what: with keys, all but health (an orchestrator has no key) and the page's own files (they hold nothing of
the model; the page asks for the key). Schema, metrics and card are as confidential as the answers.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightloop.service import metrics
from lightloop.service.context import Context
from lightloop.service.faults import MEANINGS, RequestError
from lightloop.service.ids import request_id

Answering = Callable[[Request], Awaitable[Response]]
SEEN: Final = "lightloop"
REQUEST_ID: Final = "x-request-id"
# Addresses that are counted by name; all others are counted together, so that nobody can fill the memory with them.
COUNTED: Final = frozenset(
    f"/{path}"
    for path in (
        "",
        "health/live",
        "health/ready",
        "metrics",
        "openapi.json",
        "v1/card",
        "v1/explain",
        "v1/feedback",
        "v1/metadata",
        "v1/predict",
        "v1/predict/many",
        "v2",
    )
)
GUARDED: Final = ("/v1", "/v2", "/metrics", "/openapi.json")
OPEN: Final = ("/v2/health/",)
PRIVATE: Final = "private"  # in the state of a connection to the private socket, see `service.processes.worker`
MACHINES: Final = ("/health/", "/v2/health/", "/metrics")  # asked by machines that look after the service
QUIET: Final = ("/health/", "/v2/health/")  # asked every second by machines: no log line while all is well


@dataclass(slots=True)
class Seen:
    """What is known of a request while it is answered; routes add to it, the log has it.

    Attributes:
        started: when it came, by `time.perf_counter`.
        request: its id.
        page: whether the page of the service asks: a browser says so of what comes from its own address.
        private: whether it came by the private socket, as what `lightloop deploy` tries.
        told: further facts for the log.
    """

    started: float
    request: str
    page: bool = False
    private: bool = False
    told: dict[str, Any] = field(default_factory=dict)


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
        self._recorder, self._slots = context.recorder, context.slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = scope["headers"]
        given, page = None, False
        for name, value in headers:
            if name == b"x-request-id":
                given = value.decode("latin-1")
            elif name == b"sec-fetch-site":
                page = value == b"same-origin"
        seen = Seen(time.perf_counter(), request_id(given), page, _private(scope))
        scope[SEEN] = seen
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", seen.request.encode("latin-1")))
            await send(message)

        try:
            free = self._keys is None or not guarded(scope["path"]) or seen.private
            if not free and not self._admits(headers, seen):
                await _say(answer, 401, (b"www-authenticate", b"Bearer"))
            elif scope["method"] == "POST" and scope["path"] in self._direct:
                response = await _answered(self._direct[scope["path"]], Request(scope, receive))
                await response(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - the one place where our own faults end
            self._mourn(seen, error)
            if not status:
                await _say(answer, 500)
        finally:
            # 499: the client went away before the answer began.
            self._tell(scope, seen, status or 499)

    def _admits(self, headers: list[tuple[bytes, bytes]], seen: Seen) -> bool:
        assert self._keys is not None
        for name, value in headers:
            if name == b"x-api-key":
                presented = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                presented = value[7:].strip()
            else:
                continue
            seen.told["key"] = self._keys.holder(presented.decode("latin-1"))
            return seen.told["key"] is not None
        return False

    def _mourn(self, seen: Seen, error: Exception) -> None:
        """Log a fault of ours: where, but no values, which may be a client's."""
        places = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in extract_tb(error.__traceback__)]
        if self._logger is not None:
            self._logger.error("fault", request_id=seen.request, fault=type(error).__name__, places=places[-8:])

    def _tell(self, scope: Scope, seen: Seen, status: int) -> None:
        seconds = time.perf_counter() - seen.started
        path = scope["path"]
        counted = route_of(path)
        _requests(counted, status).inc()
        _latency(counted).observe(seconds)
        if self._recorder is not None and not seen.private and not path.startswith(MACHINES):
            version = seen.told.get("version") or self._slots.current.version
            self._recorder.request(version, counted, status, seconds)
        if self._logger is None or (status < 400 and path.startswith(QUIET)):
            return
        write = self._logger.info if status < 500 else self._logger.error
        write(
            "request",
            request_id=seen.request,
            method=scope["method"],
            path=path[:200],
            status=status,
            ms=round(1000 * seconds, 3),
            **seen.told,
        )


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


def guarded(path: str) -> bool:
    """Whether an address wants a key, where there are keys."""
    return path.startswith(GUARDED) and not path.startswith(OPEN)


def _private(scope: Scope) -> bool:
    """Whether a request came by the private socket.

    It lies in a folder that its owner alone can enter: `lightloop deploy` tries a release there.
    """
    return bool(scope.get("state", {}).get(PRIVATE))


@lru_cache(maxsize=256)
def route_of(path: str) -> str:
    """The address as it is counted: by its name, or together with those of its kind."""
    if path in COUNTED:
        return path
    if path.startswith("/v2/"):
        return "/v2/.../infer" if path.endswith("/infer") else "/v2/..."
    return "other"


# Finding a child by its labels costs as much as counting: each is found once.
@lru_cache(maxsize=512)
def _requests(path: str, status: int) -> Any:
    return metrics.REQUESTS.labels(path, str(status))


@lru_cache(maxsize=64)
def _latency(path: str) -> Any:
    return metrics.LATENCY.labels(path)
