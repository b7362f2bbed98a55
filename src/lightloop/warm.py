"""One start-up for all stages of a run: a process that has imported what they need is forked for each of them.

Importing torch, Lightning and scikit-learn takes two to four seconds of a processor, and DVC starts every stage as a
process of its own. So `lightloop run` keeps a server beside DVC. The first stage that is really run does its work
itself, while the server imports; the command of each further stage hands the server its words, folder, environment and
streams, and ends as the fork ends. A stage that is killed takes its fork along. Linux only: elsewhere a fork of a
process that holds such libraries is not safe, and stages start as they always did.
"""

import array
import atexit
import gc
import importlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from lightloop.journal import JOURNAL, die_with_parent

# The environment variable that tells a stage where its run's server listens; a person may set it to `off`.
WARM = "LIGHTLOOP_WARM"
STREAMS = (0, 1, 2)
# What stages import late, beside their own modules.
LATE = ("captum.attr", "onnx", "onnxruntime", "onnxscript", "pytorch_lightning", "torch.export", "torchmetrics")
# What each needs of its modality: scikit-learn's converters and the like, half a second in every stage.
OF_MODALITY = ("lightloop.data.{}.preprocessor", "lightloop.data.{}.module")
# All but validate, which needs libraries that no other stage does.
STAGES = ("folds", "train", "calibrate", "evaluate", "audit", "explain", "export", "compress", "gate", "report")
LARGEST = 1 << 20  # bytes of a request


@contextmanager
def warm_server(*, soon: bool = False, modality: str | None = None) -> Iterator[dict[str, str]]:
    """A server for the stages of one run; none elsewhere than on Linux, nor where `LIGHTLOOP_WARM=off`.

    Args:
        soon: import at once, since there is a stage to run for sure; else when the first one asks.
        modality: of the data, whose modules are imported too.

    Returns:
        What the environment of the stages must say; nothing where there is no server.
    """
    if sys.platform != "linux" or os.environ.get(WARM) == "off":
        yield {}
        return
    # In Linux's abstract namespace: no file is left behind, however the run ends.
    name = f"lightloop-{os.getpid()}-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "lightloop.warm",
                str(listener.fileno()),
                "soon" if soon else "late",
                modality or "",
            ],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
        )
    try:
        yield {WARM: name}
    finally:
        server.kill()
        server.wait()


def hand_over(words: list[str]) -> None:
    """Let the run's server do what this process was started for, and end as that ends; return where it can't.

    Args:
        words: of the command line.
    """
    name = os.environ.get(WARM)
    if name is None or JOURNAL not in os.environ:
        return
    die_with_parent()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(f"\0{name}")
            if words[0] not in STAGES:
                return  # but the server knows now that there is work
            request = {"words": words, "folder": str(Path.cwd()), "environment": dict(os.environ)}
            content = json.dumps(request).encode()
            if len(content) > LARGEST:
                return
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
            connection.sendmsg([content], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", STREAMS))])
            forked = json.loads(connection.recv(LARGEST) or b"null")
        except OSError:
            return
        if forked is None:
            return
        # Ctrl-C reaches the fork as well, which says what is to be said about it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, _: _forward(forked, number))
        ended = connection.recv(LARGEST)
    _end(json.loads(ended) if ended else -signal.SIGKILL)


def _forward(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _end(code: int) -> NoReturn:
    """End with an exit code, or by the signal that a negative one stands for."""
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler to be taken back
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(listener: socket.socket, modality: str, *, warm: bool) -> None:
    """Answer stages, one at a time, until killed. Returns in the fork, which is the stage from then on."""
    while True:
        connection, _ = listener.accept()
        with connection:
            if not _is_ours(connection):
                continue
            if not warm:
                # The first one does its work itself, meanwhile.
                connection.close()
                _import(modality)
                warm = True
                continue
            content, streams, _, _ = socket.recv_fds(connection, LARGEST, len(STREAMS))
            if len(streams) != len(STREAMS):
                continue
            fork = os.fork()
            if fork == 0:
                listener.close()
                _become(json.loads(content), streams, connection)
                return
            for stream in streams:
                os.close(stream)
            # The client may be gone: then its fork is, too.
            with suppress(OSError):
                connection.send(str(fork).encode())
            code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
            with suppress(OSError):
                connection.send(str(code).encode())


def _is_ours(connection: socket.socket) -> bool:
    """Whether the same user asks: in the abstract namespace anybody may."""
    credentials = array.array("i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return credentials[1] == os.getuid()


def _import(modality: str) -> None:
    own = tuple(name.format(modality) for name in OF_MODALITY) if modality else ()
    for name in (*(f"lightloop.stages.{stage}" for stage in STAGES), *LATE, *own):
        # What can't be imported is said by the stage that needs it.
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that the forks' collections touch, and copy, none of it


def _become(request: dict[str, Any], streams: list[int], connection: socket.socket) -> None:
    """Be the process that asked: its streams, folder, environment and words; and end with it."""
    import fcntl  # which not every system has; this function runs on Linux alone

    die_with_parent()
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (
        open(place, mode, buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        for place, mode in zip(STREAMS, ("r", "w", "w"), strict=True)
    )
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    del os.environ[WARM]
    sys.argv = ["lightloop", *request["words"]]
    # The kernel kills this process when the connection is closed, by whatever ended the other one.
    place = os.dup(connection.fileno())
    fcntl.fcntl(place, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(place, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(place, fcntl.F_SETFL, fcntl.fcntl(place, fcntl.F_GETFL) | os.O_ASYNC)
    gone = select.poll()
    gone.register(place, select.POLLHUP)
    if gone.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    die_with_parent()
    # Ctrl-C is for the stages; one that was started with it ignored has it ignored.
    heeds = signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, when, modality = sys.argv[1:]
    if when == "soon":
        _import(modality)
    serve(socket.socket(fileno=int(descriptor)), modality, warm=when == "soon")
    signal.signal(signal.SIGINT, heeds)
    code = 1
    try:
        # By name, as the entry point of the command does: this module stands below what it runs.
        importlib.import_module("lightloop.cli").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (the interpreter would print it and end as well)
        traceback.print_exc()
    finally:
        # Without the last part of an interpreter's end: there, libraries wait for threads that no fork has.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
