"""The service of a project in the background: changed, tried, broken off and rolled back under load."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from hammer import Hammer
from loop_world import PROGRAMS, command, wait_until
from registry_world import git
from services import later, make_release, release_failing_bundle, version_at
from tiny_bundles import plain_record

from lightloop.deploy import local
from lightloop.deploy.local import deploy, health_of, last_path, running, service_path, stop
from lightloop.deploy.released import folder_of
from lightloop.deploy.status import print_status
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.project import Project
from lightloop.release.registry import promote, register, rollback
from lightloop.serving.signature import make_keys, sign_bundle

pytestmark = pytest.mark.slow
QUICK = ("serve.port=0", "serve.logs=none", "serve.workers=1", "serve.watch=0.1")


def bump(project: Project) -> None:
    """The second release comes into production."""
    later()
    promote(project, stage="production", version="v0.2.0", force=True)


def test_a_new_release_takes_over_under_load_without_a_lost_request(world: Project) -> None:
    address = deploy(world, [*QUICK, "serve.workers=2"])
    before = running(world)
    assert before is not None
    assert version_at(address) == "v0.1.0"
    bump(world)
    hammer = Hammer(address, plain_record(), clients=8)
    with hammer.running() as load:
        time.sleep(0.5)
        assert deploy(world, [*QUICK, "serve.workers=2"]) == address
        time.sleep(0.5)
    assert (load.failed, load.refused) == (0, 0), load
    assert set(load.statuses) == {200}
    assert load.versions["v0.1.0"] > 0
    assert load.versions["v0.2.0"] > 0
    assert version_at(address) == "v0.2.0"
    after = running(world)
    assert after is not None
    assert after.pid != before.pid
    assert not before.runs()
    stop(world)
    assert running(world) is None
    with pytest.raises(httpx.ConnectError, match=r"refused|failed"):
        version_at(address)


def test_the_same_again_changes_nothing_and_other_settings_do(world: Project) -> None:
    deploy(world, QUICK)
    first = running(world)
    lines: list[str] = []
    deploy(world, QUICK, say=lines.append)
    assert running(world) == first
    assert lines == ["v0.1.0 is served already"]
    deploy(world, [*QUICK, "serve.max_records=7"])
    second = running(world)
    assert first is not None
    assert second is not None
    assert second.pid != first.pid
    assert not first.runs()


def test_the_port_that_was_found_free_can_be_named_afterwards(world: Project) -> None:
    address = deploy(world, QUICK)
    first = running(world)
    assert first is not None
    port = address.rpartition(":")[2]
    assert deploy(world, [*QUICK, f"serve.port={port}"]) == address
    assert not first.runs()
    assert version_at(address) == "v0.1.0"


def test_a_release_that_answers_otherwise_than_it_was_released_leaves_the_old_one(world: Project) -> None:
    address = deploy(world, QUICK)
    first = running(world)
    make_release(world, 3, wrong=True, champion={"version": "v0.1.0"})
    register(world, commit=True)
    later()
    promote(world, stage="production", version="v0.3.0", force=True)
    with pytest.raises(LightloopError, match="golden record 1"):
        deploy(world, QUICK)
    assert running(world) == first
    assert version_at(address) == "v0.1.0"
    last = json.loads(last_path(world).read_text())
    assert (last["version"], last["result"]) == ("v0.3.0", "failed")
    wait_until(lambda: len(services_of(world)) == 1, 10)
    later()
    promote(world, stage="production", version="v0.2.0", force=True)
    assert deploy(world, QUICK) == address
    assert version_at(address) == "v0.2.0"


def test_a_release_that_is_not_signed_with_the_key_of_the_config_leaves_the_old_one(world: Project) -> None:
    address = deploy(world, QUICK)
    bump(world)
    with pytest.raises(UsageError, match=r"serve\.public_key is bundle\.pub, which can't be read \(no such file"):
        deploy(world, [*QUICK, "serve.public_key=bundle.pub"])
    make_keys(world.root / "bundle.key", world.root / "bundle.pub")
    with pytest.raises(LightloopError, match=r"is not signed, but .+key\.pub asks for it"):
        deploy(world, [*QUICK, "serve.public_key=bundle.pub"])
    assert version_at(address) == "v0.1.0"
    assert sign_bundle(folder_of(world) / "bundles" / "v0.2.0", world.root / "bundle.key")
    assert deploy(world, [*QUICK, "serve.public_key=bundle.pub"]) == address
    assert version_at(address) == "v0.2.0"


def test_a_release_that_fails_when_it_is_used_gives_way_to_the_one_before(
    world: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    address = deploy(world, QUICK)
    assert version_at(address) == "v0.1.0"
    release_failing_bundle(world)
    assert deploy(world, QUICK) == address
    for _ in range(5):
        httpx.post(f"{address}/v1/predict", json=plain_record(), timeout=30)

    def returned() -> bool:
        found = health_of(world)
        change = found[1].change if found is not None else None
        return change is not None and (change.what, change.result) == ("return", "done")

    wait_until(returned, 20)
    assert version_at(address) == "v0.1.0"
    # It is ready, but is not what stands in production.
    assert not print_status(world)
    said = capsys.readouterr().out
    assert "return of v0.1.0: done, v0.3.0 is served no more: " in said
    assert "what stands in production gave way to v0.1.0: `lightloop rollback` gives the stage back" in said
    # What is given back to production then is served already; the bad one would be tried anew.
    later()
    rollback(world, stage="production")
    assert print_status(world)
    deploy(world, QUICK)
    assert version_at(address) == "v0.1.0"


def test_a_damaged_bundle_in_the_remote_leaves_the_old_one(world: Project) -> None:
    address = deploy(world, QUICK)
    bump(world)
    shutil.rmtree(world.root / ".dvc" / "cache")
    for path in (world.root / "storage").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(LightloopError, match=r"v0\.2\.0 can't be fetched"):
        deploy(world, QUICK)
    assert version_at(address) == "v0.1.0"


def test_rollback_serves_the_version_before_within_a_minute(world: Project) -> None:
    deploy(world, QUICK)
    bump(world)
    address = deploy(world, QUICK)
    assert version_at(address) == "v0.2.0"
    later()
    begun = time.monotonic()
    done = command(world.root, "lightloop", "rollback")
    assert done.returncode == 0, done.stderr
    assert version_at(address) == "v0.1.0"
    assert time.monotonic() - begun < 60
    settings = health_of(world)
    assert settings is not None
    assert len(settings[1].workers) == 1, "with the settings of the service that ran"
    status = command(world.root, "lightloop", "status")
    assert status.returncode == 0
    assert "v0.1.0" in status.stdout
    assert "ready" in status.stdout


def test_rollback_without_a_service_or_told_not_to_only_writes_the_registry(world: Project) -> None:
    bump(world)
    later()
    done = command(world.root, "lightloop", "rollback")
    assert done.returncode == 0, done.stderr
    assert running(world) is None


def test_two_deployments_at_once_one_is_refused(world: Project) -> None:
    environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    both = [
        subprocess.Popen(
            ["lightloop", "deploy", *QUICK], cwd=world.root, env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 2], errors
    assert "another deployment is under way" in "".join(errors)


def test_killed_deployments_leave_the_old_service_and_no_second_one(world: Project) -> None:
    address = deploy(world, QUICK)
    bump(world)
    environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    hammer = Hammer(address, plain_record(), clients=4)
    kills = 0
    with hammer.running() as load:
        for moment in (1.0, 1.6, 2.2, 2.8, 3.4):
            process = subprocess.Popen(
                ["lightloop", "deploy", *QUICK], cwd=world.root, env=environment, stdout=subprocess.DEVNULL
            )
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            assert version_at(address) in ("v0.1.0", "v0.2.0")
        deploy(world, QUICK)
        named = running(world)
        assert named is not None
        # Whoever was started by a killed deployment finds out by itself that it is not the one.
        wait_until(lambda: services_of(world) == [named.pid], 30)
    assert kills >= 3
    assert load.failed == 0, load.lost
    assert version_at(address) == "v0.2.0"


def services_of(project: Project) -> list[int]:
    """Supervisors of a project that run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            ours = b"lightloop.deploy.process" in words and any(str(project.root).encode() in word for word in words)
            if ours and not _is_worker(parent):
                found.append(int(entry.name))
    return sorted(found)


