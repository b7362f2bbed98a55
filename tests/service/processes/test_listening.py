"""Sockets: bound, handed over, closed to newcomers while those who wait are served; commands and state files."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loop_world import meanwhile

from lightloop.config.serve import ServeConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.service.processes.control import Answer, Control, ask, ask_for_socket
from lightloop.service.processes.listening import address_of, bind, refuse_new
from lightloop.service.processes.state import Pointer, Served, ServiceFolder, WorkerReport, put, read, runs, start_of


def test_a_taken_port_is_one_sentence() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        assert address_of(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(UsageError, match=f"can't listen on 127.0.0.1:{port}.*serve.port"):
            bind("127.0.0.1", port)
    with pytest.raises(UsageError, match="is no address to listen on"):
        bind("no host of this name", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of the Linux kernel")
def test_who_waits_is_served_and_who_comes_later_is_refused() -> None:
    listening = bind("127.0.0.1", 0)
    listening.listen(8)
    address = listening.getsockname()
    waiting = socket.create_connection(address)
    waiting.sendall(b"here already")
    assert refuse_new(listening)
    late = socket.socket()
    late.settimeout(0.2)
    with pytest.raises(TimeoutError, match="timed out"):
        late.connect(address)
    late.close()
    accepted, _ = listening.accept()
    listening.close()
    assert accepted.recv(100) == b"here already"
    accepted.sendall(b"answer")
    assert waiting.recv(100) == b"answer"
    accepted.close()
    waiting.close()
    with pytest.raises(ConnectionRefusedError, match=r"refused|failed"):
        socket.create_connection(address, timeout=5)


@contextmanager
def answering(path: Path, handle: Any) -> Iterator[None]:
    control = Control(path)
    try:
        with meanwhile(lambda: control.answer(handle)):
            yield
    finally:
        control.close()


def test_commands_are_answered_and_faults_are_their_sentence(tmp_path: Path) -> None:
    def handle(command: dict[str, Any]) -> Answer:
        if command["do"] == "fail":
            raise UsageError("it can't be")
        return {"came": command}, []

    with answering(tmp_path / "control", handle):
        assert ask(tmp_path / "control", do="it", much="x" * 40_000)["came"]["much"] == "x" * 40_000
        with pytest.raises(LightloopError, match="it can't be"):
            ask(tmp_path / "control", do="fail")
        # Nonsense neither gets an answer nor ends it.
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(tmp_path / "control"))
            other.sendall(b"no json\n")
            assert other.recv(10) == b""
        assert ask(tmp_path / "control", do="again")["came"] == {"do": "again"}
    with pytest.raises(LightloopError, match="does not answer its control socket"):
        ask(tmp_path / "control", do="it")


def test_the_listening_socket_is_handed_over_also_in_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    listening = bind("127.0.0.1", 0)
    listening.listen(8)
    with answering(deep / "control", lambda _: ({}, [listening.fileno()])):
        inherited = ask_for_socket(deep / "control")
    address = listening.getsockname()
    listening.close()
    # The socket lives on in the other hand.
    with socket.create_connection(address, timeout=5):
        inherited.setblocking(True)
        inherited.accept()[0].close()
    inherited.close()


def test_a_process_is_told_from_another_of_the_same_number() -> None:
    mine = start_of(os.getpid())
    assert mine is not None
    assert runs(os.getpid(), mine)
    assert not runs(os.getpid(), mine + "0")
    assert start_of(2**22 + 1) is None


def test_records_survive_and_damaged_ones_are_none(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path / "service")
    folder.create(ServeConfig(port=1234))
    assert folder.settings().port == 1234
    assert folder.root.stat().st_mode & 0o777 == 0o700
    report = WorkerReport(pid=1, beat=2.0, state="ready", generation=3)
    put(folder.worker_path(0), report)
    assert folder.report(0) == report
    folder.worker_path(0).write_text(json.dumps(report.model_dump())[:-1])
    assert folder.report(0) is None
    assert folder.health() is None
    assert read(tmp_path / "none", Served) is None
    assert [path.name for path in (folder.root / "workers").iterdir()] == ["0.json"]


def test_files_that_somebody_cleaned_up_are_written_again(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path / "service")
    settings = ServeConfig(port=1234)
    folder.create(settings)
    pointer = Pointer(generation=7, current=Served(folder="/x", version="v1", digest="ab"))
    folder.keep(settings, pointer)
    folder.settings_path.unlink()
    folder.keep(settings, pointer)
    assert (folder.settings(), folder.pointer()) == (settings, pointer)
    # What is there is not touched: a worker would look at it again.
    before = folder.pointer_path.stat().st_mtime_ns
    folder.keep(settings, pointer)
    assert folder.pointer_path.stat().st_mtime_ns == before


def test_a_touched_file_is_a_sign_of_life(tmp_path: Path) -> None:
    folder = ServiceFolder(tmp_path / "service")
    folder.create(ServeConfig())
    old = WorkerReport(pid=1, beat=time.monotonic() - 100, state="ready")
    put(folder.worker_path(0), old)
    os.utime(folder.worker_path(0), (0, 0))
    assert folder.silence(0, old) == pytest.approx(100, abs=5)
    os.utime(folder.worker_path(0))
    assert folder.silence(0, old) < 5
