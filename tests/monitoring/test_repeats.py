"""Copies of records count once; what is alike by nature is no copy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from serving_world import World, table_world
from tiny_bundles import tiny_bundle

from lightloop.config.monitoring import MonitorConfig
from lightloop.data.image.input import ImageInput
from lightloop.monitoring import repeats
from lightloop.monitoring.monitor import Times, look
from lightloop.monitoring.repeats import near_copies, once
from lightloop.monitoring.staleness import Dates
from lightloop.monitoring.standing import Standing, read_standing
from lightloop.monitoring.window import Window
from lightloop.project import Project
from lightloop.serving.described import image_columns
from lightloop.serving.log import HEAD, REQUEST, TAIL
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import HeldOut

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CONFIG = MonitorConfig()


@pytest.fixture(scope="module")
def world(repository: Project, tmp_path_factory: pytest.TempPathFactory) -> World:
    return table_world(repository, tmp_path_factory.mktemp("repeats"))


@pytest.fixture(scope="module")
def standing(repository: Project, world: World) -> Standing:
    return read_standing(repository, world.bundle)


def different(world: World, count: int) -> pa.Table:
    """Records that the bundle was not trained on, with an age of their own each."""
    rest = pa.concat_tables([world.splits["validation"], world.splits["test"]]).slice(0, count)
    assert len(rest) == count
    return rest


def window_of(standing: Standing, records: pa.Table, truths: list[str | None] | None = None) -> Window:
    predictor, count = standing.predictor, len(records)
    features = records.select([one.name for one in predictor.manifest.input.features])  # type: ignore[union-attr]
    told = predictor.predict(features)
    columns = {field.name: pa.nulls(count, field.type) for field in (*HEAD, *TAIL)} | {
        "prediction_id": pa.array([f"{row:04d}" for row in range(count)]),
        "time": pa.array([NOW - timedelta(seconds=count - row) for row in range(count)], pa.timestamp("ms", "UTC")),
        "digest": pa.array([predictor.digest] * count),
        "label": pa.array([one.label for one in told]),
        "probability": pa.array([one.probability for one in told], pa.float32()),
        "probabilities": pa.array([list(one.probabilities) for one in told], pa.list_(pa.float32())),
        "abstains": pa.array([one.abstains for one in told]),
        "truth": pa.array(truths or [None] * count, pa.string()),
        "truth_values": pa.nulls(count, pa.list_(pa.float64())),
    }  # fmt: skip
    return Window(pa.table(columns), features, REQUEST.empty_table(), NOW - timedelta(days=1), NOW)


def shaken(records: pa.Table, by: float) -> pa.Table:
    values = records.column("size").to_numpy(zero_copy_only=False).astype(float)
    noisy = values * (1 + by * np.random.default_rng(0).standard_normal(len(values)))
    return records.set_column(records.column_names.index("size"), "size", pa.array(noisy, from_pandas=True))


def test_records_that_differ_are_all_kept(world: World, standing: Standing):
    window = window_of(standing, different(world, 60))
    found = once(window, standing)
    assert found.window is window
    assert found.finding(CONFIG.fewest) is None


@pytest.mark.parametrize("by", [0.0, 0.0005])
def test_of_copies_and_near_copies_one_is_kept_the_latest_that_is_labelled(world: World, standing: Standing, by: float):
    records = different(world, 40)
    copies = shaken(pa.concat_tables([records] * 5), by)
    truths: list[str | None] = [None] * 80 + ["x"] * 40 + [None] * 80
    found = once(window_of(standing, copies, truths), standing)
    assert found.window.predictions.column("prediction_id").to_pylist() == [f"{row:04d}" for row in range(80, 120)]
    assert found.window.records.equals(window_of(standing, copies).records.slice(80, 40))
    said = found.finding(CONFIG.fewest)
    assert said is not None
    assert not said.alarm
    assert said.sentence == "200 records are 40 different ones; each of them counts once."


def test_a_window_of_copies_finds_what_one_of_the_records_finds(world: World, standing: Standing):
    """Without that, forty records eight times each would be sure of what forty happen to be like."""
    records, times = different(world, 40), Times(Dates(), NOW)
    one = look(window_of(standing, records), [], standing, config=CONFIG, times=times)
    many = look(window_of(standing, pa.concat_tables([records] * 8)), [], standing, config=CONFIG, times=times)
    assert many.records == 8 * one.records
    left = [found for found in many.findings if found.kind != "volume"]
    assert [(a.kind, a.name, a.p_value) for a in left] == [
        (b.kind, b.name, b.p_value) for b in one.findings if b.kind != "volume"
    ]
    assert not [found for found in left if found.alarm]


def test_a_client_that_asks_the_same_again_and_again_is_told_of(world: World, standing: Standing):
    records = pa.concat_tables([different(world, 3)] * 30)
    found = look(window_of(standing, records), [], standing, config=CONFIG, times=Times(Dates(), NOW)).findings
    assert [one.sentence for one in found if one.alarm] == [
        "90 records are 3 different ones, too few to judge by (30 are needed): something asks the same again and again."
    ]


def test_what_is_alike_by_nature_is_no_copy(world: World, standing: Standing):
    """Of rows of two categories nearly all are alike, in the held-out records too."""
    alike = np.zeros((100, 3), np.float32)
    alike[:50] = 1
    coarse = replace(standing, held=HeldOut(described=alike))
    window = window_of(standing, pa.concat_tables([different(world, 40)] * 5))
    assert once(window, coarse).window is window


def test_where_the_log_keeps_less_than_the_model_is_asked_with_nobody_can_tell(world: World, standing: Standing):
    window = window_of(standing, pa.concat_tables([different(world, 40)] * 5))
    assert once(window, standing, withheld=["size"]).window is window
    cut = replace(window, records=window.records.drop_columns(["size"]))
    assert once(cut, standing).window is cut
    assert once(window, replace(standing, held=HeldOut())).window is window


def test_of_many_records_some_are_looked_at_for_near_copies(
    world: World, standing: Standing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(repeats, "MOST", 100)
    window = window_of(standing, shaken(pa.concat_tables([different(world, 40)] * 5), 0.0005))
    assert 30 < len(once(window, standing).window.predictions) <= 40
    window = window_of(standing, different(world, 110))
    assert once(window, standing).window is window


def test_of_images_the_numbers_that_the_log_keeps_tell_copies(world: World, standing: Standing, tmp_path: Path):
    predictor, generator = Predictor.load(tiny_bundle("image", tmp_path / "image")), np.random.default_rng(0)
    schema = predictor.manifest.input
    assert isinstance(schema, ImageInput)
    numbers = pa.table({name: pa.array(generator.random(40)) for name in image_columns(schema)})
    window = replace(window_of(standing, different(world, 120)), records=pa.concat_tables([numbers] * 3))
    held = HeldOut(described=generator.standard_normal((100, 4)).astype(np.float32))
    images = replace(standing, predictor=predictor, held=held)
    assert len(once(window, images).window.predictions) == 40


def test_groups_of_near_copies_are_found_whole_however_large():
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((20, 6))
    rows = centres[np.repeat(np.arange(20), 60)] + 1e-3 * generator.standard_normal((1200, 6))
    groups = near_copies(rows.astype(np.float32), 0.02)
    assert len(np.unique(groups)) == 20
    assert all(len(np.unique(part)) == 1 for part in groups.reshape(20, 60))
    assert near_copies(np.zeros((1, 2), np.float32), 1.0).tolist() == [0]
