"""Unlabelled records: set aside in the training file, or in a file of their own."""

import pyarrow.parquet as pq
import pytest
from unlabelled import hide_labels

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.data.unlabelled import read_unlabelled
from lightloop.errors import LightloopError
from lightloop.project import Project


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
