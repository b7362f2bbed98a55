"""How a worker's file comes to the disk."""

import os
from pathlib import Path

import pytest

from lightloop.service.processes.reporting import Reporter
from lightloop.service.processes.state import WorkerReport, read


def _report(generation: int) -> WorkerReport:
    return WorkerReport(pid=os.getpid(), beat=1.0, state="ready", generation=generation)


def test_the_last_of_several_reports_is_there_once_one_was_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    reporter = Reporter(path)
    for generation in range(5):
        reporter.put(_report(generation))
    reporter.put(_report(5), wait=True)
    assert read(path, WorkerReport) == _report(5)
    assert not reporter.busy


def test_a_disk_that_stands_still_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    reporter = Reporter(path)
    reporter.put(_report(1), wait=True)
    # A pipe in the place of the file that is renamed: to open it waits for a reader.
    stuck = tmp_path / f".{path.name}.{os.getpid()}"
    os.mkfifo(stuck)
    reporter.put(_report(2))
    assert reporter.busy
    assert read(path, WorkerReport) == _report(1)
    with stuck.open("rb") as reader:
        reader.read()
    path.unlink(missing_ok=True)
    reporter.put(_report(3), wait=True)
    assert read(path, WorkerReport) == _report(3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_what_cannot_be_written_is_a_sign_of_life_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    reporter = Reporter(path)
    reporter.put(_report(1), wait=True)
    os.utime(path, (0, 0))
    (tmp_path / f".{path.name}.{os.getpid()}").symlink_to("/dev/full")
    reporter.put(_report(2), wait=True)
    assert read(path, WorkerReport) == _report(1)
    assert path.stat().st_mtime > 0
