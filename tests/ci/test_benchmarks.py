"""How long people wait, night after night."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ci_server import Server

from lightloop.ci.benchmarks import Night, bench, slow
from lightloop.errors import LightloopError
from lightloop.release.repository import git

PRINTED = """\
lightloop --help          0.21 s   (median of 7)
make run, first time    153.0 s   validate 3 s, train 40 s
disk of the clone          64 MB  after both
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a benchmark that takes no time."""
    root = tmp_path / "project"
    (root / "configs").mkdir(parents=True)
    (root / "benchmarks").mkdir()
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "benchmarks" / "run_times.py").write_text(f"print({PRINTED!r}, end='')\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv("GITHUB_API_URL", made.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/model")
    monkeypatch.setenv("GH_TOKEN", "secret")
    yield made
    made.http.shutdown()
    made.http.server_close()


def lines(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "ci" / "benchmarks.jsonl").read_text().splitlines()]


def test_a_first_night_begins_the_history(project: Path, step: Any) -> None:
    bench()
    (night,) = lines(project)
    assert night["figures"] == {
        "lightloop --help, s": 0.21,
        "make run, first time, s": 153.0,
        "validate, s": 3.0,
        "train, s": 40.0,
        "disk of the clone, MB": 64.0,
    }
    assert night["commit"] == git(project, "rev-parse", "HEAD").strip()
    assert "| train, s | 40 |" in step.summary


def test_later_nights_go_on_with_the_newest_artifact_and_say_what_became_slow(
    project: Path, server: Server, step: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [
        Night(at=f"2026-11-0{day}", commit="c", figures={"train, s": 20.0, "validate, s": 3.0}) for day in range(1, 6)
    ]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("benchmarks.jsonl", "".join(f"{night.model_dump_json()}\n" for night in before))
    found = [
        {"id": 1, "expired": False, "created_at": "2026-11-04T02:00:00Z"},
        {"id": 2, "expired": False, "created_at": "2026-11-05T02:00:00Z"},
        {"id": 3, "expired": True, "created_at": "2026-11-06T02:00:00Z"},
    ]
    server.answers = [(200, {}, {"artifacts": found}), (200, {}, zipped.getvalue())]
    bench()
    assert [path for _, path, _ in server.asked][1].endswith("/actions/artifacts/2/zip")
    assert len(lines(project)) == 6
    assert "::warning::train, s is 40, usually 20" in capsys.readouterr().out
    assert "| train, s | 40 | 20 |" in step.summary


def test_a_history_that_can_not_be_read_begins_anew(
    project: Path, server: Server, step: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [(403, {}, {"message": "Resource not accessible by integration"})]
    bench()
    assert len(lines(project)) == 1
    assert "::warning::the nights before can't be read" in capsys.readouterr().out


def test_a_benchmark_that_fails_fails_the_step(project: Path) -> None:
    (project / "benchmarks" / "run_times.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(LightloopError, match=r"benchmarks/run_times.py ended with 3"):
        bench()


def test_few_nights_say_nothing() -> None:
    nights = [Night(at="2026-11-01", commit="c", figures={"train, s": 20.0})] * 4
    assert slow(nights, Night(at="2026-11-02", commit="c", figures={"train, s": 90.0})) == []
