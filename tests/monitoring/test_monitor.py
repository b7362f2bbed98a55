"""Windows of a real log against a real bundle: its profile, the looks, the rule, the command."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from serving_world import table_world
from sklearn.metrics import accuracy_score
from trained_table import SMALL_COLUMNS

from lightloop.config.monitoring import MonitorConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.monitoring import suite
from lightloop.monitoring.monitor import monitor, of_release, write_monitoring
from lightloop.monitoring.said import said
from lightloop.monitoring.settings import read_settings
from lightloop.monitoring.window import read_window
from lightloop.project import Project
from lightloop.quality.modality import describe_part
from lightloop.quality.relations import relate
from lightloop.quality.suite import expect
from lightloop.release.bundle import seal
from lightloop.serving.log import write_log
from lightloop.serving.manifest import MANIFEST, PROFILE, PROFILE_ARRAYS, read_manifest
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import read_held_out, read_profile

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory):
    return table_world(repository, tmp_path_factory.mktemp("monitored"))


@pytest.fixture(scope="module")
def predictor(world):
    return Predictor.load(world.bundle)


@pytest.fixture
def empty(tmp_path) -> Project:
    """A project that says nothing of monitoring: the defaults count."""
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def write(
    folder, predictor, records: pa.Table, *, weeks_ago: int = 0, name: str = "a", digest: str | None = None
) -> None:
    rows = []
    features = records.select([one.name for one in predictor.manifest.input.features])
    for place, (record, told) in enumerate(zip(features.to_pylist(), predictor.predict(features), strict=True)):
        row = {
            "prediction_id": f"{name}{place}",
            "time": NOW - (weeks_ago + 1) * WEEK + timedelta(minutes=place + 1),
            "version": "v0.1.0",
            "digest": digest or predictor.digest,
            "input": record,
            "label": told.label,
            "probability": told.probability,
            "probabilities": list(told.probabilities),
            "abstains": told.abstains,
            "novelty": told.novelty.p_value,
        }
        rows.append(row)
    write_log(folder, rows, writer=name)


def with_column(records: pa.Table, name: str, values) -> pa.Table:
    return records.set_column(records.column_names.index(name), name, values)


def many(world, count: int, seed: int = 0) -> pa.Table:
    """Records like the training records, drawn with replacement from those that were not trained on."""
    rest = pa.concat_tables([world.splits["validation"], world.splits["test"]])
    return rest.take(np.random.default_rng(seed).integers(0, len(rest), count))


def test_a_bundle_carries_what_its_records_and_answers_were_like(world, predictor):
    manifest = read_manifest(world.bundle)
    profile, held = read_profile(world.bundle, manifest), read_held_out(world.bundle)
    train, test = world.splits["train"], world.splits["test"]
    assert (profile.n, profile.held_out) == (len(train), len(test))
    columns = {one.name: one for one in profile.features}
    assert columns.keys() == set(SMALL_COLUMNS) & columns.keys() == {one.name for one in manifest.input.features}
    ages = train.column("age").to_numpy(zero_copy_only=False).astype(float)
    assert columns["age"].mean == pytest.approx(np.nanmean(ages))
    assert columns["age"].missing == int(np.isnan(ages).sum())
    towns = train.column("town").drop_null().to_pylist()
    assert columns["town"].values == {town: towns.count(town) for town in set(towns)}
    labels = [manifest.classes[code] for code in held.labels]
    assert labels == test.column("label").to_pylist()
    decided = [one.label for one in predictor.predict(test)]
    assert profile.metrics["accuracy"] == pytest.approx(accuracy_score(labels, decided))
    np.testing.assert_allclose(held.probabilities, predictor.answers(test)["probabilities"], atol=1e-6)
    assert profile.attributions is not None
    assert profile.attributions.n == len(held.attributions)
    np.testing.assert_allclose(profile.attributions.mean, held.attributions.mean(0), rtol=1e-5)
    assert {(one.column, one.value) for one in profile.slices} <= {("town", town) for town in set(towns)} | {
        ("grade", grade) for grade in set(train.column("grade").to_pylist())
    }


def test_no_record_is_in_the_profile(world):
    raw = world.splits["test"].column("id").to_pylist()
    content = (world.bundle / PROFILE).read_text()
    assert not any(f'"{one}"' in content for one in raw)
    with np.load(world.bundle / PROFILE_ARRAYS) as arrays:
        assert all(arrays[name].dtype.kind in "fiu" for name in arrays)


def test_a_bundle_without_a_profile_says_what_it_lacks(tmp_path, world):
    manifest = read_manifest(world.bundle).model_copy(update={"format": 3})
    with pytest.raises(LightloopError, match="of format 3 has no profile of its training records, so there is nothing"):
        read_profile(tmp_path, manifest)


def test_an_older_bundle_is_watched_as_far_as_it_goes(world, predictor, empty, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(world.bundle, old)
    for name in (PROFILE, PROFILE_ARRAYS):
        (old / name).unlink()
    content = json.loads((old / MANIFEST).read_text())
    (old / MANIFEST).write_text(json.dumps({**content, "format": 3}))
    seal(old)
    write(tmp_path / "log", predictor, many(world, 40), digest=Predictor.load(old).digest)
    found = monitor(empty, window=WEEK, log=str(tmp_path / "log"), now=NOW, bundle=old)
    assert found.act == "nothing"
    assert "of format 3 has no profile of its training records" in said(found, "x")


def test_without_a_change_there_is_nothing_to_do_and_the_same_log_is_the_same_result(world, predictor, empty, tmp_path):
    for weeks_ago in (0, 1):
        write(tmp_path / "log", predictor, many(world, 60, weeks_ago), weeks_ago=weeks_ago, name=f"w{weeks_ago}")
    asked = {"window": WEEK, "log": str(tmp_path / "log"), "now": NOW, "bundle": world.bundle}
    found = monitor(empty, **asked)
    assert found.act == "nothing"
    # The rules look back on three windows; of the third the log knows nothing.
    assert [one.records for one in found.windows] == [60, 60]
    assert not [one.sentence for window in found.windows for one in window.findings if one.alarm]
    assert {"schema", "feature_drift", "multivariate_drift", "missing", "unseen", "prediction_drift"} <= {
        one.kind for one in found.windows[-1].findings
    }
    assert monitor(empty, **asked) == found
    path = write_monitoring(empty, found)
    assert json.loads(path.read_text()) == found.model_dump(mode="json")
    assert "to be done: nothing" in said(found, "reports/monitoring.json")


def test_it_reads_the_log_where_the_environment_has_the_service_write_it(
    world, predictor, empty, tmp_path, monkeypatch
):
    write(tmp_path / "elsewhere", predictor, many(world, 60))
    asked = {"window": WEEK, "now": NOW, "bundle": world.bundle}
    assert monitor(empty, **asked).windows[-1].records == 0
    monkeypatch.setenv("LIGHTLOOP_SERVE_LOG_FOLDER", str(tmp_path / "elsewhere"))
    assert monitor(empty, **asked).windows[-1].records == 60
    monkeypatch.setenv("LIGHTLOOP_SERVE_LOG_REDACT", "age")
    looked = {one.name for one in monitor(empty, **asked).windows[-1].findings if one.kind == "feature_drift"}
    assert looked == {one.name for one in predictor.manifest.input.features} - {"age"}


def test_a_drift_that_stays_trains_anew(world, predictor, empty, tmp_path):
    for weeks_ago in (0, 1):
        records = many(world, 200, weeks_ago)
        older = pa.array(np.asarray(records.column("age").to_numpy(zero_copy_only=False), dtype=float) + 40.0)
        records = with_column(records, "age", older)
        write(tmp_path / "log", predictor, records, weeks_ago=weeks_ago, name=f"w{weeks_ago}")
    found = monitor(empty, window=WEEK, log=str(tmp_path / "log"), now=NOW, bundle=world.bundle)
    assert found.act == "retrain"
    assert any("Drift of features (age) in 2 of the last 2 windows" in reason for reason in found.reasons)
    assert {one.name for one in found.windows[-1].findings if one.kind == "feature_drift" and one.alarm} == {"age"}


def test_a_column_that_is_gone_is_an_alarm_and_the_others_are_still_looked_at(world, predictor, empty, tmp_path):
    records = many(world, 60)
    write(tmp_path / "log", predictor, records)
    window = read_window(str(tmp_path / "log"), None, NOW - WEEK, NOW)
    rows = [{**row, "input": {k: v for k, v in record.items() if k != "age"}} for row, record in zip(
        window.predictions.drop_columns(["truth", "truth_values"]).to_pylist(), window.records.to_pylist(), strict=True
    )]  # fmt: skip
    write_log(tmp_path / "cut", rows)
    found = monitor(empty, window=WEEK, log=str(tmp_path / "cut"), now=NOW, bundle=world.bundle)
    findings = found.windows[-1].findings
    assert [one.sentence for one in findings if one.kind == "schema"] == [
        "age is in none of the records: expected numbers."
    ]
    assert "town" in {one.name for one in findings if one.kind == "feature_drift"}
    assert found.act == "issue"


@pytest.mark.parametrize("count", [0, 1, 10])
def test_few_records_neither_crash_nor_alarm(world, predictor, empty, tmp_path, count):
    records = with_column(many(world, count), "age", pa.array([1e6] * count, pa.float64()))
    if count:
        write(tmp_path / "log", predictor, records)
    found = monitor(empty, window=WEEK, log=str(tmp_path / "log"), now=NOW, bundle=world.bundle)
    alarms = {one.kind for one in found.windows[-1].findings if one.alarm}
    assert alarms <= {"volume"}


def test_answers_of_another_release_and_of_the_page_are_not_held_against_this_one(world, predictor, tmp_path):
    write(tmp_path / "log", predictor, many(world, 20), name="own")
    write(tmp_path / "log", predictor, many(world, 30), name="other", digest="0" * 64)
    window = read_window(str(tmp_path / "log"), None, NOW - WEEK, NOW)
    kept = of_release(window, predictor.digest)
    assert (len(window.predictions), len(kept.predictions), len(kept.records)) == (50, 20, 20)


def test_the_suite_of_the_data_is_held_against_the_records(world, predictor):
    spec, train = world.model.config.data, world.splits["train"]
    names = [one.name for one in predictor.manifest.input.features]
    metadata = relate(describe_part(spec, "train", train))
    made = suite.Expected(spec, _suite(spec, metadata), len(train))
    good = many(world, 80).select(names)
    found = suite.look(made, good, MonitorConfig())
    assert {one.name for one in found} >= {"age", "town"}
    assert not [one.sentence for one in found if one.alarm and (one.p_value or 0) < 0.001]
    gone = with_column(good, "age", pa.array([None] * 60 + [30.0] * 20, pa.float64()))
    worse = [one for one in suite.look(made, gone, MonitorConfig()) if one.alarm and one.name == "age"]
    assert any("not be null" in one.sentence and one.p_value is not None and one.p_value < 1e-6 for one in worse)
    assert any("75.0% of 80 records miss" in one.sentence for one in worse)


def _suite(spec, metadata):
    from lightloop.quality.modality import suite_for

    return suite_for(spec, metadata)


def test_a_median_beyond_its_bounds_is_tested(world):
    spec, train = world.model.config.data, world.splits["train"]
    asked = expect("column_median_to_be_between", "moved", column="age", min_value=0, max_value=10)
    expected = suite.Expected(spec, {"name": "x", "expectations": [asked]}, len(train))
    names = [name for name in spec.features if name in train.column_names]
    (one,) = suite.look(expected, train.select(names), MonitorConfig())
    assert one.alarm
    assert one.p_value is not None
    assert one.p_value < 1e-6


def test_settings_are_those_of_the_project_and_of_the_command(repository, tmp_path):
    assert read_settings(repository).false_alarms == 0.05
    assert read_settings(repository, ["monitor.drift=0.2", "monitor.answers.drift=0.3"]).answers.drift == 0.3
    with pytest.raises(UsageError, match=r"monitor\.drft: .*did you mean drift\?"):
        read_settings(repository, ["monitor.drft=0.2"])
    with pytest.raises(UsageError, match=r"`serve\.port=1` is no setting of monitoring"):
        read_settings(repository, ["serve.port=1"])
    (tmp_path / "configs/monitor").mkdir(parents=True)
    (tmp_path / "configs/monitor/default.yaml").write_text("drift: [")
    with pytest.raises(UsageError, match="is not valid YAML"):
        read_settings(Project(tmp_path))


def test_the_committed_settings_are_the_defaults(repository):
    """The sentences of docs/monitoring.md are about both."""
    assert read_settings(repository) == MonitorConfig()
