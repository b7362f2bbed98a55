"""DVC's command line, imported once: a process that has done so is forked for each command.

Importing DVC takes longer than most of what it is asked, and a promotion asks it four times. The server starts with the
first command; it and what it forks end with this process, whatever ends it. Elsewhere than on Linux each command is a
process of its own. `lightloop.warm` does the like for the stages of a run, which are processes already.
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from lightloop.errors import LightloopError
from lightloop.journal import die_with_parent

# With what DVC imports late, whatever it is asked: about a tenth of a second for each command.
IMPORTED = [
    "dvc.cli.parser",
    "dvc.dependency",
    "dvc.output",
    *(f"dvc.repo.{one}" for one in ("artifacts", "datasets", "index", "metrics", "open_repo", "params", "plots")),
    "dvc.repo.stage",
    "dvc.repo.status",
    "dvc.cachemgr",
    "dvc.data_cloud",
    "dvc.lock",
    "dvc_data.index",
    "ruamel.yaml",
    "scmrepo.git",
]
# What DVC imports late, of the remote that a project has.
OF_REMOTES = {"s3://": "s3fs", "gs://": "gcsfs", "azure://": "adlfs", "ssh://": "sshfs"}
LARGEST = 1 << 20  # bytes of a request
Done = subprocess.CompletedProcess[str]


def run_dvc(root: Path, *arguments: str, environment: dict[str, str] | None = None) -> Done:
    """Run a DVC command, and wait for its end.

    Args:
        root: the folder to run it in.
        arguments: after the word `dvc`; not `repro`, whose stages print too.
        environment: beside ours.

    Returns:
        Its exit code (negative: the signal that killed it), and what it printed.
    """
    told = os.environ | {"DVC_NO_ANALYTICS": "1"} | (environment or {})
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        if sys.platform == "linux":
            request = {"words": arguments, "folder": str(root.resolve()), "environment": told}
            code = _server(os.getpid()).ask(request, [printed.fileno(), said.fileno()])
        else:
            words = [sys.executable, "-m", "dvc", *arguments]
            started = subprocess.run(
                words, cwd=root, env=told, stdin=subprocess.DEVNULL, stdout=printed, stderr=said, check=False
            )
            code = started.returncode
        texts = []
        for file in (printed, said):
            file.seek(0)
            texts.append(file.read().decode("utf-8", errors="replace"))
    return subprocess.CompletedProcess(["dvc", *arguments], code, *texts)


@cache
def _server(_process: int) -> "_Server":
    """The server of a process: a fork of it has another one."""
    return _Server()


class _Server:
    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lightloop.release.dvc", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # so that who reads ours to its end does not wait for the server's
                stderr=subprocess.DEVNULL,
                # Where this module is, also in a process that has its own search path.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def ask(self, request: dict[str, Any], streams: list[int]) -> int:
        """Have a command run. Returns its exit code."""
        with self._turn:
            if self._process.poll() is not None:
                self._connection.close()
                self._start()
            try:
                socket.send_fds(self._connection, [json.dumps(request).encode()], streams)
                answer = self._connection.recv(LARGEST)
            except KeyboardInterrupt:
                self._end()  # the next one must not get this one's answer
                raise
            except OSError:
                answer = b""
            if not answer:
                self._end()
                raise LightloopError("DVC was killed (out of memory?): run it again")
            return int(answer)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


def _serve(connection: socket.socket) -> None:
    """Fork for each request, until nobody is there to ask."""
    while True:
        content, streams, _, _ = socket.recv_fds(connection, LARGEST, 2)
        if not content:
            return
        request = json.loads(content)
        _import(Path(request["folder"]))
        fork = os.fork()
        if fork == 0:
            connection.close()
            _become(request, streams)
        for stream in streams:
            os.close(stream)
        if _gone_before(fork, connection):
            return
        code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
        with suppress(OSError):
            connection.send(str(code).encode())


def _gone_before(fork: int, connection: socket.socket) -> bool:
    """Wait for a fork's end. Returns whether nobody waits for it any more, which comes first then."""
    ended = os.pidfd_open(fork)
    waiting = select.poll()
    waiting.register(ended, select.POLLIN)
    waiting.register(connection, select.POLLHUP)
    happened = {place for place, _ in waiting.poll()}
    os.close(ended)
    return ended not in happened


def _import(root: Path) -> None:
    path = root / ".dvc" / "config"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for name in (*IMPORTED, *(name for scheme, name in OF_REMOTES.items() if scheme in text)):
        # What can't be imported is said by the command that needs it.
        with suppress(Exception):
            importlib.import_module(name)


def _become(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the command: its folder, environment and streams; and end as it ends."""
    code = 1
    try:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for place, stream in enumerate(streams, start=1):
            os.dup2(stream, place)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(str(request["folder"]))
        sys.stdout, sys.stderr = (open(place, "w", encoding="utf-8", closefd=False) for place in (1, 2))  # noqa: SIM115
        from dvc.cli import main

        code = int(main(list(request["words"])) or 0)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for this process alone: it ends as its client does
    _serve(socket.socket(fileno=int(sys.argv[1])))
