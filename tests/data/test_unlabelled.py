"""Unlabelled records: set aside in the training file, or in a file of their own."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_project import REPOSITORY
from unlabelled import hide_labels

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.records import read_records
from lightloop.data.splits import read_splits
from lightloop.data.unlabelled import apart_from, read_unlabelled
from lightloop.errors import LightloopError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.stages.validate import validate


def test_records_without_a_label_are_set_aside(project: Project, config: Config):
    assert len(read_unlabelled(config.data, project.root)) == 0
    hide_labels(project, 3)
    splits = read_splits(config.data, project.root, 42)
    unlabelled = read_unlabelled(config.data, project.root)
    assert len(unlabelled) == 100
    assert unlabelled.column("label").null_count == 100
    assert len(splits["train"]) + len(splits["validation"]) == 200
    known = {name for part in ("train", "validation") for name in splits[part].column("id").to_pylist()}
    assert not known & set(unlabelled.column("id").to_pylist())


@pytest.mark.parametrize("with_target", [True, False])
def test_a_file_of_unlabelled_records_needs_no_target(project: Project, config: Config, with_target: bool):
    folder = project.root / "data/fashion"
    more = pq.read_table(folder / "test.parquet")
    pq.write_table(more if with_target else more.select(["image"]), folder / "more.parquet")
    spec = config.data.model_copy(update={"unlabelled": "more.parquet"})
    hide_labels(project, 30)
    unlabelled = read_unlabelled(spec, project.root)
    assert len(unlabelled) == 110
    assert unlabelled.column("label").null_count == 110, "labels that stand there are not looked at"
    ids = unlabelled.column("id").to_pylist()
    assert len(set(ids)) == 110
    assert sum(name.startswith("unlabelled/") for name in ids) == 100


def test_a_missing_file_is_one_sentence(project: Project, config: Config):
    spec = config.data.model_copy(update={"unlabelled": "nowhere.parquet"})
    with pytest.raises(LightloopError, match=r"data/fashion/nowhere\.parquet is missing"):
        read_unlabelled(spec, project.root)


def test_near_copies_of_what_is_held_out_are_not_trained_on():
    """Real messages, some of those of the test split unlabelled."""
    spec = compose_config(Project(REPOSITORY), ["experiment=spam"]).data
    splits = read_splits(spec, REPOSITORY, 0)
    whole = pa.concat_tables(splits.values())
    held_out = [splits["validation"], splits["test"].slice(0, 800)]
    unlabelled = pa.concat_tables([splits["train"], splits["test"].slice(800)])
    left = apart_from(unlabelled, held_out, spec)
    groups = {group for table in held_out for group in table["group"].to_pylist()}
    assert not groups & set(left["group"].to_pylist())
    assert len(splits["train"]) <= len(left) < len(unlabelled) < len(whole)


def test_an_empty_text_is_no_label(project: Project, config: Config):
    path = project.root / "data/fashion/train.parquet"
    table = pq.read_table(path)
    labels = ["" if row % 3 == 0 else name for row, name in enumerate(table.column("label").to_pylist())]
    pq.write_table(table.set_column(table.schema.get_field_index("label"), "label", pa.array(labels)), path)
    assert len(read_unlabelled(config.data, project.root)) == 100


def test_hidden_labels_are_a_share_of_each_class(project: Project, config: Config):
    spec = config.data.model_copy(update={"hide_labels": 0.8})
    before = Counter(read_records(config.data, project.root, "train").column("label").to_pylist())
    unlabelled = read_unlabelled(spec, project.root)
    assert len(unlabelled) == sum(int(0.8 * count) for count in before.values()) > 200
    assert unlabelled.column("label").null_count == len(unlabelled)
    splits = read_splits(spec, project.root, 0)
    # A test file of its own keeps all its labels.
    held_out = splits.pop("test") if "test" in spec.files else None
    known = pa.concat_tables(splits.values())
    assert Counter(known.column("label").to_pylist()) == {
        name: count - int(0.8 * count) for name, count in before.items()
    }
    assert not set(known.column("id").to_pylist()) & set(unlabelled.column("id").to_pylist())
    assert read_unlabelled(spec, project.root).equals(unlabelled)
    if held_out is not None:
        assert len(held_out) == len(read_splits(config.data, project.root, 0)["test"])


def partly_labelled(root: Path, name: str, way: str, *overrides: str) -> tuple[Config, Project]:
    """A shipped data set, cut to some 900 records, 200 of them without a label: in the file, or in one of their own."""
    spec = compose_config(Project(REPOSITORY), [f"experiment={name}"]).data
    file = spec.files["train"]
    table = pq.read_table(REPOSITORY / spec.path / file)
    rows = np.linspace(0, len(table) - 1, 900).astype(int)
    table = table.take(rows)
    hidden = np.arange(900) % 9 < 2
    place = table.schema.get_field_index(spec.target)
    (root / spec.path).mkdir(parents=True)
    for part in {*spec.files.values()} - {file}:
        (root / spec.path / part).write_bytes((REPOSITORY / spec.path / part).read_bytes())
    if way == "empty":
        labels = [None if gone else label for gone, label in zip(hidden, table.column(place).to_pylist(), strict=True)]
        pq.write_table(table.set_column(place, spec.target, pa.array(labels, pa.string())), root / spec.path / file)
        more = ()
    else:
        pq.write_table(table.filter(pa.array(~hidden)), root / spec.path / file)
        pq.write_table(table.filter(pa.array(hidden)).drop([spec.target]), root / spec.path / "more.parquet")
        more = ("data.unlabelled=more.parquet",)
    project = Project(root)
    config = compose_config(
        Project(REPOSITORY), [f"experiment={name}", "semi=pseudo_labels", "tracking=none", *more, *overrides]
    )
    # The committed suite expects thousands of records; what it says of labels does not depend on them.
    suite = suite_for(config.data, read_metadata(config.data, root))
    write_json(project.expectations / f"{config.data.expectations}.json", suite)
    return config, project


def check_validated(config: Config, project: Project, way: str) -> None:
    """The check passes, and says how many labels there are not."""
    validate(config, project)
    result = read_json(project.validation_result)
    assert result["success"]
    (check,) = [
        one
        for one in result["checks"]
        if "not_be_null" in one["name"] and one["expected"].get("rows") == "part == train"
    ]
    assert (check["column"], check["severity"], check["unexpected"]) == (
        "label",
        "warning",
        200 if way == "empty" else 0,
    )
    assert result["rows"].get("unlabelled", 0) == (0 if way == "empty" else 200)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["empty", "file"])
@pytest.mark.parametrize("name", ["loans", "spam"])
def test_unlabelled_records_pass_the_data_check(tmp_path: Path, name: str, way: str):
    config, project = partly_labelled(tmp_path, name, way)
    check_validated(config, project, way)
    assert len(read_unlabelled(config.data, project.root)) == 200
    assert sum(len(table) for table in read_splits(config.data, project.root, 42).values()) == 700


@pytest.mark.slow
@pytest.mark.parametrize("way", ["empty", "file"])
@pytest.mark.parametrize("name", ["loans", "spam", "fashion"])
def test_unlabelled_records_run_through_validate_and_train(tmp_path: Path, name: str, way: str):
    from lightloop.stages.train import train

    config, project = partly_labelled(
        tmp_path, name, way, "trainer.max_epochs=3", "semi.rounds=1", "semi.threshold=0.25"
    )
    check_validated(config, project, way)
    train(config, project)
    found = read_json(project.training_summary)["pseudo_labels"]
    assert found["unlabelled"] == 200
    assert found["rounds"][-1]["added"] > 0
