"""The log of real workers under load: what a killed one loses, and what a dead disk or cloud costs."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from hammer import Hammer
from services import make_served, serving
from tiny_bundles import plain_record

from lightloop.monitoring.window import Window, read_window

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone"),
]
BUCKET = "logs"


def log_of(folder: str) -> Window:
    now = datetime.now(UTC)
    return read_window(folder, None, now - timedelta(days=1), now + timedelta(days=1))


def counted(window: Window, status: int = 200) -> int:
    rows = window.requests.to_pylist()
    return sum(one["count"] for one in rows if one["status"] == status and one["route"] == "/v1/predict")


def metric(address: str, name: str) -> float:
    with urlopen(f"{address}/metrics") as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@contextmanager
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of S3 on this machine, with an empty bucket; the environment says how it is reached."""
    from moto.server import ThreadedMotoServer

    for name, value in (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        import boto3

        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/service"
    finally:
        server.stop()


def test_of_two_workers_every_answer_is_in_the_log_once(tmp_path: Path) -> None:
    served = make_served(tmp_path / "bundle", 1)
    with serving(tmp_path, served, workers=2, log={"seconds": 0.3}) as service:
        with Hammer(service.address, plain_record(), clients=6).running() as told:
            time.sleep(4)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    window = log_of(str(tmp_path / ".lightloop/log"))
    answered = told.statuses[200]
    assert answered > 100
    assert told.failed == 0
    assert len(window.predictions) == counted(window) == answered
    assert window.predictions["prediction_id"].combine_chunks().unique().__len__() == answered
    workers = {name.name.split(".")[0] for name in (tmp_path / ".lightloop/log/predictions").rglob("*.parquet")}
    assert len(workers) == 2


def test_of_a_killed_worker_only_what_was_not_written_is_lost_and_no_file_is_damaged(tmp_path: Path) -> None:
    served = make_served(tmp_path / "bundle", 1)
    folder = str(tmp_path / ".lightloop/log")
    with serving(tmp_path, served, workers=2, log={"seconds": 0.2}) as service:
        with Hammer(service.address, plain_record(), clients=4).running() as told:
            for _ in range(4):
                time.sleep(1)
                os.kill(service.workers()[0], signal.SIGKILL)
                assert log_of(folder).damaged == ()
            time.sleep(1)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    window, answered = log_of(folder), told.statuses[200]
    assert window.damaged == ()
    assert len(window.predictions) <= answered
    # Each of four deaths takes some tenths of a second of one of two workers.
    assert len(window.predictions) >= 0.6 * answered


def test_a_folder_that_takes_nothing_costs_no_answer(tmp_path: Path) -> None:
    served = make_served(tmp_path / "bundle", 1)
    (tmp_path / "full").write_text("no folder")
    with serving(tmp_path, served, workers=1, logs="json", log={"folder": "full", "seconds": 0.1}) as service:
        with Hammer(service.address, plain_record(), clients=4).running() as told:
            time.sleep(3)
        assert metric(service.address, "lightloop_log_failures_total") >= 2
        assert told.failed == 0
        assert told.statuses[200] > 100
        lines = service.log.read_text()
    assert lines.count("the log can't be written") == 1


def test_the_log_may_lie_in_the_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = make_served(tmp_path / "bundle", 1)
    with s3(monkeypatch) as folder:
        settings: dict[str, Any] = {"workers": 1, "log": {"folder": folder, "seconds": 0.3}}
        with serving(tmp_path, served, **settings) as service:
            with Hammer(service.address, plain_record(), clients=2).running() as told:
                time.sleep(3)
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(30) == 0
        window = log_of(folder)
        assert len(window.predictions) == counted(window) == told.statuses[200] > 50


def test_a_dead_cloud_costs_no_answer_and_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = make_served(tmp_path / "bundle", 1)
    for name, value in (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)  # connections are taken, and nobody answers
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        settings: dict[str, Any] = {"workers": 1, "log": {"folder": "s3://logs/x", "seconds": 0.1, "queue": 100}}
        with serving(tmp_path, served, **settings) as service:
            with Hammer(service.address, plain_record(), clients=4).running() as told:
                time.sleep(4)
            assert told.failed == 0
            assert told.statuses[200] > 100
            assert metric(service.address, 'lightloop_log_dropped_total{why="queue"}') > 0
            service.process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            assert service.process.wait(30) == 0
            assert time.monotonic() - begun < 15


def test_a_redaction_that_is_none_is_told_and_nothing_is_served(tmp_path: Path) -> None:
    served = make_served(tmp_path / "bundle", 1)
    with (
        pytest.raises(AssertionError, match=r"serve\.log\.redact names 'imgae', no column of this model"),
        serving(tmp_path, served, workers=1, log={"redact": ["imgae"]}),
    ):
        pytest.fail("it was served")
