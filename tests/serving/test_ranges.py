"""Each warning is given where it should be, and nowhere else."""

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
from lightloop.errors import RefusedError
from lightloop.serving.manifest import Manifest, Ranges
from lightloop.serving.ranges import learn_ranges, sizes_of, warnings_of


def manifest(schema, ranges=None):
    return Manifest.model_construct(input=schema, ranges=ranges)


def warned(schema, ranges, table, files=None):
    files = files or {}
    feeds, longer_N = schema.encode(table, files), None
    if isinstance(schema, TextInput):
        _, longer_N = schema.encode_told(table, files)
    return warnings_of(manifest(schema, ranges), table, feeds, sizes=sizes_of(schema, table), longer_N=longer_N)


def png(width, height):
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, "PNG")
    return stream.getvalue()


def images(*sizes):
    return pa.table({"image": pa.array([png(*size) for size in sizes], pa.large_binary())})


def test_images_of_very_different_sizes():
    schema = ImageInput(channels=1, size=(8, 8))
    ranges = learn_ranges(manifest(schema), images((20, 10), (30, 10)), {}, 0)
    assert ranges == Ranges(widths=(20, 30), heights=(10, 10))
    found = warned(schema, ranges, images((25, 12), (60, 20), (10, 5), (61, 10), (20, 4)))
    assert [len(one) for one in found] == [0, 0, 0, 1, 1]
    assert found[3] == ("The image has 61 x 10 pixels and was scaled; training images have 20 to 30 x 10.",)
    assert warned(schema, None, images((900, 900))) == [()]
    with pytest.raises(RefusedError, match="record number 2 has no image"):
        sizes_of(schema, pa.table({"image": pa.array([png(1, 1), None], pa.large_binary())}))


def test_columns_of_a_table():
    features = (
        Feature(name="age", kind="number", low=0.1, high=90),
        Feature(name="town", kind="category", values=("Rome", "Oslo"), missing=True),
        Feature(name="rank", kind="number"),
    )
    table = pa.table(
        {
            # The ends as the model sees them, in float32.
            "age": [0.1, 90.0, 90.1, None, -5.0],
            "town": ["Rome", None, "Paris", "Oslo", ""],
            "rank": [1.0, 1e30, 0.0, 0.0, 0.0],
        }
    )
    found = warned(TabularInput(features=features), None, table)
    assert found == [
        (),
        (),
        (
            "age is 90.1, outside of the training records' 0.1 to 90.",
            "town is 'Paris', which no training record has.",
        ),
        ("age is missing, which it is in no training record.",),
        ("age is -5, outside of the training records' 0.1 to 90.",),
    ]


@pytest.mark.parametrize(("end", "words"), [("head", "first"), ("tail", "last"), ("both", "first and last")])
def test_texts_that_are_cut_unknown_or_empty(end, words):
    known = ["one two three four five six"] * 3
    files = {FILE: train_tokenizer(TextPreprocess(name="text", min_count=1), known)}
    schema = TextInput(max_length=4, truncation=end)
    ranges = learn_ranges(manifest(schema), pa.table({"text": known}), files, 0)
    assert ranges == Ranges(unknown=0.0)
    table = pa.table({"text": ["one two three four", "one two three four five", "one zwei", " ", "one " + "." * 900]})
    found = warned(schema, ranges, table, files)
    cut = f"The text is longer than 4 tokens: only the {words} ones are read."
    assert found[0] == ()
    assert found[1] == (cut,)
    assert found[2] == ("50 % of the text's tokens are unknown to the model.",)
    assert found[3] == ("The text is empty.",)
    assert cut in found[4]


def test_series_that_are_short_gappy_or_elsewhere():
    schema = SeriesInput(column="values", window=4)
    train = pa.table({"values": pa.array([[1.0, 2, 3, 4], [2.0, np.nan, 4, 5]], pa.list_(pa.float32()))})
    ranges = learn_ranges(manifest(schema), train, {}, 0)
    assert ranges == Ranges(gaps=0.25, values=(1.0, 5.0))
    rows = [[1, 2, 3, 5], [9, 1, 2, 3, 4], [2, 3], [1, None, None, 2], [None] * 4, [1, 2, 3, 6], []]
    table = pa.table({"values": pa.array(rows, pa.list_(pa.float32()))})
    found = warned(schema, ranges, table)
    nothing = ("The series has no known value, so that the answer rests on none.",)
    assert found == [
        (),
        (),
        ("The series has 2 of 4 steps: the others count as missing.",),
        ("50 % of the steps are missing, more than in any training record.",),
        nothing,
        ("Values from 1 to 6 leave the training records' range 1 to 5.",),
        nothing,
    ]


def test_noise_is_never_unusual():
    schema = NoiseInput(size=1)
    assert learn_ranges(manifest(schema), pa.table({"noise": [[1.0]]}), {}, 0) is None
    assert warned(schema, None, pa.table({"noise": [[1e9]]})) == [()]
