"""Whole adoptions, of every kind of source: the project gains a data set, the source stays as it is."""

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from adoption_world import (
    changed,
    customers,
    empty_project,
    everything,
    picture_folder,
    sales,
    text_folder,
)
from rich.console import Console

from lightloop.adoption import adopt as module
from lightloop.adoption.adopt import Wish, adopt, slug
from lightloop.config.compose import compose_config
from lightloop.config.data import Part
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.quality.suite import load_suite

pytestmark = pytest.mark.slow  # Great Expectations, DVC, and fits


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return empty_project(tmp_path / "project")


def take(project: Project, *paths: Path | str, **more) -> str:
    """Adopt, without a fit unless one is asked for; what was said."""
    out = io.StringIO()
    wish = Wish([str(path) for path in paths], **({"yes": True, "fit": False} | more))
    adopt(project, wish, Console(file=out, width=160), terminal=False)
    return out.getvalue()


def written(project: Project, name: str) -> list[str]:
    kinds = [f"configs/{kind}/{name}.yaml" for kind in ("card", "data", "experiment")]
    return [" M data.dvc", *(f"?? {one}" for one in sorted([*kinds, f"configs/expectations/{name}.json"]))]


def test_a_table(project: Project, tmp_path: Path):
    source = tmp_path / "Kündigungen 2024.csv"
    customers().to_csv(source, index=False, sep=";", decimal=",")
    before = source.read_bytes(), source.stat().st_mode, source.stat().st_mtime_ns
    said = take(project, source)
    assert (source.read_bytes(), source.stat().st_mode, source.stat().st_mtime_ns) == before
    assert changed(project) == written(project, "kundigungen-2024")
    assert (project.root / "data/other/kept.txt").exists()
    assert "lightloop run experiment=kundigungen-2024" in said
    spec = compose_config(project, ["experiment=kundigungen-2024"]).data
    assert (spec.modality, spec.problem, spec.target, set(spec.classes)) == (
        "tabular", "classification", "bleibt", {"ja", "nein"},
    )  # fmt: skip
    assert set(spec.features) == {"Einkommen netto", "Größe (Monate)", "Ort"}
    assert sum(len(part) for part in read_splits(spec, project.root, 42).values()) == 240
    table = pq.read_table(project.root / spec.path / spec.files["train"])
    assert table.column("Einkommen netto").null_count == customers()["Einkommen netto"].isna().sum()
    suite = load_suite(project.expectations / "kundigungen-2024.json")
    assert all(one["notes"] for one in suite["expectations"])
    assert "Slack" in suite["meta"]["notes"]
    assert list((project.scratch / "adopting").glob("*")) == []


def test_it_trains_and_is_scored(project: Project, tmp_path: Path):
    customers(400).to_parquet(tmp_path / "mine.parquet", index=False)
    said = take(project, tmp_path / "mine.parquet", target="bleibt", fit=True)
    assert "1 linked" in said
    assert "first score" in said
    assert "saying the shares of the classes" in said
    assert "is not above" not in said
    # Nothing of the fit stays.
    assert changed(project) == written(project, "mine")


@pytest.mark.parametrize(("records", "share"), [(50, 0.3), (150, 0.25), (300, 0.15)])
def test_of_few_records_more_are_for_validation(project: Project, tmp_path: Path, records: int, share: float):
    customers(records).to_parquet(tmp_path / "few.parquet", index=False)
    take(project, tmp_path / "few.parquet", target="bleibt")
    split = compose_config(project, ["experiment=few"]).data.split
    assert (split.test, split.validation) == (0.2, share)


def test_numbers(project: Project, tmp_path: Path):
    customers().drop(columns="bleibt").to_csv(tmp_path / "incomes.tsv", index=False, sep="\t")
    take(project, tmp_path / "incomes.tsv", target="Größe (Monate)", name="months")
    config = compose_config(project, ["experiment=months"])
    assert (config.data.problem, config.gate.metric) == ("regression", "rmse")
    assert config.data.target == "Größe (Monate)"