def _is_worker(parent: int) -> bool:
    try:
        return b"lightloop.deploy.process" in Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def test_after_a_power_cut_it_starts_again(world: Project) -> None:
    deploy(world, QUICK)
    named = running(world)
    assert named is not None
    os.kill(named.pid, signal.SIGKILL)
    wait_until(lambda: not services_of(world), 20)
    assert running(world) is None
    status = command(world.root, "lightloop", "status")
    assert status.returncode == 1
    assert "lightloop deploy" in status.stdout
    address = deploy(world, QUICK)
    assert version_at(address) == "v0.1.0"


def test_a_number_that_another_process_has_now_is_not_taken_for_the_service(world: Project) -> None:
    deploy(world, QUICK)
    named = running(world)
    assert named is not None
    text = service_path(world).read_text()
    service_path(world).write_text(text.replace(str(named.pid), str(os.getpid()), 1))
    assert running(world) is None
    service_path(world).write_text(text)
    assert running(world) == named


def test_a_canary_that_answers_as_the_old_one_is_taken(world: Project) -> None:
    # The same weights under another name: nothing differs.
    quick = [*QUICK, "serve.canary.requests=50", "serve.canary.seconds=60", "serve.canary.max_slowdown=50"]
    address = deploy(world, [*quick, "serve.canary.max_disagreement=1"])
    bump(world)
    hammer = Hammer(address, plain_record(), clients=4)
    with hammer.running() as load:
        deploy(world, [*quick, "serve.canary.max_disagreement=1"], canary=0.3)
    assert load.failed == 0, load.lost
    assert version_at(address) == "v0.2.0"


