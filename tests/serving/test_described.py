"""Records as columns that drift is looked for in."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from lightloop.config.text import TextPreprocess
from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.data.text.tokenizer import FILE, train_tokenizer
from lightloop.serving.described import described, image_columns, of_pixels


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_a_table_is_its_own_columns_and_gaps_are_missing() -> None:
    kinds = {"age": "number", "town": "category", "x": "number"}
    features = tuple(Feature(name=name, kind=kind) for name, kind in kinds.items())
    table = pa.table({"age": [3, None], "town": ["", "Rome"], "more": [1, 2]})
    found = described(TabularInput(features=features), table, {})
    assert found.keys() == {"age", "town"}
    np.testing.assert_array_equal(found["age"], [3.0, np.nan])
    assert found["town"].to_pylist() == [None, "Rome"]


def test_images_are_levels_edges_and_sizes() -> None:
    flat, striped = np.full((4, 6), 51), np.tile([0, 255], (4, 3))
    table = pa.table({"image": pa.array([png(flat), png(striped)], pa.large_binary())})
    found = described(ImageInput(channels=1, size=(4, 6)), table, {})
    np.testing.assert_allclose(found["brightness"], [0.2, 0.5], atol=1e-6)
    np.testing.assert_allclose(found["contrast"], [0.0, 0.5], atol=1e-6)
    # Of 38 steps between neighbours the 20 across are from black to white.
    np.testing.assert_allclose(found["edges"], [0.0, 20 / 38], atol=1e-6)
    assert (found["width"].tolist(), found["height"].tolist()) == ([6, 6], [4, 4])


def test_many_images_are_each_as_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    schema, random = ImageInput(channels=3, size=(4, 6)), np.random.default_rng(0)
    pixels = random.integers(0, 256, (7, 3, 4, 6), dtype=np.uint8)
    sizes = random.integers(1, 99, (7, 2)).astype(np.float64)
    whole = of_pixels(pixels, sizes)
    monkeypatch.setattr("lightloop.serving.described.SOME", 2 * pixels[0].size)
    in_pieces = of_pixels(pixels, sizes)
    assert tuple(whole) == tuple(in_pieces) == image_columns(schema)
    for name, column in whole.items():
        np.testing.assert_array_equal(in_pieces[name], column)
    assert {name: len(column) for name, column in of_pixels(pixels[:0], sizes[:0]).items()} == dict.fromkeys(whole, 0)


def test_colours_are_told_apart() -> None:
    red = np.zeros((2, 2, 3))
    red[..., 0] = 255
    table = pa.table({"image": pa.array([png(red)], pa.large_binary())})
    found = described(ImageInput(channels=3, size=(2, 2)), table, {})
    assert [found[name].tolist() for name in ("red", "green", "blue")] == [[1.0], [0.0], [0.0]]


def test_texts_are_lengths_and_shares() -> None:
    content = train_tokenizer(TextPreprocess(name="text", min_count=1), ["buy now", "call me"])
    found = described(TextInput(max_length=8), pa.table({"text": ["buy buy NOW 7", ""]}), {FILE: content})
    assert found["characters"].tolist() == [13, 0]
    assert found["tokens"].tolist() == [4, 1]
    np.testing.assert_allclose(found["different"], [0.75, 1.0])
    np.testing.assert_allclose(found["unknown"], [0.25, 1.0])
    np.testing.assert_allclose(found["capitals"], [3 / 13, 0])
    np.testing.assert_allclose(found["digits"], [1 / 13, 0])


def test_series_are_level_spread_trend_and_gaps() -> None:
    rows = [[1.0, 2, 3, 4], [5.0, 5, 5, 5], [1.0, None, 3, 4], [None] * 4]
    table = pa.table({"x": pa.array(rows, pa.list_(pa.float32()))})
    found = described(SeriesInput(column="x", window=4), table, {})
    np.testing.assert_allclose(found["level"], [2.5, 5, 2.5, np.nan])
    np.testing.assert_allclose(found["trend"], [3, 0, 3, np.nan])
    np.testing.assert_allclose(found["roughness"], [0, 0, 0, np.nan], atol=1e-12)
    np.testing.assert_allclose(found["gaps"], [0, 0, 0.25, 1])


def test_noise_has_nothing_to_tell() -> None:
    assert described(NoiseInput(size=3), pa.table({"noise": [[0.0, 1, 2]]}), {}) == {}
