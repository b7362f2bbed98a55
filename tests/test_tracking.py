import getpass
import os
import platform
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb_reader import read_runs

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.tracking import close_run, fingerprint, git_state, open_run, runs, tracking_mode
from lightloop.training.logger import wandb_logger

KEY = "0123456789" * 4
DATA_DVC = "outs:\n- md5: 0123456789abcdef.dir\n  path: data\n"
# What the train stage does with a run, in a process of its own: W&B reads its environment once a process.
RUN = """
import sys
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.tracking import close_run, open_run
project = Project(Path(sys.argv[1]))
try:
    run = open_run(read_params(project), project, job="train")
except LightloopError as error:
    sys.exit(f"{type(error).__name__}: {error}")
run.log({"loss": 0.5})
close_run(run)
"""


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    # What open_run sets itself is set here first, so that it is put back afterwards.
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_MODE", "offline")


def clean_environment(home: Path, **given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return kept | {"HOME": str(home), "TERM": "xterm"} | given


def set_up(project: Project, *overrides: str) -> None:
    write_params(project, compose_config(project, overrides))


def in_terminal(project: Project, environment: dict[str, str]) -> tuple[int, str]:
    """Run in a terminal in which nobody answers, for at most 60 seconds; the exit code and all that was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", RUN, str(project.root)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    shown, end = b"", time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 4096)
                except OSError:  # a terminal whose last program has ended
                    break
            elif process.poll() is not None:
                break
        return process.wait(timeout=max(0.1, end - time.monotonic())), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": KEY}, "online"),
        ("auto", {"WANDB_API_KEY": ""}, "offline"),
        ("auto", {"WANDB_MODE": ""}, "offline"),
        ("offline", {"WANDB_API_KEY": KEY}, "offline"),
        ("online", {}, "online"),
        ("disabled", {"WANDB_API_KEY": KEY}, "disabled"),
        ("online", {"WANDB_MODE": "disabled"}, "disabled"),
        ("disabled", {"WANDB_MODE": "offline"}, "offline"),
        ("auto", {"WANDB_MODE": "offline", "WANDB_API_KEY": KEY}, "offline"),
    ],
)
def test_environment_wins_over_config_wins_over_key(
    repository: Project, monkeypatch: pytest.MonkeyPatch, configured: str, environment: dict[str, str], expected: str
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracking_mode(compose_config(repository, [f"tracking.mode={configured}"])) == expected


def test_wrong_mode_names_the_nearest(config: Config, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(UsageError, match=r"WANDB_MODE is 'ofline' \(did you mean 'offline'\?\): it must be online"):
        open_run(config, project, job="train")
    assert not (project.root / "wandb").exists()


@pytest.mark.parametrize(("override", "mode"), [("tracking=none", "online"), ("tracking=wandb", "disabled")])
def test_without_tracking_nothing_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch, override: str, mode: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    run = open_run(compose_config(project, [override]), project, job="train")
    close_run(run)
    assert run is None
    assert wandb_logger(run) is False
    assert not (project.root / "wandb").exists()


def test_fingerprint_follows_what_the_model_depends_on(project: Project) -> None:
    def name(*overrides: str) -> str:
        return fingerprint(compose_config(project, overrides), project)

    first = name()
    assert first == name()
    assert first == name("gate.margin=0.5", "explain.records=3", "tracking=none", "audit=full", "calibration=none")
    others = {
        name("seed=7"),
        name("network.dropout=0.4"),
        name("data.split.validation=0.2"),
        name("optimizer.lr=0.05"),
    }
    (project.root / "data.dvc").write_text(DATA_DVC)
    others.add(name())
    assert len(others | {first}) == 6
    assert name("name=shoes").startswith("shoes-")


def test_git_state(project: Project) -> None:
    assert git_state(project) == {"git_commit": None, "git_dirty": None}
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *words], cwd=project.root, check=True)
    head = subprocess.run(
        ["git", "log", "-1", "--format=%H"], cwd=project.root, capture_output=True, text=True, check=True
    )
    assert git_state(project) == {"git_commit": head.stdout.strip(), "git_dirty": False}
    (project.root / "new").touch()
    assert git_state(project)["git_dirty"] is True


@pytest.mark.usefixtures("offline")
def test_offline_run_holds_what_it_was_told_and_nothing_of_the_machine(
    config: Config, project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    (project.root / "data.dvc").write_text(DATA_DVC)
    run = open_run(config, project, job="train")
    assert run is not None
    run.log({"loss": 0.5})
    close_run(run)

    [read] = read_runs(project.root)
    group = fingerprint(config, project)
    assert read.about == {"project": "lightloop", "name": f"{group}-train", "group": group, "job": "train"}
    told = {name: value for name, value in read.config.items() if name != "_wandb"}
    assert told == config.model_dump(mode="json") | {
        "data_version": "0123456789abcdef.dir",
        "git_commit": None,
        "git_dirty": None,
    }
    assert read.history[0]["loss"] == 0.5
    assert read.exit_code == 0
    assert capfd.readouterr() == ("", "")
    [file] = (project.root / "wandb").glob("offline-run-*/*.wandb")
    for word in (KEY, str(project.root), platform.node(), getpass.getuser(), sys.argv[0]):
        assert len(word) < 4 or word.encode() not in file.read_bytes()


@pytest.mark.usefixtures("offline")
def test_logger_writes_to_the_open_run_along_lightnings_step(config: Config, project: Project) -> None:
    run = open_run(config, project, job="train")
    logger = wandb_logger(run)
    assert logger
    logger.log_metrics({"train_loss": 0.25}, step=7)
    logger.finalize("success")
    close_run(run)
    [read] = read_runs(project.root)
    assert [(row["trainer/global_step"], row["train_loss"]) for row in read.history] == [(7, 0.25)]
    assert Path(logger.save_dir or "") == project.root


@pytest.mark.usefixtures("offline")
def test_slow_end_costs_a_line_that_says_how_to_send_the_rest(
    config: Config, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(config, project, job="train")
    monkeypatch.setattr(runs, "FINISH_TIMEOUT", 0.0)
    close_run(run)
    line = capsys.readouterr().err
    assert line.startswith("W&B did not take everything within 0 seconds: `lightloop sync` sends wandb/")
    assert (project.root / line.split()[-2]).is_dir()


def test_without_a_key_a_terminal_is_never_asked(project: Project, tmp_path: Path) -> None:
    set_up(project)
    code, shown = in_terminal(project, clean_environment(tmp_path))
    assert (code, shown) == (0, "")
    assert [run.history[0]["loss"] for run in read_runs(project.root)] == [0.5]


def test_online_without_a_key_is_one_sentence(project: Project, tmp_path: Path) -> None:
    set_up(project)
    code, shown = in_terminal(project, clean_environment(tmp_path, WANDB_MODE="online"))
    assert code == 1
    assert shown.startswith("UsageError: W&B cannot be online (No API key configured")
    assert shown.count("\n") == 1


def test_refused_key_is_one_sentence_without_the_key(project: Project, tmp_path: Path) -> None:
    set_up(project)
    environment = clean_environment(tmp_path, WANDB_API_KEY="tooshort")
    command = [sys.executable, "-c", RUN, str(project.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("UsageError: W&B does not take the key (")
    assert done.stderr.count("\n") == 1
    assert "tooshort" not in done.stderr


@pytest.mark.slow
def test_unreachable_server_costs_a_line_and_the_run_is_offline(project: Project, tmp_path: Path) -> None:
    set_up(project, "tracking.init_timeout=2")
    environment = clean_environment(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL="http://127.0.0.1:9")
    command = [sys.executable, "-c", RUN, str(project.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr.startswith("W&B is not reachable (")
    assert done.stderr.count("\n") == 1
    [folder] = (project.root / "wandb").glob("offline-run-*")
    assert f"`lightloop sync` sends wandb/{folder.name} later" in done.stderr
    assert [run.history[0]["loss"] for run in read_runs(project.root) if run.folder == folder] == [0.5]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in written if KEY.encode() in file.read_bytes()] == []
    assert KEY not in done.stdout + done.stderr
