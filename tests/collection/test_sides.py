"""On which side of the split a collected record is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_world import table_project
from tables import SMALL_COLUMNS, small_frame

from lightloop.collection.sides import chosen_sides, side_of
from lightloop.data.collected import collected_path, read_keys
from lightloop.data.records import read_records
from lightloop.data.splits import read_splits
from lightloop.data.unlabelled import read_unlabelled
from lightloop.errors import LightloopError
from lightloop.monitoring.content import content_keys
from lightloop.project import Project


def collected(root: Path, config, sides: list[str]) -> None:
    frame = small_frame(len(sides), seed=7)[list(SMALL_COLUMNS)]
    frame["collected_id"] = [f"id-{n}" for n in range(len(sides))]
    frame["collected_split"] = sides
    frame.to_parquet(collected_path(config.data, root), index=False)


def test_a_record_keeps_its_side_whatever_else_is_collected(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    before = read_splits(config.data, tmp_path, 0)
    collected(tmp_path, config, ["train", "test", "validation", "test", "train"])
    after = read_splits(config.data, tmp_path, 0)
    added = {"train": ["0", "4"], "validation": ["2"], "test": ["1", "3"]}
    for name, table in before.items():
        ids = table.column("id").to_pylist()
        expected = ids + [f"collected/{name}/id-{number}" for number in added[name]]
        assert after[name].column("id").to_pylist() == expected


def test_no_record_of_a_training_comes_into_the_test_by_another_seed_of_the_hash() -> None:
    """The side depends on the id alone: neither on the order nor on the number of what is collected."""
    ids = [f"id-{n}" for n in range(500)]
    alone = {one: side_of(one, 0.2, 0.1) for one in ids}
    assert {one: side_of(one, 0.2, 0.1) for one in reversed(ids[:300])} == {one: alone[one] for one in ids[:300]}
    assert all(side_of(one, 0.3, 0.1) == "test" for one, side in alone.items() if side == "test")


def test_the_same_content_is_on_the_same_side(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    test = read_splits(config.data, tmp_path, 0)["test"]
    same = test.append_column("collected_id", pa.array([f"id-{n}" for n in range(len(test))]))
    keys_N = content_keys(same, config.data.features)
    known = dict.fromkeys(keys_N.tolist(), "test")
    assert chosen_sides(same, config.data, 0.2, keys_N, known) == ["test"] * len(test)
    assert set(chosen_sides(same, config.data, 0.2, keys_N, {})) > {"train"}


def test_data_that_are_divided_by_time_move_on_with_it(tmp_path: Path, repository: Project) -> None:
    columns = SMALL_COLUMNS | {"day": "time"}
    frame = small_frame().assign(day=range(60))
    split = {"policy": "time", "test": 0.2, "validation": 0.2}
    config = table_project(tmp_path, repository, frame, columns=columns, split=split)
    trained = set(read_splits(config.data, tmp_path, 0)["train"].column("id").to_pylist())
    later = small_frame(40, seed=7)[list(SMALL_COLUMNS)].assign(day=range(60, 100))
    later["collected_id"], later["collected_split"] = [f"id-{n}" for n in range(40)], "time"
    later.to_parquet(collected_path(config.data, tmp_path), index=False)
    after = read_splits(config.data, tmp_path, 0)
    assert after["test"].column("day").to_pylist() == list(range(80, 100))
    assert trained <= set(after["train"].column("id").to_pylist())


def test_the_file_of_a_part_holds_what_was_collected_for_it(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    collected(tmp_path, config, ["train", "test"])
    assert len(read_records(config.data, tmp_path, "train")) == 62  # the test is a share of it
    assert len(read_unlabelled(config.data, tmp_path)) == 0
    parted = config.data.model_copy(
        update={
            "files": {"train": "small.parquet", "test": "small.parquet"},
            "split": config.data.split.model_copy(update={"test": "predefined"}),
        }
    )
    assert [len(read_records(parted, tmp_path, part)) for part in ("train", "test")] == [61, 61]


@pytest.mark.parametrize("damage", ["bytes", "side"])
def test_a_damaged_file_is_said(tmp_path: Path, repository: Project, damage: str) -> None:
    config = table_project(tmp_path, repository)
    if damage == "bytes":
        collected_path(config.data, tmp_path).write_bytes(b"PAR1 or not")
    else:
        collected(tmp_path, config, ["train", "else"])
    with pytest.raises(LightloopError, match=r"restore it with `dvc checkout data\.dvc`"):
        read_splits(config.data, tmp_path, 0)


def test_keys_are_those_of_the_file(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    collected(tmp_path, config, ["train", "test"])
    assert read_keys(config.data, tmp_path).to_pydict() == {
        "collected_id": ["id-0", "id-1"],
        "collected_split": ["train", "test"],
        "collected_time": [None, None],  # as files of earlier versions
    }
    assert pq.read_metadata(collected_path(config.data, tmp_path)).num_rows == 2