def test_pictures(project: Project, tmp_path: Path):
    folder = picture_folder(tmp_path / "bands")
    (folder / "down/copy.png").write_bytes((folder / "down/000.png").read_bytes())
    (folder / "down/broken.png").write_bytes(b"no image")
    said = take(project, folder)
    spec = compose_config(project, ["experiment=bands"]).data
    assert (spec.modality, spec.problem, set(spec.classes)) == ("image", "classification", {"across here", "down"})
    assert sum(len(part) for part in read_splits(spec, project.root, 42).values()) == 80
    assert "80 linked" in said
    assert "1 copies of another one" in said
    assert (folder / "down/broken.png").exists()
    assert changed(project) == written(project, "bands")


def test_pictures_in_parts_with_folders_below(project: Project, tmp_path: Path):
    picture_folder(tmp_path / "photos/train", 20, seed=1)
    picture_folder(tmp_path / "photos/test", 8, seed=2)
    (tmp_path / "photos/train/down/more").mkdir()
    shutil.move(tmp_path / "photos/train/down/000.png", tmp_path / "photos/train/down/more/000.png")
    take(project, tmp_path / "photos")
    spec = compose_config(project, ["experiment=photos"]).data
    assert spec.split.test == "predefined"
    assert {part: len(table) for part, table in read_splits(spec, project.root, 42).items()}["test"] == 16
    assert (project.root / "data/photos/train/down/more__000.png").exists()


def test_texts(project: Project, tmp_path: Path):
    take(project, text_folder(tmp_path / "reviews"))
    config = compose_config(project, ["experiment=reviews"])
    assert (config.data.modality, set(config.data.classes)) == ("text", {"praise", "complaint"})
    assert config.preprocess.max_length >= 32
    assert (project.root / "data/reviews/train/praise/000.txt").exists()


def test_a_series(project: Project, tmp_path: Path):
    frame = sales()
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "sales.csv", index=False)
    take(project, tmp_path / "sales.csv")
    spec = compose_config(project, ["experiment=sales"]).data
    assert (spec.modality, spec.problem, spec.target) == ("series", "forecasting", "sales")
    assert (spec.season, spec.window, spec.horizon) == (12, 24, 12)
    assert all(len(part) for part in read_splits(spec, project.root, 42).values())


def test_files_with_roles(project: Project, tmp_path: Path):
    parts: dict[Part, int] = {"train": 200, "validation": 40, "test": 60}
    for seed, (part, records) in enumerate(parts.items()):
        customers(records, seed).to_json(tmp_path / f"{part}.jsonl", orient="records", lines=True, force_ascii=False)
    take(project, *(f"{part}={tmp_path / part}.jsonl" for part in parts), name="mine", target="bleibt")
    spec = compose_config(project, ["experiment=mine"]).data
    found = {part: len(table) for part, table in read_splits(spec, project.root, 42).items()}
    assert found == parts


def test_a_database(project: Project, tmp_path: Path):
    with sqlite3.connect(tmp_path / "shop.db") as database:
        customers().to_sql("customers", database, index=False)
        pd.DataFrame({"a": [1]}).to_sql("other", database, index=False)
    database.close()
    with pytest.raises(UsageError, match="customers"):
        take(project, tmp_path / "shop.db")
    take(project, tmp_path / "shop.db", table="customers", target="bleibt")
    assert compose_config(project, ["experiment=shop"]).data.target == "bleibt"


def test_columns_with_names_that_are_taken_or_strange(project: Project, tmp_path: Path):
    frame = customers().rename(columns={"Ort": "id", "Größe (Monate)": "a.b: c # d", "Einkommen netto": "${x}"})
    frame["bleibt"] = frame["bleibt"].map({"ja": "yes", "nein": "no"})
    frame.drop(columns="Kunden-Nr").to_csv(tmp_path / "odd.csv", index=False)
    take(project, tmp_path / "odd.csv", target="bleibt")
    spec = compose_config(project, ["experiment=odd"]).data
    assert set(spec.classes) == {"yes", "no"}
    assert len(spec.features) == 3
    assert read_splits(spec, project.root, 42)["train"].num_columns >= 5


def test_a_name_is_taken_once_and_replaced_by_force(project: Project, tmp_path: Path):
    source = tmp_path / "mine.csv"
    customers().to_csv(source, index=False)
    take(project, source)
    before = everything(project.root)
    with pytest.raises(UsageError, match=r"'mine' is taken \(data/mine, .*--force"):
        take(project, source)
    assert everything(project.root) == before
    customers(300, 5).to_csv(source, index=False)
    take(project, source, force=True)
    spec = compose_config(project, ["experiment=mine"]).data
    assert sum(len(part) for part in read_splits(spec, project.root, 42).values()) == 300


