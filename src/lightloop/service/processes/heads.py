"""Connections whose request heads are bounded in size and time: uvicorn's own protocol waits for a head forever."""

import asyncio
from typing import Final

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS: Final = 10.0  # for a head to come, from its first byte, or from the beginning of the connection
MOST: Final = 65_536  # bytes of a head that comes in parts; one that comes at once is bounded by what is read at once
PHRASES: Final = {
    400: (b"Bad Request", "this is no HTTP request"),
    408: (b"Request Timeout", f"the head of the request did not come within {SECONDS:g} s: send it at once"),
    431: (b"Request Header Fields Too Large", f"the head of the request is larger than {MOST} bytes: send less of it"),
}


class Heads(HttpToolsProtocol):
    """A connection that is closed where a client does not finish its request's head."""

    _within = False  # a head has begun, and not ended
    _size = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        if not self._within:
            self._disarm()
            return
        self._size += len(data)
        if self._size > MOST:
            self._refuse(431)
        elif self._timer is None:
            self._arm()

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._within, self._size = True, 0

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._within = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP; said in the form of all faults."""
        self._refuse(400)

    def _arm(self) -> None:
        self._timer = self.loop.call_later(SECONDS, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._disarm()
        if self.transport.is_closing():
            return
        # An answer that is being written is not written into.
        if self.cycle is None or self.cycle.response_complete:
            phrase, sentence = PHRASES[status]
            body = to_json({"error": sentence})
            head = (
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.close()
