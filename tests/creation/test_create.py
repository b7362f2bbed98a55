"""A new piece is written whole or not at all, and works as it stands: in a clone, linted, typed, tested and run."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from loop_world import command, commit_all, make_repository, must
from small_project import REPOSITORY, SMALL

from lightloop.config.compose import compose_config
from lightloop.creation.create import create
from lightloop.creation.pieces import new_piece
from lightloop.creation.usual import refuse_taken, variant_of
from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json
from lightloop.project import Project


def with_code(bare: Project) -> Project:
    """The same with its code."""
    shutil.copytree(REPOSITORY / "src", bare.root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return bare


def state(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_a_network_is_written_listed_and_can_be_chosen(bare: Project):
    with_code(bare)
    before = state(bare.root)
    modality = variant_of(bare, "network", None)
    written = create(bare, new_piece("network", "wide_net", modality))
    after = state(bare.root)
    assert set(after) - set(before) == {
        "src/lightloop/networks/wide_net.py",
        "tests/networks/test_wide_net.py",
        "configs/network/wide_net.yaml",
    }
    assert set(written) >= set(after) - set(before)
    page = after["docs/components.md"].decode()
    assert "### wide_net\n" in page
    assert "`network=wide_net`" in page
    done = command(
        bare.root,
        sys.executable,
        "-m",
        "lightloop",
        "config",
        "network=wide_net",
        PYTHONPATH=str(bare.root / "src"),
    )
    assert yaml.safe_load(done.stdout)["network"]["name"] == "wide_net", done.stderr
    with pytest.raises(UsageError, match=r"wide_net\.py is there already: call the new network something else"):
        create(bare, new_piece("network", "wide_net", modality))


def test_nothing_is_left_when_the_project_can_not_be_listed_with_it(bare: Project):
    with_code(bare)
    broken = bare.root / "src/lightloop/config/catalogue.py"
    broken.write_text("raise OSError('no catalogue today')\n")
    before = state(bare.root)
    with pytest.raises(LightloopError, match=r"nothing was written, since .* no catalogue today"):
        create(bare, new_piece("stage", "worst"))
    assert state(bare.root) == before
    assert not (bare.root / "tests").exists()


def test_nothing_is_written_where_an_edit_can_not_be_made(bare: Project):
    (bare.root / "src/lightloop").mkdir(parents=True)
    before = state(bare.root)
    with pytest.raises(UsageError, match=r"dvc\.yaml has no stage 'evalute'"):
        create(bare, new_piece("stage", "worst", after="evalute"))
    assert state(bare.root) == before


def test_without_code_there_is_nothing_to_add_to(bare: Project):
    with pytest.raises(UsageError, match="holds no src/lightloop, which a new metric is a file of"):
        create(bare, new_piece("metric", "sure", "classification"))


def test_names_that_somebody_has_are_refused(bare: Project):
    with pytest.raises(UsageError, match=r"there is a network cnn already \(networks\)"):
        refuse_taken(bare, "network", "cnn")
    with pytest.raises(UsageError, match="there is a task multi_task already"):
        refuse_taken(bare, "task", "multi_task")
    with pytest.raises(UsageError, match="there is a stage train already"):
        refuse_taken(bare, "stage", "train")
    with pytest.raises(UsageError, match="`lightloop doctor` is a command already"):
        refuse_taken(bare, "stage", "doctor", {"doctor"})
    (bare.configs / "network/half.yaml").write_text("name: half\n")
    with pytest.raises(UsageError, match="there is a network half already"):
        refuse_taken(bare, "network", "half")


def test_what_is_not_said_is_that_of_the_current_data(bare: Project):
    assert variant_of(bare, "network", None) == compose_config(bare).data.modality
    assert variant_of(bare, "task", None) == variant_of(bare, "metric", None) == "classification"
    assert variant_of(bare, "stage", None) is None


def test_forecasts_are_numbers(bare: Project):
    assert variant_of(bare, "task", "forecasting") == "regression"


def test_data_without_a_task_of_their_own_ask_for_the_problem(bare: Project):
    config = bare.configs / "config.yaml"
    config.write_text(config.read_text().replace("experiment: fashion ", "experiment: fashion-gan "))
    with pytest.raises(
        UsageError, match=r"data=fashion-gan is generation, .* say --problem with one of classification"
    ):
        variant_of(bare, "task", None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["network", "MyNet"], "'MyNet' is no name of a network"),
        (["network", "cnn"], "there is a network cnn already"),
        (["network", "mine", "--modality", "sound"], "there is no start of a network for 'sound'"),
        (["stage", "mine", "--after", "nowhere"], "dvc.yaml has no stage 'nowhere' to put it behind"),
        (["stage", "serve"], "`lightloop serve` is a command already"),
        (["layer", "mine"], "No such command 'layer'"),
    ],
)
@pytest.mark.slow
def test_wrong_use_is_one_sentence(bare: Project, words: list[str], sentence: str):
    (bare.root / "src/lightloop").mkdir(parents=True)
    done = command(bare.root, "lightloop", "new", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


PIECES = (
    ("network", "own_image", "--modality", "image"),
    # of feature: tabular
    ("network", "own_table", "--modality", "tabular"),
    # end
    # of feature: text
    ("network", "own_text", "--modality", "text"),
    # end
    # of feature: series
    ("network", "own_series", "--modality", "series"),
    # end
    ("task", "own_task", "--problem", "classification"),
    ("task", "own_numbers", "--problem", "forecasting"),
    ("metric", "own_share", "--problem", "classification"),
    ("metric", "own_error", "--problem", "regression"),
    ("stage", "own_stage"),
)


# What the page shows beside them, done by the tests below.
RUNS = (
    "lightloop run network=own_image debug=limit",
    'pytest tests/networks/test_own_image.py -m ""',
    "lightloop run network=own_image",
    "lightloop run gate.bounds.own_share=0.2",
    "lightloop run --until own_stage",
    "lightloop run --until own_stage stages.own_stage.share=0.2",
)


def test_the_page_shows_what_is_tested_here():
    page = (REPOSITORY / "docs/new.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL))
    lines = [line.partition("#")[0].strip() for line in blocks.splitlines()]
    assert sorted(lines) == sorted([*(f"lightloop new {' '.join(words)}" for words in PIECES), *RUNS])


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project under git with its code and tests, to which one of each kind was added."""
    project = make_repository(tmp_path_factory.mktemp("new") / "project")
    for folder in ("tests", "docs"):
        shutil.copytree(REPOSITORY / folder, project.root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.lock", "Makefile", "README.md"):
        shutil.copy(REPOSITORY / name, project.root / name)
    # Of the tests, some read the data of the repository.
    shutil.rmtree(project.root / "data")
    (project.root / "data").symlink_to(REPOSITORY / "data")
    for words in PIECES:
        done = command(project.root, sys.executable, "-m", "lightloop", "new", *words, PYTHONPATH="src")
        assert done.returncode == 0, done.stderr
        assert "written: docs/components.md" in done.stdout
    return project


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "words",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "src/lightloop/networks", "src/lightloop/tasks", "tests/networks"),
        ("mypy",),
        ("lint-imports",),
        (
            *("pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "-m", "not browser and not long"),
            *("src/lightloop/networks", "src/lightloop/evaluation/own", "src/lightloop/stages", "tests/evaluation/own"),
            *("tests/networks/test_networks.py", "tests/networks/test_export.py", "tests/networks/test_layers.py"),
            *(
                "tests/config/test_catalogue.py",
                "tests/config/test_compose.py",
                "tests/test_cli.py::test_every_stage_of_the_pipeline_is_a_command_of_its_name",
            ),
            *("tests/training/test_every_name.py::test_no_name_is_left_out", "tests/stages/test_own_stage.py"),
            *("tests/tasks/test_own_task.py", "tests/tasks/test_own_numbers.py"),
            *(f"tests/networks/test_own_{name}.py" for name in ("image", "table", "text", "series")),
        ),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_new_pieces_pass_what_the_project_asks_of_its_own(extended: Project, words: tuple[str, ...]):
    done = command(extended.root, *words, PYTHONPATH=str(extended.root / "src"))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_loop_runs_with_new_pieces(extended: Project, tmp_path: Path):
    root = tmp_path / "run"
    must(tmp_path, "cp", "-a", str(extended.root), str(root))
    project = Project(root)
    (root / "data").unlink()
    must(root, "dvc", "pull", "-q", "data.dvc")
    commit_all(root, "new pieces")

    def run(*words: str) -> str:
        done = command(root, sys.executable, "-m", "lightloop", "run", *words, PYTHONPATH=str(root / "src"))
        # A network that saw a few images for a moment passes no gate.
        assert done.returncode in {0, 3}, done.stdout + done.stderr
        return done.stdout + done.stderr

    short = [word for word in SMALL if not word.startswith("trainer.max_epochs")] + ["trainer.max_epochs=1"]
    for line in RUNS:
        if line.startswith("lightloop run "):
            run(*shlex.split(line)[2:], *short)
    assert len(read_json(root / "artifacts/own_stage/result.json")["worst"]) == 20
    told = ["network=own_image", "task=own_task", "gate.bounds.own_share=0.0", *short]
    run(*told)
    assert read_json(project.training_summary)["network"] == "own_image"
    assert "own_share" in read_json(project.metrics)["metrics"]
    assert any(check["name"].endswith("own_share") for check in read_json(project.gate)["checks"])
    assert len(read_json(root / "artifacts/own_stage/result.json")["worst"]) == 10, "the settings are those of the run"
    assert "Own share" in (project.reports / "index.html").read_text(encoding="utf-8")
    assert "everything was up to date" in run(*told)
