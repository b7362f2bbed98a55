"""Which records no longer hold: judged by the simpler model on the newest ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_world import table_project
from tables import SMALL_COLUMNS, config_of, small_frame, spec_of

from lightloop.collection.outdated import Judgement, judge
from lightloop.collection.said import holding
from lightloop.config.schema import Config
from lightloop.data.collected import collected_path, read_since, with_since
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.project import Project

START = datetime(2026, 1, 5, tzinfo=UTC)
TURNED = {"dear": "cheap", "cheap": "dear"}


def came(records: int, *, turned_from: int | None = None, seed: int = 7) -> pd.DataFrame:
    """Records that came one a minute; from some on the truth is turned round."""
    frame = small_frame(records, seed=seed)[list(SMALL_COLUMNS)]
    if turned_from is not None:
        frame.loc[turned_from:, "kind"] = frame.loc[turned_from:, "kind"].map(TURNED)
    frame["collected_id"] = [f"id-{n}" for n in range(records)]
    sides = np.random.default_rng(1).choice(["train", "validation", "test"], records, p=[0.7, 0.1, 0.2])
    frame["collected_split"] = sides
    frame["collected_time"] = pa.array(
        [START + timedelta(minutes=n) for n in range(records)], pa.timestamp("ms", "UTC")
    ).to_pandas()
    return frame


def collected(root: Path, config: Config, frame: pd.DataFrame, since: datetime | None = None) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(with_since(table, since, config.data, root), collected_path(config.data, root))


def project(root: Path, repository: Project, records: int = 300) -> Config:
    return table_project(root, repository, small_frame(records))


def test_a_changed_truth_leaves_out_what_was_true_before(tmp_path: Path, repository: Project) -> None:
    config = project(tmp_path, repository)
    collected(tmp_path, config, came(400, turned_from=0))
    found = judge(config, tmp_path, 200)
    assert found is not None
    assert (found.since, found.before, found.judged) == (START, None, 200)
    assert found.error < 0.5 < found.error_before
    own = read_splits(config.data, tmp_path, config.seed, whole=True)
    assert found.left_out == len(small_frame(300)) - sum(
        not one.startswith("collected/") for one in own["test"].column("id").to_pylist()
    )


def test_the_newest_window_is_found_where_the_truth_changed_among_what_came(
    tmp_path: Path, repository: Project
) -> None:
    config = project(tmp_path, repository)
    collected(tmp_path, config, came(900, turned_from=600))
    found = judge(config, tmp_path, 150)
    assert found is not None
    assert found.since is not None
    assert found.since >= START + timedelta(minutes=590)


def test_where_nothing_changed_all_records_hold(tmp_path: Path, repository: Project) -> None:
    config = project(tmp_path, repository)
    collected(tmp_path, config, came(400))
    found = judge(config, tmp_path, 200)
    assert found is not None
    assert (found.since, found.left_out, found.error) == (None, 0, found.error_before)


def test_what_is_true_again_holds_again(tmp_path: Path, repository: Project) -> None:
    """The last records are as the first ones were: what lies between is only their lesser part."""
    config = project(tmp_path, repository, records=1500)
    frame = came(500, turned_from=0)
    frame.loc[120:, "kind"] = frame.loc[120:, "kind"].map(TURNED)
    collected(tmp_path, config, frame, since=START)
    found = judge(config, tmp_path, 100)
    assert found is not None
    assert found.before == START
    assert found.error < found.error_before
    assert found.since is None or found.since > START


def test_of_copies_and_of_few_records_nothing_is_judged(tmp_path: Path, repository: Project) -> None:
    config = project(tmp_path, repository)
    collected(tmp_path, config, came(90, turned_from=0))
    assert judge(config, tmp_path, 200) is None
    copies = came(400, turned_from=0)
    for name in config.data.features:
        copies[name] = copies[name].iloc[0]
    collected(tmp_path, config, copies)
    assert judge(config, tmp_path, 200) is None


def test_no_class_is_left_without_records(tmp_path: Path, repository: Project) -> None:
    """All that came is of one class, whatever it looks like: the other one is known from older records alone."""
    config = project(tmp_path, repository)
    collected(tmp_path, config, came(400, turned_from=0).assign(kind="dear"))
    found = judge(config, tmp_path, 200)
    assert found is not None
    assert found.since is None


def test_numbers_are_judged_by_their_error(tmp_path: Path, repository: Project) -> None:
    frame = small_frame(300)[["size", "age", "town", "price"]]
    columns = {"size": "feature", "age": "feature", "town": "feature", "price": "target"}
    spec = spec_of(tmp_path, frame, columns, problem="regression")
    config = config_of(repository, spec, task={"name": "regression"}, loss={"name": "mse"})
    rest = came(300)[["collected_id", "collected_split", "collected_time"]]
    new = pd.concat([small_frame(300, seed=7)[["size", "age", "town"]], rest], axis=1)
    new["price"] = 100 - small_frame(300, seed=7)["price"]
    collected(tmp_path, config, new)
    found = judge(config, tmp_path, 200)
    assert found is not None
    assert found.since == START
    assert found.error < found.error_before / 2


def test_records_that_do_not_hold_are_neither_trained_on_nor_tested(tmp_path: Path, repository: Project) -> None:
    config = project(tmp_path, repository, records=60)
    frame = came(50)
    frame.loc[3, "collected_time"] = pd.NaT  # a person added it
    collected(tmp_path, config, frame, since=START + timedelta(minutes=30))
    splits = read_splits(config.data, tmp_path, 0)
    ids = {name.rpartition("/")[2] for table in splits.values() for name in table.column("id").to_pylist()}
    assert ids == {"id-3", *(f"id-{n}" for n in range(30, 50))}
    assert sum(len(table) for table in read_splits(config.data, tmp_path, 0, whole=True).values()) == 110
    for side, table in splits.items():
        assert all(name.startswith(f"collected/{side}/") for name in table.column("id").to_pylist())


def test_where_the_own_files_are_replaced_all_records_hold_again(tmp_path: Path, repository: Project) -> None:
    config = project(tmp_path, repository, records=60)
    collected(tmp_path, config, came(50), since=START + timedelta(minutes=30))
    assert read_since(config.data, tmp_path) == START + timedelta(minutes=30)
    small_frame(80)[list(SMALL_COLUMNS)].to_parquet(tmp_path / "data/small/small.parquet", index=False)
    assert read_since(config.data, tmp_path) is None
    assert sum(len(table) for table in read_splits(config.data, tmp_path, 0).values()) == 130


def test_what_time_divides_is_left_out_for_good(tmp_path: Path, repository: Project) -> None:
    columns = SMALL_COLUMNS | {"day": "time"}
    split = {"policy": "time", "test": 0.2, "validation": 0.2}
    frame = small_frame(300).assign(day=range(300))
    config = table_project(tmp_path, repository, frame, columns=columns, split=split)
    later = came(400, turned_from=0).assign(collected_split="time", day=range(300, 700))
    collected(tmp_path, config, later)
    found = judge(config, tmp_path, 150)
    assert found is not None
    assert found.since == START
    collected(tmp_path, config, later, since=found.since)
    assert read_splits(config.data, tmp_path, 0)["test"].column("day").to_pylist() == list(range(620, 700))
    again = judge(config, tmp_path, 150)
    assert again is not None
    assert again.since == START


def test_a_damaged_note_is_said(tmp_path: Path, repository: Project) -> None:
    config = project(tmp_path, repository, records=60)
    table = pa.Table.from_pandas(came(50), preserve_index=False).replace_schema_metadata({"lightloop.holds": "{"})
    pq.write_table(table, collected_path(config.data, tmp_path))
    with pytest.raises(LightloopError, match=r"is not what `lightloop collect` writes"):
        read_splits(config.data, tmp_path, 0)


@pytest.mark.parametrize(
    ("since", "before", "left", "line"),
    [
        (None, None, 0, []),
        (START, START, 9, ["records hold since 2026-01-05 00:00 UTC, as before, 9 older ones are left out"]),
        (
            START,
            None,
            9,
            [
                "records hold since 2026-01-05 00:00 UTC, 9 older ones are left out: on the newest 200 the simpler "
                "model errs by 0.400, and by 0.500 taught by what held until now"
            ],
        ),
        (
            None,
            START,
            0,
            [
                "all records hold: on the newest 200 the simpler model errs by 0.400, and by 0.500 taught by what held "
                "until now"
            ],
        ),
    ],
)
def test_what_was_judged_is_said(since: datetime | None, before: datetime | None, left: int, line: list[str]) -> None:
    found = Judgement(since=since, before=before, left_out=left, judged=200, error=0.4, error_before=0.5)
    assert holding(found) == line
