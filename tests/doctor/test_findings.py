"""Each finding of the doctor, on a project in which that very thing is broken."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.version import Version
from small_project import REPOSITORY

from lightloop.config.compose import compose_config
from lightloop.doctor import accounts, machine, packages
from lightloop.doctor import data as dvc
from lightloop.doctor.accounts import look_at_tracking
from lightloop.doctor.data import look_at_data, look_at_objects, look_at_remote
from lightloop.doctor.environment import VARIABLES, is_known, look_at_environment
from lightloop.doctor.finding import Finding
from lightloop.doctor.loop import composed, look_at_loop
from lightloop.doctor.machine import look_at_machine
from lightloop.doctor.packages import look_at_packages
from lightloop.doctor.registry import look_at_registry
from lightloop.doctor.repository import look_at_git
from lightloop.doctor.said import as_json, lines
from lightloop.doctor.tools import look_at_port, look_at_tools
from lightloop.project import Project

KEY = "a" * 40


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


def one(found: Iterable[Finding], name: str) -> Finding:
    """The finding of that name; what is not well says what to do."""
    named = [finding for finding in found if finding.name == name]
    assert len(named) == 1, named
    assert named[0].state == "ok" or named[0].do
    return named[0]


def states(found: Iterable[Finding]) -> dict[str, str]:
    return {finding.name: finding.state for finding in found}


# machine


def test_little_memory_and_disk_are_seen(well: Project, monkeypatch: pytest.MonkeyPatch):
    assert machine._memory(16, 8).state == "ok"
    assert machine._memory(16, 2).state == "look"
    assert "stages may be killed" in machine._memory(16, 1).said
    for free, state in ((100.0, "ok"), (2.0, "look"), (0.1, "broken")):
        assert machine.disk_of(well.root, free).state == state
    monkeypatch.setenv("OMP_NUM_THREADS", "999")
    assert "OMP_NUM_THREADS is 999" in one(look_at_machine(well), "cores").said


def test_instruction_sets_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    assert machine._instructions({"avx512_vnni", "avx2"}).said == "avx512_vnni, avx2"
    assert "hardly quicker" in machine._instructions({"avx2"}).said
    assert machine._instructions({"sse2"}).state == "look"
    assert machine._instructions(set()).state == "ok"


def test_a_gpu_that_torch_does_not_use_is_told():
    assert machine.accelerator(True, "2.15.0+cpu").do == "rm -r .venv && make environment"
    assert (
        machine.accelerator(True, "2.15.0+cu130").said == "an NVIDIA GPU, and the build for cu130 of torch 2.15.0+cu130"
    )
    assert machine.accelerator(False, None).state == "broken"


def test_a_clock_that_is_behind_the_commits_is_broken(well: Project):
    ahead = str(int(time.time()) + 5 * machine.DAY)
    environment = os.environ | {"GIT_COMMITTER_DATE": f"{ahead} +0000", "GIT_AUTHOR_DATE": f"{ahead} +0000"}
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=well.root, env=environment, check=True)
    found = one(look_at_machine(well), "clock")
    assert found.state == "broken"
    assert "the newest commit is 5 days later" in found.said


# packages


def test_packages_are_held_against_the_lock(well: Project):
    assert states(look_at_packages(well))["python"] == "ok"
    wanted = {"numpy": Version("2.4.1"), "ray": Version("2.50"), "nvidia-cublas": Version("13.0")}
    has = {"numpy": Version("2.4.1"), "ray": Version("2.50"), "nvidia-cublas": Version("13.0")}
    assert packages.packages(wanted, has, {"numpy"}).state == "ok"
    other = packages.packages(wanted, has | {"numpy": Version("2.3.0")}, {"numpy"})
    assert (other.state, other.do) == ("look", "make environment")
    assert "numpy 2.3.0, not 2.4.1" in other.said
    without = {name: version for name, version in has.items() if name != "ray"}
    assert "1 of 3 pinned packages are not installed (ray)" in packages.packages(wanted, without, {"numpy"}).said
    assert packages.packages(wanted, without, {"numpy", "ray"}).state == "broken"
    # Another build of torch brings its own libraries.
    own = {"numpy": has["numpy"], "ray": has["ray"], "torch": Version("2.15.0+cpu")}
    assert packages.packages(wanted | {"torch": Version("2.15.0")}, own, {"torch"}).state == "ok"


def test_another_python_a_missing_lock_and_other_code_are_told(well: Project):
    assert packages.python(">=3.11,<3.14", (3, 14, 0)).state == "broken"
    (well.root / "requirements.lock").unlink()
    assert one(look_at_packages(well), "lock").do == "make lock"
    (well.root / "src/lightloop").mkdir(parents=True)
    assert "not this project's" in one(look_at_packages(well), "code").said


# git


def test_a_whole_clone_is_well(well: Project):
    found = states(look_at_git(well, online=True))
    assert set(found.values()) == {"ok"}, found


def test_what_a_repository_may_lack_is_told(well: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (well.root / "new.py").write_text("")
    assert one(look_at_git(well, online=False), "changes").said == "new.py not committed: a release would not hold them"
    git(well.root, "config", "core.autocrlf", "true")
    assert one(look_at_git(well, online=False), "line ends").state == "broken"
    git(well.root, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth", "1", well.root.as_uri(), "shallow")
    found = one(look_at_git(Project(tmp_path / "shallow"), online=False), "repository")
    assert (found.state, "git fetch --unshallow --tags" in str(found.do)) == ("broken", True)
    git(tmp_path, "clone", "-q", "--no-tags", well.root.as_uri(), "tagless")
    assert "made without tags" in one(look_at_git(Project(tmp_path / "tagless"), online=False), "repository").said
    (tmp_path / "nothing").mkdir()
    assert states(look_at_git(Project(tmp_path / "nothing"), online=False))["repository"] == "broken"
    git(tmp_path / "nothing", "init", "-q")
    assert "there is no commit yet" in one(look_at_git(Project(tmp_path / "nothing"), online=False), "commits").said
    for name in ("GIT_COMMITTER_NAME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    assert one(look_at_git(well, online=False), "identity").do == "`git config --global user.name ...`"


def test_commits_that_nobody_else_has_are_told(well: Project, tmp_path: Path):
    git(tmp_path, "clone", "-q", well.root.as_uri(), "clone")
    clone = Project(tmp_path / "clone")
    assert one(look_at_git(clone, online=True), "remote").said == "origin answers"
    git(clone.root, "commit", "-q", "--allow-empty", "-m", "mine")
    assert one(look_at_git(clone, online=False), "published").do == "git push --follow-tags"
    git(clone.root, "remote", "set-url", "origin", str(tmp_path / "gone"))
    assert one(look_at_git(clone, online=True), "remote").state == "broken"


# data


def configured(project: Project, text: str) -> list[Finding]:
    (project.root / ".dvc/config").write_text(text)
    return list(look_at_remote(project))


def test_the_remote_is_looked_at(well: Project, monkeypatch: pytest.MonkeyPatch):
    assert states(look_at_remote(well)) == {"remote": "ok", "verify": "ok"}
    text = (well.root / ".dvc/config").read_text()
    assert (
        one(configured(well, text.replace("verify = true", "")), "verify").do
        == "dvc remote modify embedded verify true"
    )
    assert one(configured(well, ""), "remote").do == "lightloop remote set storage"
    assert "which is not there" in one(configured(well, text.replace("../storage", "../elsewhere")), "remote").said
    monkeypatch.setattr(dvc, "find_spec", lambda name: None)
    cloud = "[core]\n    remote = cloud\n['remote \"cloud\"']\n    url = s3://bucket/prefix\n"
    assert one(configured(well, cloud), "remote").do == "uv pip install dvc-s3"
    monkeypatch.undo()
    assert one(configured(well, cloud), "remote").state == "ok"
    secret = "    secret_access_key = hidden\n"
    found = configured(well, cloud + secret)
    assert one(found, "secrets").state == "broken"
    assert "hidden" not in lines(found)
    # In config.local, which is not in git, it may stand.
    (well.root / ".dvc/config").write_text(cloud)
    (well.root / ".dvc/config.local").write_text("['remote \"cloud\"']\n" + secret)
    assert "secrets" not in states(look_at_remote(well))
    (well.root / ".dvc/config").unlink()
    (well.root / ".dvc/config.local").unlink()
    (well.root / ".dvc").rmdir()
    assert one(look_at_remote(well), "dvc").do == "dvc init"


def test_what_dvc_answers_is_read():
    assert states(look_at_data({})) == {"data": "ok", "results": "ok"}
    gone = look_at_data({"uncommitted": {"deleted": ["data/", "reports/"]}})
    assert next(finding.do for finding in gone) == "dvc pull data.dvc"
    changed = list(look_at_data({"uncommitted": {"modified": ["data/a.csv", "artifacts/bundle/"]}}))
    assert "1 files of the data are not as data.dvc says" in one(changed, "data").said
    assert one(changed, "results").state == "look"
    assert one(look_at_data("no space"), "here").said == "DVC can't say what is here (no space)"
    assert states(look_at_objects({"a": "deleted"})) == {"objects": "ok"}
    assert one(look_at_objects({"a": "new"}), "objects").do == "dvc push"
    assert one(look_at_objects({"a": "new", "b": "missing"}), "objects").state == "broken"
    assert one(look_at_objects("no route"), "objects").state == "broken"


# loop


def test_a_config_that_does_not_compose_is_broken(well: Project):
    assert composed(well)[1].state == "ok"
    (well.configs / "network/cnn.yaml").write_text("name: cnn\nchanels: [4]\n")
    config, finding = composed(well)
    assert config is None
    assert (finding.state, "did you mean 'network.channels'" in finding.said) == ("broken", True)


def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def held(project: Project, process: int) -> Finding:
    content = {"write": {str(project.root / "artifacts"): {"pid": process, "cmd": "dvc repro"}}, "read": {}}
    (project.root / ".dvc/tmp").mkdir(exist_ok=True)
    (project.root / ".dvc/tmp/rwlock").write_text(json.dumps(content))
    return one(look_at_loop(project), "runs")


def test_runs_and_what_killed_ones_left_are_told(well: Project):
    assert set(states(look_at_loop(well)).values()) == {"ok"}
    assert "(dvc repro): another run would have to wait" in held(well, os.getpid()).said
    assert "a killed process left 1 entries" in held(well, gone()).said
    (well.root / ".dvc/tmp/rwlock").write_text("{")
    assert one(look_at_loop(well), "runs").do == "rm .dvc/tmp/rwlock"
    left = well.root / f"artifacts/evaluation/.metrics.json.{gone()}-abc_1"
    left.mkdir(parents=True)
    (well.root / f"artifacts/.bundle.{os.getpid()}-abc").mkdir()
    assert one(look_at_loop(well), "leftovers").do == f"rm -r {well.relative(left)}"
    well.params.unlink()
    assert one(look_at_loop(well), "params").do == "lightloop run"
    (well.scratch / "training/fashion-0123").mkdir(parents=True)
    (well.scratch / "training/fashion-0123/last.ckpt").write_bytes(b"")
    assert one(look_at_loop(well), "training").state == "look"


# registry


def test_the_registry_is_looked_at(well: Project):
    assert states(look_at_registry(well)) == {"versions": "ok"}
    git(well.root, "tag", "model@v0.9.0")
    assert "model@v0.9.0 is no annotated tag" in one(look_at_registry(well), "tags").said
    git(well.root, "tag", "-d", "model@v0.9.0")
    lock = {"stages": {"compress": {"outs": [{"path": "artifacts/bundle", "md5": "ab12.dir"}]}}}
    (well.root / "dvc.lock").write_text(json.dumps(lock))
    git(well.root, "add", "-A")
    git(well.root, "commit", "-qm", "bundle")
    git(well.root, "tag", "-a", "model@v0.1.0", "-m", "first")
    assert one(look_at_registry(well), "production").do == "lightloop promote VERSION production"
    git(well.root, "tag", "-a", "model#production#1", "-m", "serve it")
    assert one(look_at_registry(well), "production").said == "v0.1.0 of 1 versions"
    assert one(look_at_registry(well), "bundle").state == "broken"
    place = well.root / "storage/files/md5/ab"
    place.mkdir(parents=True)
    (place / "12.dir").write_text("[]")
    assert one(look_at_registry(well), "bundle").state == "ok"


# tracking


def test_mode_and_key_are_told_and_the_key_never(well: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    config = compose_config(well)
    assert "offline: runs are kept in wandb/" in one(look_at_tracking(well, config, online=True), "mode").said
    monkeypatch.setenv("WANDB_MODE", "online")
    assert one(look_at_tracking(well, config, online=False), "key").state == "broken"
    monkeypatch.setenv("WANDB_API_KEY", "too-short")
    found = list(look_at_tracking(well, config, online=False))
    assert one(found, "key").said == "WANDB_API_KEY has 9 characters, and a key at least 40"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    found = list(look_at_tracking(well, config, online=False))
    assert one(found, "mode").state == "ok"
    assert KEY not in as_json(found)
    monkeypatch.setenv("WANDB_MODE", "onlin")
    assert "did you mean 'online'" in one(look_at_tracking(well, config, online=False), "mode").said
    none = compose_config(well, ["tracking=none"])
    assert states(look_at_tracking(well, none, online=False)) == {"mode": "ok"}


def test_runs_that_were_not_sent_are_counted(well: Project, monkeypatch: pytest.MonkeyPatch):
    run = well.root / "wandb/offline-run-20260101_000000-abc"
    run.mkdir(parents=True)
    (run / "run-abc.wandb").write_bytes(b"0" * 5000)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    config = compose_config(well)
    assert one(look_at_tracking(well, config, online=False), "unsent").do == "lightloop sync"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert one(look_at_tracking(well, config, online=False), "unsent").state == "ok"


def test_a_server_that_nobody_answers_for_is_broken(well: Project, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    found = accounts._server(KEY)
    assert (found.state, "can't be reached" in found.said, KEY in str(found)) == ("broken", True, False)


# service, tools, environment


def test_a_port_that_somebody_has_is_told(well: Project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = compose_config(well, [f"serve.port={port}", "serve.host=127.0.0.1"])
        assert one(look_at_port(well, config), "port").do == f"lightloop deploy serve.port={port + 1}"
        (well.scratch / "service").mkdir(parents=True)
        assert "`lightloop status` says" in one(look_at_port(well, config), "port").said
    assert one(look_at_port(well, config), "port").said == f"{port} is free"
    assert one(look_at_port(well, compose_config(well, ["serve.port=0"])), "port").said == "any free one"


def test_programs_of_the_rehearsal_are_looked_for(well: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert list(look_at_tools(well)) == []
    (well.root / ".github/workflows").mkdir(parents=True)
    assert one(look_at_tools(well), "rehearsal").state == "ok"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("lightloop.doctor.tools.folder_of_environment", lambda: tmp_path)
    monkeypatch.setattr("lightloop.doctor.tools.find_spec", lambda name: None)
    assert one(look_at_tools(well), "rehearsal").said.startswith("act, actionlint, zizmor, node not found")


def test_variables_are_named_and_slips_are_seen(tmp_path: Path):
    given = {"LIGHTLOOP_ENVIRONMENT": "hidden", "LIGHTLOOP_WRAM": "off", "LIGHTLOOP_JOURNAL": "80", "HOME": "/"}
    found = list(look_at_environment(given))
    assert one(found, "unknown").said == "nothing reads LIGHTLOOP_WRAM: did you mean LIGHTLOOP_WARM?"
    assert one(found, "set").said == "LIGHTLOOP_ENVIRONMENT, LIGHTLOOP_JOURNAL"
    assert "hidden" not in lines(found)
    assert one(look_at_environment({"LIGHTLOOP_SIGN_KEY": str(tmp_path / "no.key")}), "file").state == "broken"
    clock = tmp_path / "clock"
    clock.write_text("1")
    assert one(look_at_environment({"LIGHTLOOP_CLOCK": str(clock)}), "clock").do == "unset LIGHTLOOP_CLOCK"


def test_every_variable_of_the_code_is_known():
    folders = [REPOSITORY / name for name in ("src", "scripts", ".github", "deploy") if (REPOSITORY / name).is_dir()]
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in (".py", ".sh", ".yml", ".yaml", ".toml")
    ]
    texts = [path.read_text(encoding="utf-8") for path in [*files, REPOSITORY / "Makefile"]]
    named = {name for text in texts for name in re.findall(r"\bLIGHTLOOP_[A-Z_]*[A-Z]\b", text)}
    assert "LIGHTLOOP_JOURNAL" in named
    assert [name for name in sorted(named) if not is_known(name)] == []
    # And the other way round: what is listed is read somewhere.
    everything = "\n".join(texts) + "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("*.py"))
    assert [name for name in VARIABLES if everything.count(name) < 2 and name.startswith("LIGHTLOOP_")] == []
