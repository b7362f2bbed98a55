"""The data check of tables: what is known of each record, the suite, the profile."""

import json

import pandas as pd
import pytest
from tables import ORDERS, SMALL_COLUMNS, loans_config, small_frame, spec_of

from lightloop.config.tabular import TabularSpec
from lightloop.files import read_json
from lightloop.quality.check import run_suite
from lightloop.quality.tabular.metadata import columns_of, read_metadata
from lightloop.quality.tabular.profile import profile_of
from lightloop.quality.tabular.suite import suite_for


def spec(root, frame=None, columns=SMALL_COLUMNS, **values) -> TabularSpec:
    values = values if values.get("problem") == "regression" else {"orders": ORDERS, **values}
    return TabularSpec(**spec_of(root, small_frame() if frame is None else frame, columns, **values))


def test_a_record_is_compared_with_the_others(tmp_path):
    frame = small_frame()
    frame = pd.concat([frame, frame.iloc[[0, 1]].assign(kind=["dear", "cheap"])], ignore_index=True)
    said = spec(tmp_path, frame)
    metadata = read_metadata(said, tmp_path)
    assert list(metadata.columns) == columns_of(said)
    assert metadata["copies"].tolist() == [2, 2, *[1] * 58, 2, 2]
    assert metadata["missing_values"].tolist() == frame["size"].isna().astype(int).tolist()
    same = frame["kind"][[0, 1]].to_numpy() == ["dear", "cheap"]
    assert metadata["copy_labels"][[60, 61]].tolist() == [1 if one else 2 for one in same]
    assert not metadata["in_other_part"].any()
    assert metadata["class_share"][0] == pytest.approx((frame["kind"] == frame["kind"][0]).mean())


def test_the_same_record_in_two_parts_is_seen(tmp_path):
    said = spec(tmp_path, files={"train": "small.parquet", "test": "small.parquet"}, split={"test": "predefined"})
    metadata = read_metadata(said, tmp_path)
    assert metadata["in_other_part"].all()
    assert (metadata["copies"] == 1).all()


def test_good_data_meets_its_suite_and_bad_data_does_not(tmp_path):
    said = spec(tmp_path)
    metadata = read_metadata(said, tmp_path)
    suite = suite_for(said, metadata)
    assert json.loads(json.dumps(suite)) == suite == suite_for(said, metadata)
    assert not run_suite(suite, metadata).failed
    bad = small_frame().assign(size=None, town="Paris")
    bad.loc[0, "age"] = 1e6
    bad.loc[1, "kind"] = "free"
    bad["size"] = bad["size"].astype(float)
    outcome = run_suite(suite, read_metadata(spec(tmp_path, bad, classes=["cheap", "dear"]), tmp_path))
    assert {(check["column"], check["severity"]) for check in outcome.failed} >= {
        ("size", "critical"),
        ("town", "warning"),
        ("age", "warning"),
        ("label", "critical"),
    }


def test_the_profile_counts(tmp_path):
    frame = small_frame()
    profile = profile_of(read_metadata(spec(tmp_path, frame), tmp_path))
    assert json.loads(json.dumps(profile, allow_nan=False)) == profile
    assert profile["records"] == {"train": 60}
    assert profile["classes"] == {"train": {"cheap": 30, "dear": 30}}
    assert profile["missing"]["size"] == int(frame["size"].isna().sum())
    assert profile["columns"]["age"]["max"] == frame["age"].max()
    assert profile["columns"]["town"]["values"] == frame["town"].value_counts().to_dict()
    assert profile["duplicates"] == {"train": 0, "across_parts": 0}


def test_numbers_to_predict_have_a_profile_and_a_suite(tmp_path):
    columns = {"size": "feature", "town": "feature", "price": "target"}
    said = spec(tmp_path, columns=columns, problem="regression")
    metadata = read_metadata(said, tmp_path)
    assert profile_of(metadata)["target"]["mean"] == pytest.approx(small_frame()["price"].mean())
    outcome = run_suite(suite_for(said, metadata), metadata)
    # Records without a size look the same: that is said, and no reason to stop.
    assert [(check["column"], check["severity"]) for check in outcome.failed] == [("copies", "warning")]


def test_the_committed_suite_is_that_of_the_data(repository):
    said = loans_config(repository).data
    committed = read_json(repository.expectations / "loans.json")
    assert committed == suite_for(said, read_metadata(said, repository.root))
