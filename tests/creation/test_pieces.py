"""Starts are named, rendered and laid out as the linter wants them, for short names and long ones."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lightloop.config.signature import read_component
from lightloop.creation.lines import with_settings, with_stage
from lightloop.creation.names import LONGEST, check_name
from lightloop.creation.pieces import ROOMS, Kind, new_piece, variants
from lightloop.errors import UsageError
from lightloop.project import Project

STARTS = [(kind, variant) for kind in ROOMS for variant in variants(kind) or (None,)]
# A digit follows.
NAMES = ("a", "two_words_", "a_name_as_long_as_one_may_be_12")


def test_there_is_a_start_for_every_kind_of_record_and_problem():
    assert set(variants("network")) == {"image", "tabular", "text", "series"}
    assert variants("task") == variants("metric") == ("classification", "regression")
    assert variants("stage") == ()
    assert max(len(name) for name in NAMES) + 1 == LONGEST


def test_every_start_passes_the_linter_and_stays_as_the_formatter_would_write_it(repository: Project, tmp_path: Path):
    # What is the project's own, and which rules are for tests, the linter sees by what lies where.
    shutil.copy(repository.root / "pyproject.toml", tmp_path)
    shutil.copytree(repository.root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    written: list[Path] = []
    for number, (kind, variant) in enumerate(STARTS):
        for name in NAMES:
            for path, content in new_piece(kind, f"{name}{number}", variant).files.items():
                target = tmp_path / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8")
                written += [target] if target.suffix == ".py" else []
    assert len(written) == 2 * len(STARTS) * len(NAMES)
    for words in (["format", "--check", "--diff"], ["check"]):
        done = subprocess.run(
            [Path(sys.executable).parent / "ruff", *words, "--no-cache", *written],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "variant"), [start for start in STARTS if start[0] != "stage"])
def test_the_class_is_found_by_the_name_of_its_file(tmp_path: Path, kind: Kind, variant: str):
    piece = new_piece(kind, "two_words", variant)
    path = tmp_path / "two_words.py"
    path.write_text(next(iter(piece.files.values())))
    component = read_component(path, ROOMS[kind])
    assert component is not None
    assert component.class_name == "TwoWords"
    assert component.summary.endswith(".")
    config = next((text for name, text in piece.files.items() if name.startswith("configs/")), None)
    if config is not None:
        settings = yaml.safe_load(config)
        assert component.model(**settings).name == "two_words"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MyNet", "'MyNet' is no name of a network: write small letters, .* such as my_net"),
        ("my-net", "such as my_net"),
        ("2net", "such as net"),
        ("_net", "is no name of a network"),
        ("net_", "is no name of a network"),
        ("my__net", "single underscores, such as my_net"),
        ("größe", "such as gr_e"),
        ("../up", "such as up"),
        ("", "such as my_first"),
        ("a" * 33, "has 33 characters, and the name of a network at most 32"),
        ("class", "'class' is a word of Python's own"),
        ("none", "'none' is a word of Python's own"),
    ],
)
def test_names_that_are_none_are_refused_with_one_that_would_do(name: str, message: str):
    with pytest.raises(UsageError, match=message):
        check_name("network", name)


def test_a_stage_may_not_hide_what_python_brings_along():
    check_name("network", "print")
    with pytest.raises(UsageError, match="'print' is a word of Python's own: call the stage something else"):
        check_name("stage", "print")


@pytest.mark.parametrize(
    ("kind", "name", "variant", "hidden"),
    [
        # of feature: image
        ("network", "tensor", "image", "Tensor"),
        # end
        # of feature: tabular
        ("network", "network", "tabular", "Network"),
        # end
        ("task", "batch", "classification", "Batch"),
        ("stage", "write_json", None, "write_json"),
    ],
)
def test_a_name_that_the_file_imports_is_refused(kind: Kind, name: str, variant: str | None, hidden: str):
    with pytest.raises(UsageError, match=f"'{name}' would hide {hidden}, which a {kind} imports"):
        new_piece(kind, name, variant)


def test_wrong_variants_and_taken_metrics_are_refused():
    with pytest.raises(UsageError, match=r"no start of a network for 'sound': there is one for ") as refused:
        new_piece("network", "mine", "sound")
    # of feature: image
    assert "there is one for image, " in str(refused.value)
    # end
    with pytest.raises(UsageError, match="there is a metric accuracy already"):
        new_piece("metric", "accuracy", "classification")


def test_a_stage_is_put_into_the_pipeline_and_nothing_else_changes(repository: Project):
    text = (repository.root / "dvc.yaml").read_text(encoding="utf-8")
    piece = new_piece("stage", "worst", after="audit")
    result = piece.edits["dvc.yaml"](text)
    before, after = yaml.safe_load(text), yaml.safe_load(result)
    names = list(after["stages"])
    assert names.index("worst") == names.index("audit") + 1
    assert after["stages"].pop("worst")["cmd"] == "lightloop worst"
    assert after == before
    lines = iter(result.splitlines())
    assert all(line in lines for line in text.splitlines()), "comments and their order are as they were"
    # Also behind the last one, where the comment on the charts follows.
    last = with_stage(text, "  own:\n    cmd: own\n", list(before["stages"])[-1])
    assert list(yaml.safe_load(last)["stages"])[-1] == "own"


def test_a_pipeline_that_can_not_be_added_to_is_left_alone():
    with pytest.raises(UsageError, match=r"dvc\.yaml has a stage own already"):
        with_stage("stages:\n  own:\n    cmd: a\n", "  own:\n    cmd: b\n", "own")
    with pytest.raises(UsageError, match=r"dvc\.yaml has no stage 'trian' to put it behind: the stages are train"):
        with_stage("stages:\n  train:\n    cmd: a\n", "  own:\n    cmd: b\n", "trian")
    with pytest.raises(UsageError, match=r"dvc\.yaml is not valid YAML"):
        with_stage("stages: [\n", "  own:\n    cmd: b\n", "train")
    with pytest.raises(UsageError, match=r"dvc\.yaml is no mapping"):
        with_stage("", "  own:\n    cmd: b\n", "train")
    with pytest.raises(UsageError, match="is not written a line a key"):
        with_settings("stages: {first: {a: 1}}\n", "own", {"share": "0.1"})


def test_settings_of_a_second_stage_stand_beside_those_of_the_first():
    once = with_settings("seed: 1 # a comment", "first", {"share": "0.1"})
    twice = with_settings(once + "\n# below\nlast: 2\n", "second", {"share": "0.2"})
    assert yaml.safe_load(twice) == {
        "seed": 1,
        "stages": {"first": {"share": 0.1}, "second": {"share": 0.2}},
        "last": 2,
    }
    assert twice.startswith("seed: 1 # a comment\n")
    assert "\n# below\n" in twice


@pytest.mark.parametrize(("kind", "variant"), STARTS)
def test_docstrings_say_what_is_to_be_changed_and_nothing_is_left_to_be_rendered(kind: Kind, variant: str | None):
    for content in new_piece(kind, "mine", variant).files.values():
        assert "{{" not in content
        assert content.endswith("\n")
    source = next(iter(new_piece(kind, "mine", variant).files.values()))
    assert "mine" in (ast.get_docstring(ast.parse(source)) or "").lower()
