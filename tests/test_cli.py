"""The command line: quick help, one sentence and an exit code for each mistake, a schema for editors."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
import yaml

from lightloop import cli
from lightloop.cli import application
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json
from lightloop.loop import read_pipeline
from lightloop.project import Project
from lightloop.summary import print_summary

HEAVY = (
    "torch",
    "pandas",
    "numpy",
    "wandb",
    "great_expectations",
    "dvc",
    "gto",
    "hydra",
    "pydantic",
    "captum",
    "sklearn",
)


def lightloop(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["lightloop", *words])
    try:
        cli.main()
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nsys.argv = ['lightloop', '--help']\n"
        "from lightloop.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy:"


def test_every_stage_of_the_pipeline_is_a_command_of_its_name(repository: Project):
    commands = [command.callback.__name__ for command in application.app.registered_commands if command.callback]
    for name, stage in read_pipeline(repository).items():
        assert name in commands
        assert stage["cmd"].split()[:2] == ["lightloop", name]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["train", "--resum"], "No such option: --resum"),
        (["config", "netwrk=mlp"], "'netwrk' is no config group or key: did you mean 'network'?"),
        (["run", "--until", "nowhere"], "there is no stage 'nowhere': the stages are validate, folds, train,"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(monkeypatch, capsys, words: list[str], sentence: str):
    assert lightloop(monkeypatch, *words) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


def test_outside_of_a_project_it_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert lightloop(monkeypatch, "run") == 2
    assert "is not inside a Lightloop project" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (LightloopError("it failed"), 1, "it failed"),
        (UsageError("wrong"), 2, "wrong"),
        (RefusedError("no"), 3, "no"),
        (OSError(28, "No space left on device", "out.json"), 1, "the disk is full (out.json)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_each_error_has_its_exit_code(monkeypatch, capsys, error: BaseException, code: int, words: str):
    def stop(**_options: object) -> None:
        raise error

    monkeypatch.setattr(application, "app", stop)
    assert lightloop(monkeypatch) == code
    assert f"lightloop: {words}" in capsys.readouterr().err


def test_a_fault_of_ours_shows_its_traceback(monkeypatch):
    def stop(**_options: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(application, "app", stop)
    with pytest.raises(ZeroDivisionError, match="a fault"):
        lightloop(monkeypatch)


def test_config_prints_what_a_run_would_be_told(monkeypatch, capsys):
    assert lightloop(monkeypatch, "config", "optimizer=sgd", "optimizer.lr=0.1") == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["optimizer"]["name"], printed["optimizer"]["lr"]) == ("sgd", 0.1)


def test_the_schema_holds_for_the_config_and_not_for_a_wrong_one(monkeypatch, capsys):
    assert lightloop(monkeypatch, "config", "--schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert lightloop(monkeypatch, "config") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    jsonschema.validate(config, schema)
    with pytest.raises(jsonschema.ValidationError, match="epochs"):
        jsonschema.validate(config | {"trainer": config["trainer"] | {"epochs": 3}}, schema)


def test_the_summary_shows_the_figures_of_the_evidence(finished: Project, capsys):
    verdict = read_json(finished.gate)
    if verdict["verdict"] == "accepted":
        print_summary(finished, {})
    else:
        with pytest.raises(RefusedError, match="the gate refused this model"):
            print_summary(finished, {"train": 61.2})
    printed = capsys.readouterr().out
    accuracy = read_json(finished.metrics)["metrics"]["accuracy"]
    assert f"{accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}]" in printed
    assert verdict["verdict"].upper() in printed
    assert f"{read_json(finished.metrics)['n']} test records" in printed
    assert str(finished.reports / "index.html") in printed


@pytest.mark.parametrize(("said", "threads"), [(None, "1"), ("2", "2")])
def test_the_threads_of_numpy_leave_the_cores_to_pytorch_unless_a_person_says_otherwise(
    said: str | None, threads: str
) -> None:
    program = (
        "import os, sys\n"
        "from lightloop import cli\n"
        "sys.argv = ['lightloop', 'list', 'network']\n"
        "cli.main()\n"
        "import numpy, threadpoolctl\n"
        "pools = [one['num_threads'] for one in threadpoolctl.threadpool_info() if one['internal_api'] == 'openblas']\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'], max(pools, default=1))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": said} if said else {}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    told, used = done.stdout.splitlines()[-1].split()
    assert told == threads, done.stderr
    assert int(used) <= int(threads)


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings another library of threads there")
@pytest.mark.parametrize(("said", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_threads_of_pytorch_wait_asleep_unless_a_person_says_otherwise(said: str | None, policy: str) -> None:
    program = (
        "import ctypes, sys\n"
        "from importlib.util import find_spec\n"
        "from pathlib import Path\n"
        "from lightloop import cli\n"
        "sys.argv = ['lightloop', 'list', 'network']\n"
        "cli.main()\n"
        "assert 'torch' not in sys.modules\n"
        "(found,) = (Path(find_spec('torch').origin).parent / 'lib').glob('libgomp*.so*')\n"
        "ctypes.CDLL(str(found))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "TRUE"} | ({"OMP_WAIT_POLICY": said} if said else {})
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
