"""Bodies of requests: read whole, within the bounds of size and time."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from lightloop.service.books import SEEN, Seen
from lightloop.service.faults import RequestError

JSON: Final = "application/json"
DIGITS: Final = 15  # of a length


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The whole body.

    Args:
        request: whose.
        most: bytes.
        seconds: that it may take to come.

    Raises:
        RequestError: it is too large (413) or too slow (408).
        ClientDisconnect: the client is gone.
    """
    length = header(request, b"content-length")
    if length is not None and (len(length) > DIGITS or not length.isdecimal() or int(length) > most):
        raise _too_large(most)
    # uvicorn says whether the body has come with the head, as nearly all do: then there is nothing to wait for, and a
    # clock that is set for nothing takes longer than to read it.
    if getattr(getattr(request.receive, "__self__", None), "more_body", True) is False:
        return await _whole(request, most)
    try:
        async with asyncio.timeout(seconds):
            return await _whole(request, most)
    except TimeoutError:
        raise RequestError(408, headers={"Connection": "close"}) from None


async def _whole(request: Request, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"the body is larger than {most} bytes: send fewer records at once")


def header(request: Request, name: bytes) -> str | None:
    """The first header of that name, in small letters; the framework's own way takes ten times as long."""
    seen: Seen = request.scope[SEEN]
    value = seen.given.get(name)
    return None if value is None else value.decode("latin-1")


def content_type(request: Request) -> str:
    """The kind of the body, in small letters, without parameters; JSON where the client says nothing."""
    given = header(request, b"content-type")
    return JSON if given is None else given.partition(";")[0].strip().lower()
