"""The command: what it refuses, and once the whole of it, with the timeline that a person reads."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from loop_world import command, processes_in
from small_project import REPOSITORY

from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.simulation.copied import Copy
from lightloop.simulation.page import write_page
from lightloop.simulation.plan import START, Plan
from lightloop.simulation.timeline import DaySeen, Event, Timeline, conclusion, lines_of


def timeline(*, recovered: bool = True, kind: str = "concept") -> Timeline:
    def day(place: int, drift: float, accuracy: float | None, version: str, act: str) -> DaySeen:
        alarms = ["performance accuracy"] if act != "nothing" else []
        begins = START + timedelta(days=place)
        return DaySeen(
            begins=begins,
            drift=drift,
            asked=600,
            failed=0,
            accuracy=accuracy,
            version=version,
            act=act,
            alarms=alarms,
        )

    days = [
        day(0, 0, 0.9, "v0.1.0", "nothing"),
        day(1, 1, 0.5, "v0.1.0", "retrain"),
        day(2, 1, 0.85, "v0.2.0", "nothing"),
    ]
    event = Event(time=START + timedelta(days=2), seconds=61.2, what="deploy", sentence="v0.2.0 <is> served")
    return Timeline(
        plan=Plan(kind=kind, drift_day=1, days=5),  # type: ignore[arg-type]
        days=days,
        events=[event],
        before=0.9,
        during=0.5,
        after=0.85,
        recovered=recovered,
        seconds_to_recovery=42.4 if recovered else None,
        days_to_recovery=1 if recovered else None,
        false_alarms=0,
    )


def test_the_timeline_as_a_person_reads_it():
    said = lines_of(timeline())
    assert said[0] == "Wed 07 Jan 00:00    61.2 s  deploy     v0.2.0 <is> served"
    assert "Tue 06 Jan       600     0.500  v0.1.0     100%  retrain: performance accuracy" in said
    assert said[-1].startswith(
        "recovered: accuracy 0.900 before the drift, 0.500 on its worst day, 0.850 afterwards; 42 s"
    )
    assert conclusion(timeline(recovered=False)).startswith("not recovered within 3 days")
    assert conclusion(timeline(kind="none")).startswith("no drift: 0 of 3 days alarmed")


def test_its_page_has_the_days_and_what_happened(tmp_path: Path):
    page = write_page(Project(tmp_path), timeline()).read_text(encoding="utf-8")
    assert "Recovered" in page
    assert "v0.2.0 &lt;is&gt; served" in page
    assert page.count("<figure") == 2
    assert (tmp_path / "reports" / "assets" / "site.css").is_file()


def test_what_can_not_be_simulated_is_one_sentence():
    done = command(REPOSITORY, "lightloop", "simulate", "--drift", "sideways")
    assert done.returncode == 2
    assert "kind: Input should be 'none', 'covariate', 'label' or 'concept'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty: name a folder that is"):
        Copy.make(Project(REPOSITORY), tmp_path, Plan(), 4711)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_commands_of_the_copy_know_nothing_of_the_accounts_of_the_user(tmp_path: Path):
    copy = Copy(Project(tmp_path), None, None, 4711)  # type: ignore[arg-type]
    copy.turn(1.5)
    given = {"HOME": "/h", "PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "s", "GITHUB_TOKEN": "t", "WANDB_API_KEY": "w"}
    given |= {"LIGHTLOOP_ALERT_WEBHOOK": "u", "LIGHTLOOP_SERVE_PORT": "80", "GIT_DIR": "/elsewhere"}
    found = copy.environment(given)
    assert not set(found) & (set(given) - {"HOME", "PATH", "LIGHTLOOP_SERVE_PORT"})
    assert (found["HOME"], found["LIGHTLOOP_SERVE_PORT"], found["WANDB_MODE"]) == ("/h", "4711", "disabled")
    assert found["GIT_COMMITTER_DATE"] == f"{(START + timedelta(days=1.5)).timestamp():.0f} +0000"
    assert float(Path(found["LIGHTLOOP_CLOCK"]).read_text()) == (START + timedelta(days=1.5)).timestamp()


@pytest.mark.slow
def test_concept_drift_is_found_learned_and_served(tmp_path: Path):
    folder = tmp_path / "copy"
    status = command(REPOSITORY, "git", "status", "--porcelain").stdout
    done = command(REPOSITORY, "lightloop", "simulate", "--days", "7", "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    found = Timeline.model_validate(json.loads((folder / "reports" / "simulation.json").read_text()))
    assert found.recovered, done.stdout
    assert found.before is not None
    assert found.during is not None
    assert found.after is not None
    assert found.before - found.during > 0.15
    assert found.after - found.during > 0.1
    order = [event.what for event in found.events]
    after = order[order.index("drift") :]
    assert [after.index(what) for what in ("alarm", "collect", "train", "promote", "deploy")] == sorted(
        after.index(what) for what in ("alarm", "collect", "train", "promote", "deploy")
    )
    assert all(day.failed == 0 for day in found.days)
    assert (folder / "reports" / "simulation.html").is_file()
    assert "recovered: accuracy" in done.stdout
    assert processes_in(folder) == []
    assert command(REPOSITORY, "git", "status", "--porcelain").stdout == status


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_gradual_concept_drift_is_recovered_from_when_old_records_are_left_out(tmp_path: Path):
    folder = tmp_path / "copy"
    done = command(REPOSITORY, "lightloop", "simulate", "--form", "gradual", "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    found = Timeline.model_validate(json.loads((folder / "reports" / "simulation.json").read_text()))
    assert found.recovered, done.stdout
    said = [event.sentence for event in found.events if event.what == "collect"]
    assert any("records hold since" in sentence for sentence in said)
    assert "holds_since" in json.loads((folder / "artifacts/training/summary.json").read_text())
