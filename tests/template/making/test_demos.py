"""Experiments and data that a project does not want are gone, and what is left is what DVC would have written."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from loop_world import must

from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.template.making.answers import KEPT
from lightloop.template.making.demos import DEMOS, drop_data, drop_experiments, gone_experiments, holds


@pytest.fixture
def tree(repository: Project, tmp_path: Path) -> Path:
    """Configs of the repository, and data of a few bytes under `data.dvc`."""
    shutil.copytree(repository.configs, tmp_path / "configs")
    entries = []
    for name in ("co2/co2.parquet", "fashion/train.parquet", "loans/loans.parquet", "spam/spam.parquet", "mine/a.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_text(name)
        entries.append({"md5": put(tmp_path, name.encode()), "relpath": name})
    listing = put(tmp_path, json.dumps(entries, sort_keys=True).encode(), ".dir")
    put(tmp_path, b"a result of the template's own runs")
    (tmp_path / "data.dvc").write_text(f"outs:\n- md5: {listing}\n  size: 99\n  nfiles: 5\n  hash: md5\n  path: data\n")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    return tmp_path


def put(root: Path, content: bytes, suffix: str = "") -> str:
    name = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = root / "storage/files/md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def test_the_list_of_demos_is_whole(repository: Project):
    assert {path.stem for path in (repository.configs / "experiment").glob("*.yaml")} == set(DEMOS)
    assert set(KEPT) <= set(DEMOS)


def test_data_that_no_kept_experiment_reads_are_gone(tree: Path):
    drop_experiments(tree, KEPT)
    assert drop_data(tree) == ["co2", "spam"]
    pointer = yaml.safe_load((tree / "data.dvc").read_text())["outs"][0]
    digest = re.match(r"[0-9a-f]{32}", pointer["md5"])[0]
    listing = tree / "storage/files/md5" / digest[:2] / f"{digest[2:]}.dir"
    assert hashlib.md5(listing.read_bytes(), usedforsecurity=False).hexdigest() == digest
    left = json.loads(listing.read_text())
    assert [entry["relpath"] for entry in left] == ["fashion/train.parquet", "loans/loans.parquet", "mine/a.csv"]
    assert (pointer["nfiles"], pointer["size"]) == (3, sum(len(entry["relpath"]) for entry in left))
    objects = [path for path in (tree / "storage").rglob("*") if path.is_file()]
    assert len(objects) == 4, "three files and their list"
    assert not (tree / "dvc.lock").exists()


def test_dvc_takes_what_is_left_for_its_own(tree: Path):
    drop_experiments(tree, KEPT)
    drop_data(tree)
    (tree / ".gitignore").write_text("/data\n")
    must(tree, "git", "init", "-q")
    must(tree, "dvc", "init", "-q")
    must(tree, "dvc", "remote", "add", "-q", "-d", "embedded", "storage")
    shutil.rmtree(tree / "data")
    must(tree, "dvc", "pull", "-q")
    assert sorted(path.name for path in (tree / "data").iterdir()) == ["fashion", "loans", "mine"]
    before = (tree / "data.dvc").read_text()
    must(tree, "dvc", "add", "-q", "data")
    assert (tree / "data.dvc").read_text() == before


def test_configs_of_what_is_not_kept_are_gone_and_others_stay(tree: Path):
    (tree / "configs/experiment/mine.yaml").write_text("defaults:\n  - override /data: loans\nname: mine\n")
    drop_experiments(tree, ["fashion"])
    assert {path.stem for path in (tree / "configs/experiment").glob("*.yaml")} == {"fashion", "mine"}
    # The experiment of the project's own reads them.
    assert {path.stem for path in (tree / "configs/data").glob("*.yaml")} == {"fashion", "loans"}
    assert {path.stem for path in (tree / "configs/expectations").glob("*.json")} == {"fashion", "loans"}
    assert {path.stem for path in (tree / "configs/card").glob("*.yaml")} == {"empty", "fashion"}


def test_an_experiment_that_another_stands_on_must_stay(tree: Path):
    with pytest.raises(UsageError, match="the experiment loans-fast stands on loans: keep both, or leave both out"):
        gone_experiments(tree, ["fashion", "loans-fast"])


def test_changed_data_are_not_thrown_away(tree: Path):
    assert holds(tree, "spam")
    (tree / "data/spam/more.csv").write_text("mine")
    assert not holds(tree, "spam")
