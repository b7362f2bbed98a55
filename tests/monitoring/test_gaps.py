"""Missing values, unseen categories, and columns that are not as the model asks."""

import numpy as np
import pyarrow as pa
from scipy import stats

from lightloop.config.monitoring import MonitorConfig
from lightloop.data.image.input import ImageInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.monitoring import gaps, schema
from lightloop.release.profile import column_of
from lightloop.serving.profile import Profile

CONFIG = MonitorConfig()


def texts(values: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def found(now: dict[str, object], **then: object) -> dict[tuple[str, str], object]:
    profile = Profile(n=1, features=tuple(column_of(name, values) for name, values in then.items()))
    return {(one.kind, one.name): one for one in gaps.look(now, profile, CONFIG)}


def test_more_missing_values_are_found_by_fishers_test() -> None:
    then, now = np.r_[np.full(50, np.nan), np.zeros(950)], np.r_[np.full(30, np.nan), np.zeros(170)]
    one = found({"x": now}, x=then)["missing", "x"]
    assert one.p_value == stats.fisher_exact([[30, 170], [50, 950]], alternative="greater").pvalue
    assert one.alarm
    assert (one.figures["share"], one.figures["before"]) == (0.15, 0.05)


def test_fewer_missing_values_are_no_alarm() -> None:
    one = found({"x": texts(["a"] * 100)}, x=texts(["a"] * 50 + [None] * 50))["missing", "x"]
    assert not one.alarm
    assert one.p_value == 1.0


def test_unseen_categories_are_named() -> None:
    one = found({"x": texts(["a"] * 90 + ["ä", "new"] * 5)}, x=texts(["a", "b"] * 200))["unseen", "x"]
    assert one.alarm
    assert one.p_value < 1e-6
    assert "(new, ä)" in one.sentence


def test_no_unseen_category_is_said_of_numbers_and_of_columns_with_too_many_values() -> None:
    many = texts([str(value) for value in range(500)])
    assert found({"x": np.zeros(50), "y": many}, x=np.ones(50), y=many).keys() == {("missing", "x"), ("missing", "y")}


def test_few_records_say_nothing() -> None:
    assert not found({"x": texts(["new"] * 10)}, x=texts(["a"] * 100))


TABLE = TabularInput(features=(Feature(name="age", kind="number"), Feature(name="town", kind="category")))


def test_records_that_fit_are_one_quiet_finding() -> None:
    records = pa.table({"age": [1, 2], "town": [None, "Rome"], "more": [1.0, 2.0]})
    (one,) = schema.look(records, schema.wanted(TABLE))
    assert not one.alarm


def test_a_missing_column_and_one_of_another_type_are_named() -> None:
    first, second = schema.look(pa.table({"town": [[1], [2]]}), schema.wanted(TABLE))
    assert first.alarm
    assert first.sentence == "age is in none of the records: expected numbers."
    assert second.sentence == "town holds list<item: int64> where texts were expected."


def test_the_columns_of_every_kind_of_record() -> None:
    assert schema.wanted(ImageInput(channels=1, size=(2, 2))) == {"image": "bytes"}
    assert schema.wanted(TextInput(max_length=3)) == {"text": "texts"}
    assert schema.wanted(SeriesInput(column="co2", window=3, time="at")) == {"co2": "lists of numbers", "at": "times"}
    fits = {"co2": pa.array([[1.0]]), "at": pa.array([0], pa.timestamp("s"))}
    assert not schema.look(pa.table(fits), {"co2": "lists of numbers", "at": "times"})[0].alarm
