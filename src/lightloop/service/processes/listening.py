"""Listening sockets: bound, handed from process to process, and closed so that nobody is turned away unanswered."""

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightloop.errors import UsageError

BACKLOG = 2048
LONGEST_PATH = 100  # bytes of a Unix socket's path; the kernel takes 107
# Of the kernel's headers; Python has no names for them.
SO_ATTACH_FILTER = 26
SYN = 0x02


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet: who connects is refused until somebody answers.

    Raises:
        UsageError: the address is no address of this machine, or in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"{host!r} is no address to listen on ({error.strerror}): set serve.host") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"can't listen on {host}:{port} ({(error.strerror or str(error)).lower()}): "
            "stop what is there, or choose another with serve.port=..."
        ) from None
    listening.setblocking(False)
    return listening


def bind_private(path: Path) -> socket.socket:
    """A Unix socket at a path, bound; see `reachable` for long ones."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with reachable(path) as address:
        listening.bind(address)
    listening.setblocking(False)
    return listening


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """An address of a Unix socket that is short enough for the kernel, also in a deep folder."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def address_of(listening: socket.socket) -> str:
    """As people type it into a browser."""
    host, port = listening.getsockname()[:2]
    named = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{named}:{port}"


def refuse_new(listening: socket.socket) -> bool:
    """Let no further connection begin; those that wait to be accepted stay. Return whether the system can do that.

    A socket that is closed resets the connections that wait in it, also one that came in the last microsecond. So the
    kernel is told first to drop what opens a connection (packets with SYN); then all that wait are accepted, then the
    socket is closed. Who was dropped has sent nothing, tries again after a second, and is refused. Linux only.
    """
    if sys.platform != "linux":
        return False
    instructions = (
        (0x30, 0, 0, 13),  # the 13th byte of the TCP header: its flags
        (0x45, 0, 1, SYN),  # is SYN among them?
        (0x06, 0, 0, 0),  # then drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # else keep it whole
    )
    program = b"".join(struct.pack("HBBI", *one) for one in instructions)
    held = ctypes.create_string_buffer(program)
    try:
        listening.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(instructions), ctypes.addressof(held))
        )
    except OSError:
        return False
    return True