def test_a_release_that_did_well_beside_the_old_one_but_does_not_begin_gives_way_to_it(
    world: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [*QUICK, "serve.canary.requests=50", "serve.canary.seconds=60", "serve.canary.max_slowdown=50"]
    quick += ["serve.canary.max_disagreement=1"]
    address = deploy(world, quick)
    before = running(world)
    bump(world)
    # As the code of a release that can't start.
    monkeypatch.setattr(local, "words", lambda _: [sys.executable, "-c", "raise SystemExit(1)"])
    said: list[str] = []
    with (
        Hammer(address, plain_record(), clients=4).running() as load,
        pytest.raises(LightloopError, match="the new service ended at once"),
    ):
        deploy(world, quick, canary=0.3, say=said.append)
    assert load.failed == 0, load.lost
    assert said[-1] == "v0.1.0 answers again"
    assert said[-2].startswith("its trial went well")
    assert version_at(address) == "v0.1.0"
    found = health_of(world)
    assert found is not None
    assert (found[0], found[1].watched) == (before, None)


def test_a_shadow_that_disagrees_is_refused_and_nobody_noticed(world: Project) -> None:
    quick = [*QUICK, "serve.canary.requests=50", "serve.canary.seconds=60", "serve.canary.max_disagreement=0.05"]
    address = deploy(world, quick)
    # Another seed decides otherwise for some record.
    record = next(plain_record(seed) for seed in range(50) if _differs(world, plain_record(seed)))
    bump(world)
    hammer = Hammer(address, record, clients=4)
    with hammer.running() as load, pytest.raises(RefusedError, match=r"v0\.2\.0 is not deployed: .* differ"):
        deploy(world, quick, shadow=True)
    assert load.failed == 0, load.lost
    assert set(load.versions) == {"v0.1.0"}
    assert version_at(address) == "v0.1.0"


def _differs(project: Project, record: dict[str, str]) -> bool:
    from lightloop.serving.predictor import Predictor

    both = [Predictor.load(project.root / "source"), Predictor.load(project.scratch / "service/bundles/v0.1.0")]
    labels = {predictor.classify(predictor.table([record]))[0].label for predictor in both}
    return len(labels) == 2


def test_without_a_release_it_says_what_to_do(world: Project) -> None:
    for tag in git(world.root, "tag", "--list").split():
        git(world.root, "tag", "--delete", tag)
    with pytest.raises(UsageError, match="nothing stands in production"):
        deploy(world, QUICK)


def test_two_services_on_one_port_the_second_is_refused(world: Project, two_releases: Project, tmp_path: Path) -> None:
    address = deploy(world, QUICK)
    port = address.rpartition(":")[2]
    done = command(world.root, "lightloop", "serve", f"serve.port={port}")
    assert done.returncode == 2
    assert f"can't listen on 127.0.0.1:{port}" in done.stderr


def test_three_releases_keep_the_bundles_of_the_last_two(world: Project) -> None:
    deploy(world, QUICK)
    bump(world)
    deploy(world, QUICK)
    make_release(world, 3, champion={"version": "v0.2.0"})
    register(world, commit=True)
    later()
    promote(world, stage="production", version="v0.3.0", force=True)
    deploy(world, QUICK)
    kept = sorted(path.name for path in (world.scratch / "service" / "bundles").iterdir())
    assert kept == ["v0.2.0", "v0.3.0"]
    later()
    assert rollback(world).version == "v0.2.0"
