"""The supervisor's socket: commands in, an answer out, one line of JSON each; the listening socket can come with it.

It lies in the service's folder, which its owner alone can enter.
"""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightloop.errors import LightloopError
from lightloop.service.processes.listening import bind_private, reachable

MOST = 65536  # bytes of a command
PATIENCE = 2.0  # seconds that a command or an answer may take to come

Answer = tuple[dict[str, Any], list[int]]


class Control:
    """The side that answers. `fileno` is readable when somebody asks.

    Attributes:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = bind_private(path)
        self._socket.listen(8)

    def fileno(self) -> int:
        return self._socket.fileno()

    def answer(self, handle: Callable[[dict[str, Any]], Answer]) -> None:
        """Answer one command, if somebody asks.

        Args:
            handle: takes the command, gives the answer and the file descriptors to hand over. What it raises as
                LightloopError is the answer.
        """
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(PATIENCE)
            try:
                command = json.loads(_line(connection))
                try:
                    content, descriptors = handle(command)
                except LightloopError as error:
                    content, descriptors = {"error": str(error)}, []
                socket.send_fds(connection, [json.dumps(content).encode() + b"\n"], descriptors)
            except (OSError, ValueError):
                return

    def close(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)


def ask(path: Path, **command: Any) -> dict[str, Any]:
    """The answer to a command.

    Raises:
        LightloopError: nobody answers there, or the answer is an error.
    """
    content, descriptors = _ask(path, command)
    for descriptor in descriptors:
        os.close(descriptor)
    return content


def ask_for_socket(path: Path) -> socket.socket:
    """The service's listening socket, as one more descriptor of the same socket.

    Raises:
        LightloopError: nobody answers there.
    """
    _, descriptors = _ask(path, {"do": "socket"})
    if len(descriptors) != 1:
        raise LightloopError("the running service did not hand over its socket: stop it by `lightloop stop`")
    listening = socket.socket(fileno=descriptors[0])
    listening.setblocking(False)
    return listening


def _ask(path: Path, command: dict[str, Any]) -> Answer:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE * 5)
        try:
            with reachable(path) as address:
                connection.connect(address)
            connection.sendall(json.dumps(command).encode() + b"\n")
            received, descriptors, _, _ = socket.recv_fds(connection, MOST, 1)
            content = json.loads(received if received.endswith(b"\n") else received + _line(connection))
        except (OSError, ValueError) as error:
            raise LightloopError(f"the service does not answer its control socket ({error}): see its log") from None
    if "error" in content:
        raise LightloopError(content["error"])
    return content, descriptors


def _line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        part = connection.recv(MOST)
        if not part or len(received) > MOST:
            raise ValueError("not a whole line")
        received += part
    return received