@pytest.mark.parametrize("step", ["adopted_suite", "apply", "experiment_yaml"])
def test_whatever_fails_leaves_the_project_as_it_was(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    customers().to_csv(tmp_path / "mine.csv", index=False)
    before = everything(project.root)

    def fail(*_: object, **__: object) -> None:
        raise LightloopError("something failed")

    if step == "adopted_suite":
        from lightloop.adoption import suite

        monkeypatch.setattr(suite, step, fail)
    else:
        monkeypatch.setattr(module, step, fail)
    with pytest.raises(LightloopError, match="something failed"):
        take(project, tmp_path / "mine.csv")
    assert everything(project.root) == before
    assert list((project.scratch / "adopting").glob("*")) == []


def test_a_killed_adoption_leaves_nothing_and_the_next_one_goes_through(project: Project, tmp_path: Path):
    customers().to_csv(tmp_path / "mine.csv", index=False)
    before = everything(project.root)
    words = [sys.executable, "-m", "lightloop", "adopt", str(tmp_path / "mine.csv"), "--yes"]
    running = subprocess.Popen(words, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 240
        while not list((project.scratch / "adopting").glob("*/data/mine/*")):
            assert running.poll() is None, running.stderr and running.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert everything(project.root) == before
    take(project, tmp_path / "mine.csv")
    assert changed(project) == written(project, "mine")
    assert list((project.scratch / "adopting").glob("*")) == []


WRONG = [
    (["nowhere.csv"], 2, "nowhere.csv"),
    (["empty.csv"], 2, "empty.csv"),
    (["mine.csv", "--name", "Mein Name"], 2, "'Mein Name' is no name for a data set"),
    (["mine.csv", "--name", "fashion"], 2, "'fashion' is taken"),
    (["mine.csv", "--target", "nope"], 2, "nope"),
    (["project/data/other"], 2, "lies in the project's data/"),
    (["training=project/data/other", "test=mine.csv"], 2, "lies in the project's data/"),
    (["project"], 2, "holds the project itself"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), WRONG)
def test_wrong_use_is_one_sentence(project: Project, tmp_path: Path, words: list[str], code: int, sentence: str):
    customers().to_csv(tmp_path / "mine.csv", index=False)
    (tmp_path / "empty.csv").write_text("")
    before = everything(project.root)
    given, *more = words
    role, sign, path = given.rpartition("=")
    command = [sys.executable, "-m", "lightloop", "adopt", f"{role}{sign}{tmp_path / path}", *more]
    done = subprocess.run(
        command, cwd=project.root, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=240
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert everything(project.root) == before


def test_open_questions_without_a_terminal_are_one_sentence(project: Project, tmp_path: Path):
    frame = customers()[["Einkommen netto", "Größe (Monate)"]]
    frame.assign(c=frame["Größe (Monate)"] * 3.5, d=1.5).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(UsageError, match=r"can't be told from the data alone: .*--yes"):
        take(project, tmp_path / "mine.csv", yes=False)
    assert changed(project) == []


def test_a_fresh_clone_without_data_keeps_the_other_data_sets(project: Project, tmp_path: Path):
    from registry_world import dvc, git

    dvc(project.root, "push", "--quiet", "data.dvc")
    git(project.root, "add", "--all", "--force", "storage")
    git(project.root, "commit", "--quiet", "--message", "with the remote")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(project.root), str(clone))
    customers().to_csv(tmp_path / "mine.csv", index=False)
    take(Project(clone), tmp_path / "mine.csv")
    listed = json.loads(dvc(clone, "ls", ".", "data", "-R", "--json"))
    assert sorted(one["path"] for one in listed) == ["mine/train.parquet", "other/kept.txt"]


def test_names():
    assert slug("Übersicht (final) v2") == "ubersicht-final-v2"
    assert slug("null") == "mine"


def test_the_card_names_the_data_set(project: Project, tmp_path: Path):
    customers().to_csv(tmp_path / "mine.csv", index=False)
    take(project, tmp_path / "mine.csv")
    assert yaml.safe_load((project.configs / "card/mine.yaml").read_text())["data"] == "mine"
