"""What stood where at a moment, from tags alone."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from loop_world import command
from registry_world import clone, git, tags

from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.release.past import read_moment, releases_at

HOURS = {
    10: ("production", "v0.1.0"),
    12: ("production", "v0.2.0"),
    13: ("staging", "v0.2.0"),
    15: ("production", "v0.1.0"),
}


@pytest.fixture(scope="module")
def past(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A registry whose tags carry the hours of a day, in zones of several machines."""
    project = clone(released, tmp_path_factory.mktemp("past") / "clone")
    root = project.root
    for name in tags(root):
        git(root, "tag", "--delete", name)
    for name, hour in (("model@v0.1.0", 9), ("model@v0.2.0", 11)):
        git(root, "commit", "-q", "--allow-empty", "-m", name)
        _tag(root, name, hour, f"{name}: first line\n\nsecond")
    for number, (hour, (stage, version)) in enumerate(HOURS.items(), start=1):
        _tag(root, f"model#{stage}#{number}", hour, f"to {stage}", at=f"model@{version}^{{commit}}")
    return project


def _tag(root: Path, name: str, hour: int, message: str, at: str = "HEAD") -> None:
    # 12 in UTC is 17:30 in India.
    zone = timezone(timedelta(hours=5, minutes=30)) if hour % 2 else UTC
    when = datetime(2026, 11, 1, hour, tzinfo=UTC).astimezone(zone)
    os.environ["GIT_COMMITTER_DATE"] = when.isoformat()
    try:
        git(root, "tag", "--annotate", name, at, "--message", message)
    finally:
        del os.environ["GIT_COMMITTER_DATE"]


@pytest.mark.parametrize(
    ("moment", "stood"),
    [
        ("2026-11-01T09:59:59+00:00", {}),
        ("2026-11-01T10:00:00+00:00", {"production": "v0.1.0"}),
        ("2026-11-01T11:59:59+00:00", {"production": "v0.1.0"}),
        ("2026-11-01T12:00:00+00:00", {"production": "v0.2.0"}),
        ("2026-11-01T13:00:00+02:00", {"production": "v0.1.0"}),
        ("2026-11-01T14:00:00+00:00", {"production": "v0.2.0", "staging": "v0.2.0"}),
        ("2026-11-02", {"production": "v0.1.0", "staging": "v0.2.0"}),
        ("1999-01-01", {}),
    ],
)
def test_what_stood_where(past: Project, moment: str, stood: dict[str, str]) -> None:
    found = releases_at(past, read_moment(moment))
    assert {one.stage: one.version for one in found} == stood


def test_it_says_from_when_until_when_and_by_whom(past: Project) -> None:
    (found,) = releases_at(past, read_moment("2026-11-01T12:30Z"))
    assert found.since == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert found.until == datetime(2026, 11, 1, 15, tzinfo=UTC)
    assert found.by == "Test"
    assert found.message == "to production"
    (still, _) = releases_at(past, read_moment("2026-11-05"))
    assert still.until is None


def test_the_command_states_the_zone(past: Project) -> None:
    done = command(past.root, "lightloop", "releases", "--at", "2026-11-01T17:30+05:30", COLUMNS="200")
    assert done.returncode == 0 or "not inside" in done.stderr
    (past.root / "configs").mkdir(exist_ok=True)
    done = command(past.root, "lightloop", "releases", "--at", "2026-11-01T17:30+05:30", COLUMNS="200")
    assert "at 2026-11-01 17:30:00 +0530, which is 2026-11-01 12:00:00 UTC:" in done.stdout
    assert "v0.2.0" in done.stdout
    assert "20:30:00 +0530" in done.stdout, "until when, in the zone that was asked in"


def test_what_is_no_time_is_one_sentence() -> None:
    for text in ("yesterday", "2026-13-01", ""):
        with pytest.raises(UsageError, match=r"is no time: write such as 2026-11-01T12:00"):
            read_moment(text)
    assert read_moment("2026-11-01T12:00").tzinfo is not None


def test_an_empty_registry_stood_nowhere(past: Project, tmp_path: Path) -> None:
    project = clone(past, tmp_path / "clone")
    for name in tags(project.root):
        git(project.root, "tag", "--delete", name)
    assert releases_at(project, read_moment("2026-11-02")) == []
