"""Records in every form are the same table, and what is no record is told in one sentence with its number."""

import base64
import io
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.errors import RefusedError, UsageError
from lightloop.serving import records as module
from lightloop.serving.cells import same_category
from lightloop.serving.manifest import Manifest
from lightloop.serving.records import image_size, to_json, to_table

FEATURES = (
    Feature(name="age", kind="number", low=18, high=90),
    Feature(name="town", kind="category", values=("1", "2", "Rome")),
    Feature(name="grade", kind="ordered", values=("low", "high"), missing=True),
)
SERIES = SeriesInput(column="values", window=3, time="day")


def manifest(schema, **config):
    return Manifest.model_construct(input=schema, config=config, modality=schema.kind)


TABLE = manifest(TabularInput(features=FEATURES))
TEXT = manifest(TextInput(max_length=8), data={"columns": {"sms": {"role": "feature"}, "kind": {"role": "target"}}})
IMAGE = manifest(ImageInput(channels=1, size=(4, 6)))
NOISE = manifest(NoiseInput(size=2))


def png(mode="L", size=(6, 4), color=77):
    stream = io.BytesIO()
    Image.new(mode, size, color).save(stream, "PNG")
    return stream.getvalue()


def test_rows_of_a_table_in_every_form_are_the_same():
    rows = [{"age": 30, "town": "Rome", "grade": "low", "id": "x"}, {"town": 1.0, "age": None}]
    expected = {"age": [30.0, None], "town": ["Rome", "1"], "grade": ["low", None]}
    assert to_table(TABLE, rows).to_pydict() == expected
    frame = pd.DataFrame({"age": [30.0, np.nan], "town": ["Rome", "1"], "grade": ["low", None], "more": [1, 2]})
    arrow = pa.table(expected)
    feeds = TABLE.input.encode(to_table(TABLE, rows), {})
    for other in (frame, arrow, arrow.to_batches()[0], [dict(rows[0]), {"age": float("nan"), "town": np.int64(1)}]):
        again = TABLE.input.encode(to_table(TABLE, other), {})
        for name, values in feeds.items():
            np.testing.assert_array_equal(values, again[name])


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), ("1.0", "1"), ("01", "1"), ("Rome", "Rome"), (True, "true"), (2.5, "2.5")]
)
def test_a_category_is_written_as_the_training_records_have_it(value, text):
    assert to_table(TABLE, [{"town": value}])["town"].to_pylist() == [text]


def test_numbers_may_be_text_and_truth():
    rows = [{"age": " 12.5 "}, {"age": True}, {"age": ""}, {"age": np.float32(3)}]
    assert to_table(TABLE, rows)["age"].to_pylist() == [12.5, 1.0, None, 3.0]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"age": 1}, {"age": "many"}], r"^record number 2 has \"many\" in 'age': expected a number, or null"),
        ([{"age": [1]}], r"record number 1 has \[1\] in 'age'"),
        ([{"age": float("inf")}], "record number 1 has inf in 'age': expected a finite number"),
        ([{"age": 1e39}], "record number 1 has 1e\\+39 in 'age': expected a finite number"),
        ([{"age": 1, "town": {}}], r"record number 1 has \{\} in 'town': expected a text"),
        ([{"age": 1, "town": float("inf")}], "record number 1 has inf in 'town': expected a category"),
        ([{"age": 1}, {"Age": 1}], r"record number 2 has none of the columns age, town, grade \(it has Age\)"),
        ([{}], r"record number 1 has none of the columns age, town, grade \(it is empty\)"),
        ([{"age": 1}, 5], "record number 2 is a int: expected an object of columns"),
        (pa.table({"age": [1], "twon": ["x"], "grade": ["x"]}), "no column 'town': did you mean that by 'twon'"),
    ],
)
def test_wrong_rows_are_one_sentence(records, message):
    with pytest.raises(RefusedError, match=message) as error:
        to_table(TABLE, records)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("records", [{"age": 1}, "text", b"bytes", 5, None, iter([])])
def test_what_is_no_list_of_records_is_wrong_use(records):
    with pytest.raises(UsageError, match="expected a list of records, also of a single one"):
        to_table(TABLE, records)


def test_images_in_every_form_are_the_same():
    encoded = png()
    coded = base64.b64encode(encoded).decode()
    forms = [encoded, bytearray(encoded), {"image": encoded}, coded, {"image": coded}, f"data:image/png;base64,{coded}"]
    assert to_table(IMAGE, forms)["image"].to_pylist() == [encoded] * 6
    struct = pa.table({"image": pa.array([{"bytes": encoded, "path": "x"}])})
    assert to_table(IMAGE, struct)["image"].to_pylist() == [encoded]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([b"x", "%%"], "record number 2 has an image that is not Base64 text"),
        ([{"image": 5}], "record number 1 has a int as its image: expected the bytes"),
        ([{"image": None}], "record number 1 has a NoneType as its image"),
        ([""], "record number 1 has an empty image"),
        ([{"imgae": "x"}], "record number 1 has no 'image': did you mean that by 'imgae'"),
        ([None], "record number 1 is a NoneType: expected an object with 'image'"),
        ([{}], r"record number 1 has no 'image' \(it is empty\)"),
    ],
)
def test_wrong_images_are_one_sentence(records, message):
    with pytest.raises(RefusedError, match=message):
        to_table(IMAGE, records)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    with pytest.raises(RefusedError, match=r"does not decode \(no known form of image\)"):
        image_size(b"hello")
    bombs, small = [empty_png(size) for size in ((8000, 8000), (40_000, 40_000))], png(size=(31, 7))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    for bomb in bombs:
        with pytest.raises(RefusedError, match="more than 50,000,000"):
            image_size(bomb)
    assert image_size(small) == (31, 7)


