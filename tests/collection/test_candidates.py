"""Labelled predictions of the log as records of the data set."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from log_world import applicants, prediction, table_project, window_of, write_answers
from tables import SMALL_COLUMNS, small_frame

from lightloop.collection.candidates import candidates, refuse_redacted
from lightloop.errors import RefusedError
from lightloop.project import Project


def test_a_labelled_prediction_becomes_a_record(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    records, labels = applicants(30)
    write_answers(tmp_path, records, [*labels[:25], *[None] * 5])
    table = candidates(window_of(tmp_path), config.data, tmp_path, [prediction(3)])
    assert table.column("collected_id").to_pylist() == [prediction(n) for n in range(25) if n != 3]
    assert table.column("kind").to_pylist() == [label for n, label in enumerate(labels[:25]) if n != 3]
    assert table.column("town").to_pylist()[0] == records[0]["town"]
    assert table.column("age").to_pylist()[3] == records[4]["age"]


def test_what_was_tried_on_the_page_did_not_happen(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    records, labels = applicants(5)
    write_answers(tmp_path, records, labels, page=True)
    assert len(candidates(window_of(tmp_path), config.data, tmp_path, [])) == 0


def test_an_empty_log_gives_no_records(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    write_answers(tmp_path, [], [])
    assert len(candidates(window_of(tmp_path), config.data, tmp_path, [])) == 0


def test_what_the_log_cannot_know_is_null_and_has_the_type_of_the_data(tmp_path: Path, repository: Project) -> None:
    columns = SMALL_COLUMNS | {"sex": "sensitive", "day": "time"}
    frame = small_frame().assign(sex=[0, 1] * 30, day=pd.Timestamp("2020-01-01"))
    config = table_project(tmp_path, repository, frame, columns=columns)
    write_answers(tmp_path, *applicants(4))
    table = candidates(window_of(tmp_path), config.data, tmp_path, [])
    assert table.schema.field("sex").type == pa.int64()
    assert table.column("sex").null_count == 4
    assert table.column("day").to_pylist()[1] == pd.Timestamp("2026-11-20 00:01:00")


@pytest.mark.parametrize("kept", ["gone", "empty", "coded"])
def test_a_redacted_feature_is_refused(tmp_path: Path, repository: Project, kept: str) -> None:
    config = table_project(tmp_path, repository)
    records, labels = applicants(30)
    for record in records:
        if kept == "gone":
            del record["age"]
        else:
            record["age"] = None if kept == "empty" else "b1946ac9"
    write_answers(tmp_path, records, labels)
    with pytest.raises(RefusedError, match="the log does not keep 'age', which the model is asked with"):
        candidates(window_of(tmp_path), config.data, tmp_path, [])


def test_a_feature_that_the_config_redacts_is_refused(tmp_path: Path, repository: Project) -> None:
    config = table_project(tmp_path, repository)
    refuse_redacted(config.data, ["name", "street"])
    with pytest.raises(RefusedError, match="does not keep 'town'"):
        refuse_redacted(config.data, ["street", "town"])
