"""The data check of series: what is known of each step, and that bad data of every kind fails an expectation."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from series_world import small, stamps, wave, whole, write

from lightloop.config.compose import compose_config
from lightloop.project import Project
from lightloop.quality.check import run_suite
from lightloop.quality.modality import profile_of, read_metadata, suite_for
from lightloop.quality.series.metadata import STEP_COLUMNS, columns_of
from lightloop.quality.suite import load_suite

NAN = float("nan")


def gaps():
    values = wave(200, noise=0.1)
    values[[10, 11, 12, 60]] = NAN
    return values


def check(root, values, times=None, **data):
    """The failed expectations of a changed series, by the suite of the one it was made from."""
    spec = small(**data).data
    suite = suite_for(spec, read_metadata(spec, write(root / "good", gaps())))
    outcome = run_suite(suite, read_metadata(spec, write(root / "bad", values, times)))
    return {(one["name"], one["column"]): one["severity"] for one in outcome.failed}


def test_what_is_known_of_each_step(tmp_path):
    values, times = gaps(), stamps(200)
    keep = np.arange(200) != 30
    spec = small().data
    table = read_metadata(spec, write(tmp_path, values[keep], times[keep]))
    assert {name: str(kind) for name, kind in table.dtypes.items()} == STEP_COLUMNS
    assert table["steps"].value_counts().to_dict() == {1.0: 197, 2.0: 1}
    assert table["distance"].iloc[1] == 7 * 86_400
    assert table["gap"].iloc[9:14].tolist() == [0, 3, 3, 3, 0]
    assert table["jump"].iloc[13] == pytest.approx(values[13] - values[9])
    assert table["jump"].iloc[:1].isna().all()
    assert table["jump"].iloc[10:13].isna().all()
    profile = profile_of(spec, table)
    assert profile["records"] == {"train": 199}
    assert profile["gaps"] == {"missing": 4, "runs": 2, "longest": 3, "holes": 1}
    assert profile["time"] == {"first": "2000-01-01", "last": "2003-10-25", "step": 604_800.0}
    assert profile["values"]["max"] == np.nanmax(values)


def test_good_data_meets_its_own_suite(tmp_path):
    assert check(tmp_path, gaps()) == {}


CRITICAL, WARNING = "critical", "warning"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda v, t: (v, np.r_[t[:5], t[4:-1]]),
            {("expect_column_values_to_be_increasing", "time"): CRITICAL,
             ("expect_column_values_to_be_between", "copies"): CRITICAL,
             ("expect_column_values_to_be_in_set", "steps"): CRITICAL},
        ),
        (
            lambda v, t: (np.r_[v[100:], v[:100]], np.r_[t[100:], t[:100]]),
            {("expect_column_values_to_be_increasing", "time"): CRITICAL,
             ("expect_column_values_to_be_in_set", "steps"): CRITICAL,
             ("expect_column_values_to_be_between", "jump"): WARNING},
        ),
        (
            lambda v, t: (v, np.r_[t[:100], t[100:] + np.timedelta64(1, "D")]),
            {("expect_column_values_to_be_in_set", "steps"): CRITICAL},
        ),
        (
            lambda v, t: (np.where(np.arange(200) % 3 == 0, NAN, v), t),
            {("expect_column_values_to_not_be_null", "label"): CRITICAL},
        ),
        (
            lambda v, t: (np.where(np.arange(200) == 50, v + 4, v), t),
            {("expect_column_values_to_be_between", "jump"): WARNING},
        ),
        (
            lambda v, t: (np.where(np.arange(200) == 50, -999.0, v), t),
            {("expect_column_values_to_be_between", "label"): CRITICAL,
             ("expect_column_values_to_be_between", "jump"): WARNING},
        ),
        (
            lambda v, t: (np.where((np.arange(200) > 50) & (np.arange(200) < 58), NAN, v), t),
            {("expect_column_values_to_not_be_null", "label"): CRITICAL,
             ("expect_column_values_to_be_between", "gap"): WARNING},
        ),
        (lambda v, t: (v[:90], t[:90]), {("expect_table_row_count_to_be_between", None): CRITICAL}),
    ],
)  # fmt: skip
def test_each_fault_is_found(tmp_path, change, expected):
    values, times = change(gaps(), stamps(200))
    assert check(tmp_path, values, times) == expected


def test_the_committed_suite_is_met_by_the_demo(repository: Project):
    config = compose_config(repository, ["experiment=co2"])
    suite = load_suite(repository.expectations / "co2.json")
    metadata = read_metadata(config.data, repository.root)
    assert suite == suite_for(config.data, metadata)
    assert run_suite(suite, metadata).failed == []
    assert metadata["label"].isna().sum() == 59
    assert len(metadata) == 2284


def write_whole(root, rows, labels):
    path = root / "data/mine/train.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"series": pa.array(rows, pa.list_(pa.float64())), "label": labels}), path)
    return root


def rows_of(count=40):
    random = np.random.default_rng(0)
    rows = [random.normal(size=6 + place % 5).tolist() for place in range(count)]
    rows[3][2] = None
    return rows


@pytest.mark.parametrize("problem", ["classification", "regression"])
def test_whole_series_are_described(tmp_path, problem):
    spec, rows = whole(problem).data, rows_of()
    labels = ["a", "b"] * 20 if problem == "classification" else np.arange(40.0).tolist()
    good = read_metadata(spec, write_whole(tmp_path / "good", rows, labels))
    assert {name: str(kind) for name, kind in good.dtypes.items()} == columns_of(spec)
    assert good["length"].tolist()[:3] == [6, 7, 8]
    assert good["missing"].iloc[3] == pytest.approx(1 / 9)
    assert good["maximum"].iloc[0] == pytest.approx(max(rows[0]), rel=1e-6)
    suite = suite_for(spec, good)
    assert run_suite(suite, good).failed == []
    profile = profile_of(spec, good)
    assert profile["length"] == {"min": 6, "max": 10}
    assert ("classes" in profile) == (problem == "classification")

    rows[5], rows[6], rows[7], rows[8] = rows[4], None, [1.0] * 7, [100.0, *rows[8]]
    wrong = [*labels[:9], "c" if problem == "classification" else None, *labels[10:]]
    bad = read_metadata(spec, write_whole(tmp_path / "bad", rows, wrong))
    failed = {(one["column"], one["severity"]) for one in run_suite(suite, bad).failed}
    expected = {
        ("length", "critical"),
        ("copies", "critical"),
        ("constant", "warning"),
        ("maximum", "warning"),
        ("minimum", "warning"),
    }
    of_classes = {("copy_labels", "critical"), ("class_share", "warning")} if problem == "classification" else set()
    assert failed == expected | of_classes | {("label", "critical")}


def test_an_infinite_series_is_found(tmp_path):
    spec, rows = whole().data, rows_of()
    suite = suite_for(spec, read_metadata(spec, write_whole(tmp_path, rows, ["a", "b"] * 20)))
    rows[0][0] = float("inf")
    metadata = read_metadata(spec, write_whole(tmp_path, rows, ["a", "b"] * 20))
    assert [one["column"] for one in run_suite(suite, metadata).failed] == ["infinite"]