def test_a_form_that_runs_a_program_is_no_image():
    """Pillow hands PostScript to Ghostscript where that is installed."""
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "EPS")
    with pytest.raises(RefusedError, match="no known form of image"):
        image_size(stream.getvalue())
    with pytest.raises(RefusedError, match="no known form of image"):
        IMAGE.input.encode(pa.table({"image": pa.array([stream.getvalue()], pa.large_binary())}), {})


def empty_png(size):
    """A PNG of that size by its header, without its pixels."""
    stream = bytearray(png(size=(1, 1)))
    stream[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    import zlib

    stream[29:33] = zlib.crc32(stream[12:29]).to_bytes(4, "big")
    return bytes(stream)


def test_texts_in_every_form_are_the_same():
    expected = ["hello", ""]
    forms = (
        expected,
        [{"text": one} for one in expected],
        pa.table({"sms": expected}),
        pd.DataFrame({"sms": expected}),
    )
    for form in forms:
        assert to_table(TEXT, form)["text"].to_pylist() == expected
    with pytest.raises(RefusedError, match="record number 1 has half a surrogate pair"):
        to_table(TEXT, ["\ud800"])
    with pytest.raises(RefusedError, match="record number 2 has a int as its text"):
        to_table(TEXT, ["a", {"text": 5}])
    with pytest.raises(RefusedError, match=r"the records have no column 'text' \(they have kind\)"):
        to_table(TEXT, pa.table({"kind": ["a"]}))


def test_series_take_gaps_and_time_stamps_in_every_form():
    zone = timezone(timedelta(hours=2))
    stamps = ["2026-01-05", date(2026, 1, 5), datetime(2026, 1, 5), np.datetime64("2026-01-05")]
    stamps += ["2026-01-05T02:00+02:00", datetime(2026, 1, 5, 2, tzinfo=zone), datetime(2026, 1, 5, tzinfo=UTC)]
    table = to_table(manifest(SERIES), [{"values": [1, None, 2.5], "day": stamp} for stamp in stamps])
    assert table["day"].to_pylist() == [datetime(2026, 1, 5)] * len(stamps)
    values = SERIES._values(table)
    np.testing.assert_array_equal(values, np.array([[1, np.nan, 2.5]] * len(stamps), dtype=np.float32))
    alone = manifest(SeriesInput(column="values", window=3))
    assert to_table(alone, [[1, 2], np.array([3.0, 4.0])])["values"].to_pylist() == [[1, 2], [3, 4]]
    text = pa.table({"values": [[1.0, 2.0]], "day": ["2026-01-05"]})
    assert to_table(manifest(SERIES), text)["day"].to_pylist() == [datetime(2026, 1, 5)]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"values": "x", "day": "2026-01-05"}, "record number 1 has a str as its 'values': expected a list of numbers"),
        ({"values": [1, "x"], "day": "2026-01-05"}, "has \"x\" in 'values': expected numbers"),
        ({"values": [True], "day": "2026-01-05"}, "has True in 'values': expected numbers"),
        ({"values": [1, float("-inf")], "day": "2026-01-05"}, "has -inf in 'values', place 2: expected finite"),
        ({"values": [1], "day": "soon"}, "has \"soon\" as 'day': expected a date or time such as 2026-01-05"),
        ({"values": [1], "day": 5}, "has 5 as 'day': expected a date"),
        ({"values": [1], "day": "0001-01-01T00:00+14:00"}, "as 'day': expected a date"),
        ({"values": [1]}, "record number 1 has no 'day'"),
        ([1, 2], "record number 1 is a list: expected an object with 'values' and 'day'"),
    ],
)
def test_wrong_series_are_one_sentence(record, message):
    with pytest.raises(RefusedError, match=message):
        to_table(manifest(SERIES), [record])


def test_noise():
    assert to_table(NOISE, [[1, 2], {"noise": [3.0, 4.0]}])["noise"].to_pylist() == [[1, 2], [3, 4]]
    with pytest.raises(RefusedError, match="record number 1 has None in 'noise'"):
        to_table(NOISE, [[None, 1]])


def test_json_holds_what_enters_the_model_and_no_more():
    rows = pa.table({"age": [30.1, None], "town": ["1", None], "grade": ["low", "high"], "race": ["a", "b"]})
    found = to_json(TABLE, rows)
    assert found == [{"age": 30.1, "town": "1", "grade": "low"}, {"age": None, "town": None, "grade": "high"}]
    first, again = (TABLE.input.encode(one, {}) for one in (rows, to_table(TABLE, found)))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])


def test_json_of_an_image_holds_it_at_the_size_that_the_model_takes():
    (image,) = to_json(IMAGE, pa.table({"image": pa.array([png("RGB", (60, 41), "red")], pa.large_binary())}))
    assert image_size(base64.b64decode(image["image"])) == (6, 4)


def test_json_of_a_series_holds_the_last_window():
    series = pa.table({"values": [[9.0, 1.1, np.nan, 2.0]], "day": pa.array([datetime(2026, 1, 5)], pa.timestamp("s"))})
    assert to_json(manifest(SERIES), series) == [{"values": [1.1, None, 2.0], "day": "2026-01-05T00:00:00"}]


def test_json_of_a_text_holds_what_is_read_of_it():
    assert to_json(TEXT, pa.table({"text": ["x" * 1000]}))[0]["text"] == "x" * 512


def test_json_of_noise_holds_what_the_generator_takes():
    assert to_json(NOISE, pa.table({"noise": [[1.0, 2.0, 3.0]]})) == [{"noise": [1.0, 2.0]}]


def test_a_frame_is_told_without_loading_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert not module._is_frame([1])
    assert same_category("1e400", frozenset({"1"})) == "1e400"
