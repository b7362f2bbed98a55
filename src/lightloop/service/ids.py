"""Ids of predictions and of requests.

A prediction id is a UUID of version 7 (RFC 9562): ids sort by time. Some of its random bits are a checksum of the
others and of the model's name, so that an id that no process of this service ever gave is told without remembering any.
It is no signature: whoever wants to make one up can.
"""

import os
import re
import threading
from hashlib import blake2s
from typing import Final
from uuid import UUID

from lightloop import clock

CHECK: Final = 4  # bytes
DRAWN: Final = 4096  # random bytes that are asked of the system at once: a call costs ten times what an id does
REQUEST: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
AHEAD: Final = 300  # seconds that another machine's clock may be fast


def prediction_id(model: str, now: float | None = None) -> str:
    """A new id.

    Args:
        model: the manifest's name.
        now: seconds since 1970; None stands for the clock.

    Examples:
        >>> one, other = prediction_id("loans", 1_700_000_000.0), prediction_id("loans", 1_700_000_000.001)
        >>> one < other, given_at(one, "loans"), given_at(one, "fashion")
        (True, 1700000000.0, None)
    """
    stamp = int((clock.seconds() if now is None else now) * 1000).to_bytes(6, "big")
    drawn = _RANDOM.take(6)
    # Six bits say version and variant.
    head = stamp + bytes((0x70 | (drawn[0] & 0x0F), drawn[1], 0x80 | (drawn[2] & 0x3F), *drawn[3:]))
    text = (head + _check(head, model)).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def given_at(text: str, model: str) -> float | None:
    """When an id was given, as seconds since 1970; None where this model's service never gave it."""
    try:
        content = UUID(text).bytes
    except ValueError:
        return None
    head, check = content[:-CHECK], content[-CHECK:]
    seconds = int.from_bytes(head[:6], "big") / 1000
    return seconds if check == _check(head, model) and seconds < clock.seconds() + AHEAD else None


def request_id(given: str | None) -> str:
    r"""The client's id of a request where it is a plain one, else a new one.

    Examples:
        >>> request_id("abc-1"), len(request_id("two\nlines"))
        ('abc-1', 32)
    """
    if given is not None and REQUEST.fullmatch(given):
        return given
    return _RANDOM.take(16).hex()


class _Random:
    """Random bytes of the system, which are never given twice: not to two threads, nor to a process and its fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn, self._place = b"", 0
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> bytes:
        with self._lock:
            if self._place + count > len(self._drawn):
                self._drawn, self._place = os.urandom(DRAWN), 0
            self._place += count
            return self._drawn[self._place - count : self._place]

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._drawn, self._place = b"", 0


_RANDOM: Final = _Random()


def _check(head: bytes, model: str) -> bytes:
    return blake2s(head + model.encode(), digest_size=CHECK).digest()
