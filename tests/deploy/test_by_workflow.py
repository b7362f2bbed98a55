"""`lightloop ci deploy` on real services: what a workflow tries first, waits for, and counts as a failure."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from hammer import Hammer
from loop_world import meanwhile
from services import later, release_failing_bundle, version_at
from tiny_bundles import plain_record

from lightloop.ci.deploying import deploy
from lightloop.deploy.local import health_of, stop
from lightloop.errors import LightloopError, RefusedError
from lightloop.project import Project
from lightloop.release.history import assignments
from lightloop.release.registry import promote, rollback

pytestmark = pytest.mark.slow
SETTINGS = {"PORT": "0", "LOGS": "none", "WORKERS": "1", "WATCH": "0.1", "LOG_FOLDER": "null"}
BOUNDS = {"REQUESTS": "40", "SHARE": "0.5", "SECONDS": "60", "MAX_SLOWDOWN": "50", "WATCH": "3"}


@pytest.fixture
def job(world: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """In the folder of a project whose v0.1.0 is served, on a runner that is quick to decide."""
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "DEPLOY_TARGET", "LIGHTLOOP_DEPLOY_ROOT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"LIGHTLOOP_SERVE_{name}", value)
    for name, value in BOUNDS.items():
        monkeypatch.setenv(f"LIGHTLOOP_SERVE_CANARY_{name}", value)
    monkeypatch.chdir(world.root)
    deploy(tag="model#production#1", canary=None)
    return world


def bump(project: Project) -> str:
    """v0.2.0 comes into production. Returns the tag."""
    later()
    promote(project, stage="production", version="v0.2.0", force=True)
    return str(assignments(project.root)[-1]["ref"])


def address_of(project: Project) -> str:
    found = health_of(project)
    assert found is not None
    return found[1].address


@contextmanager
def asked(project: Project) -> Iterator[None]:
    """While somebody asks, whatever is answered."""
    with (
        httpx.Client(base_url=address_of(project), timeout=30) as client,
        meanwhile(lambda: client.post("/v1/predict", json=plain_record())),
    ):
        yield


def test_the_first_release_waits_for_nothing_and_the_next_is_tried_beside_it(
    job: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is tried" not in capsys.readouterr().out
    tag = bump(job)
    with Hammer(address_of(job), plain_record(), clients=2).running() as load:
        deploy(tag=tag, canary=None)
    said = capsys.readouterr().out
    # It answers otherwise than v0.1.0, which by labels the gate found good.
    assert "v0.2.0 is tried beside v0.1.0: it answers 50% of the requests" in said
    answered = re.search(r"its trial went well: requests (\d+), failures 0", said)
    assert answered is not None, said
    assert int(answered[1]) >= int(BOUNDS["REQUESTS"])
    assert load.failed == 0, load.lost
    assert version_at(address_of(job)) == "v0.2.0"
    found = health_of(job)
    assert found is not None
    assert found[1].watched is None  # until then the step waited


def test_without_traffic_it_is_taken_when_the_time_is_over(
    job: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(job)
    monkeypatch.setenv("LIGHTLOOP_SERVE_CANARY_SECONDS", "1")
    deploy(tag="model#production#1", canary=None)
    deploy(tag=bump(job), canary=None)
    assert "its trial went well: requests 0" in capsys.readouterr().out
    assert version_at(address_of(job)) == "v0.2.0"


def test_who_wants_no_trial_says_so_and_a_way_back_has_none(job: Project, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(tag=bump(job), canary=0)
    assert version_at(address_of(job)) == "v0.2.0"
    later()
    rollback(job, stage="production")
    deploy(tag=str(assignments(job.root)[-1]["ref"]), canary=None)
    assert version_at(address_of(job)) == "v0.1.0"
    later()
    # The one that was given back has to prove itself anew.
    promote(job, stage="production", version="v0.2.0", force=True)
    assert "is tried" not in capsys.readouterr().out
    with asked(job):
        deploy(tag=str(assignments(job.root)[-1]["ref"]), canary=None)
    assert "v0.2.0 is tried beside v0.1.0" in capsys.readouterr().out


def test_a_release_that_fails_for_some_is_refused_and_the_job_fails(job: Project) -> None:
    release_failing_bundle(job)
    with asked(job), pytest.raises(RefusedError, match=r"v0\.3\.0 is not deployed: .* failed"):
        deploy(tag=str(assignments(job.root)[-1]["ref"]), canary=None)
    assert version_at(address_of(job)) == "v0.1.0"


def test_a_release_that_fails_for_all_gives_way_and_the_job_fails(job: Project) -> None:
    release_failing_bundle(job)
    with asked(job), pytest.raises(LightloopError, match=r"v0\.3\.0 gave way to v0\.1\.0: .* answers failed"):
        deploy(tag=str(assignments(job.root)[-1]["ref"]), canary=0)
    end = time.monotonic() + 20
    while version_at_or_none(job) != "v0.1.0":
        assert time.monotonic() < end
        time.sleep(0.1)
    # The release that it gave way to is as good as deployed.
    later()
    rollback(job, stage="production")
    deploy(tag=str(assignments(job.root)[-1]["ref"]), canary=None)
    assert version_at(address_of(job)) == "v0.1.0"


def version_at_or_none(project: Project) -> str | None:
    answer = httpx.post(f"{address_of(project)}/v1/predict", json=plain_record(), timeout=30)
    return str(answer.json()["model_version"]) if answer.is_success else None
