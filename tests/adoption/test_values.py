"""Numbers, dates and missing values in texts: whatever is written in a way that people write comes back the same."""

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lightloop.adoption.model import Reading
from lightloop.adoption.values import convert, look, sentinels_of
from lightloop.errors import RefusedError


def column(values: list[object]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


WRITTEN = {
    "plain": "{:.2f}",
    "thousands": "{:,.2f}",
    "exponent": "{:.6e}",
    "dollar": "${:,.2f}",
    "percent": "{:.2f}%",
    "unit": "{:.2f} kg",
    "padded": "  {:.2f} ",
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", [*WRITTEN, "comma", "german"])
def test_numbers_come_back_however_they_are_written(form: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = (rng.lognormal(6, 3, 80) * rng.choice([1, -1] if form not in ("dollar",) else [1], 80)).round(2)
    if form == "comma":
        texts = [f"{number:.2f}".replace(".", ",") for number in numbers]
    elif form == "german":
        texts = [f"{number:,.2f}".translate(str.maketrans(".,", ",.")) for number in numbers]
    else:
        texts = [WRITTEN[form].format(number) for number in numbers]
    gaps = rng.random(80) < 0.1
    texts = ["NA" if gap else text for text, gap in zip(texts, gaps, strict=True)]
    found = look(column(texts), "x")
    assert found.holds == "number"
    wanted = np.where(gaps, np.nan, numbers)
    assert found.numbers() == pytest.approx(wanted, nan_ok=True)
    again = convert(column(texts), found.reading)
    assert again.cast(pa.float64()).to_numpy(zero_copy_only=False) == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1,234", "5,678", "12"], [1234, 5678, 12]),
        (["1,5", "2,25", "3"], [1.5, 2.25, 3]),
        (["1.234,5", "2.000,25"], [1234.5, 2000.25]),
        (["1 234", "5 678 901"], [1234, 5678901]),
        (["1'234.5", "7"], [1234.5, 7]),
    ],
)
def test_marks_between_digits(texts: list[str], numbers: list[float]) -> None:
    assert look(column(list(texts)), "x").numbers().tolist() == numbers


def test_a_comma_before_three_digits_is_a_decimal_mark_in_a_file_of_semicolons() -> None:
    assert look(column(["1,234", "5,678"]), "x", decimal_comma=True).numbers().tolist() == [1.234, 5.678]


@pytest.mark.parametrize(
    "texts", [["01067", "80331"], ["A12", "A13"], ["10-20", "20-30"], ["1.2.3", "1.2.4"], ["x", "1"]]
)
def test_codes_and_ranges_stay_texts(texts: list[str]) -> None:
    assert look(column(list(texts)), "x").holds == "text"


FORMATS = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y/%m/%d",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%Y-%m-%dT%H:%M:%S",
    "%d.%m.%Y %H:%M",
]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_dates_come_back_however_they_are_written(form: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3_000, 60), unit="D")
    found = look(column(days.strftime(form).tolist()), "when")
    assert found.holds == "date"
    assert found.array.to_pylist() == [day.to_pydatetime() for day in days]


def test_quarters_months_and_the_order_of_rows_decide_what_the_digits_cannot() -> None:
    assert look(column(["2020Q1", "2020Q4"]), "x").array.to_pylist() == [datetime(2020, 1, 1), datetime(2020, 10, 1)]
    assert look(column(["2020-01", "2020-02"]), "x").array.to_pylist() == [datetime(2020, 1, 1), datetime(2020, 2, 1)]
    days_first = [f"{day:02}/{month:02}/2020" for month in (1, 2, 3) for day in (1, 5, 9)]
    assert look(column(list(days_first)), "x").reading.format == "%d/%m/%Y"
    months_first = [f"{month:02}/{day:02}/2020" for month in (1, 2, 3) for day in (1, 5, 9)]
    assert look(column(list(months_first)), "x").reading.format == "%m/%d/%Y"


def test_markers_of_missing_values() -> None:
    assert look(column(["1", "?", "2", "-", ""]), "x").array.to_pylist() == [1, None, 2, None, None]
    assert look(column(["red", "?", "blue", "NA"]), "x").array.to_pylist() == ["red", None, "blue", None]
    # "unknown" among texts is a value.
    assert look(column(["red", "unknown"]), "x").missing == 0


def test_numbers_that_stand_for_missing_ones() -> None:
    found = look(column([3, 4, -999, 5, -999]), "x")
    assert found.array.to_pylist() == [3, 4, None, 5, None]
    assert convert(column([3, -999]), found.reading).to_pylist() == [3, None]
    assert sentinels_of(np.array([1.0, 2, 3, 4, -9, -9, 5])) == (-9.0,)
    # An age of 99, and a value that stands there once.
    assert sentinels_of(np.array([88.0, 95, 12, 99, 99, 40])) == ()
    assert sentinels_of(np.array([1.0, 2, 3, 999])) == ()
    assert sentinels_of(np.array([-9.0, -9, -8, -7, -3])) == ()


def test_a_few_faults_in_a_column_of_numbers_are_named() -> None:
    found = look(column([*map(str, range(100)), "oops"]), "x")
    assert (found.holds, found.odd, found.missing) == ("number", ("oops",), pytest.approx(1 / 101))
    many = look(column([*map(str, range(50)), *(f"t{row}" for row in range(50))]), "x")
    assert many.holds == "text"


def test_infinities_are_missing() -> None:
    found = look(column([1.0, float("inf"), float("nan")]), "x")
    assert found.array.to_pylist() == [1.0, None, None]
    assert convert(column([1.0, float("inf")]), found.reading).to_pylist() == [1.0, None]


def test_a_value_of_another_kind_in_another_part_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"'many' is no number"):
        convert(column(["1", "many"]), Reading("number"))
    with pytest.raises(RefusedError, match=r"'soon' is no date"):
        convert(column(["2020-01-01", "soon"]), Reading("date"))


@pytest.mark.parametrize("seed", range(5))
def test_looking_and_converting_agree_on_any_texts(seed: int) -> None:
    """What `look` saw of a column is what `convert` makes of it, whatever stands there."""
    rng = np.random.default_rng(seed)
    pool = ["1", "2.5", "-3", "", "NA", "?", "x", "Größe", "2020-01-01", "1,5", "007", " 4 ", None]
    values = rng.choice(np.array(pool, dtype=object), 50).tolist()
    found = look(pa.chunked_array([pa.array(values, pa.string())]), "x")
    again = convert(pa.chunked_array([pa.array(values, pa.string())]), found.reading)
    assert again.to_pylist() == found.array.to_pylist()


@pytest.mark.parametrize(
    ("texts", "reading"),
    [
        (["1,5", "?", "2,25", None, "1,5", "7", " 3"], Reading("number", ",")),
        (["2020-01-31", "", "2021-02-01", None, "2020-01-31", "n/a", "2022-05-05T10:00:00"], Reading("date")),
        (
            ["31.12.2020", "01.02.2021", "31.12.2020", None, "?", "01.01.1999", "05.06.2007"],
            Reading("date", format="%d.%m.%Y"),
        ),
    ],
    ids=["numbers", "dates", "points"],
)
@pytest.mark.parametrize("piece", [1, 3, 7])
def test_what_is_read_by_pieces_is_what_is_read_at_once(
    texts: list[object], reading: Reading, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = convert(column(texts), reading)
    assert whole.null_count == 2 + (reading.type == "date" and texts[1] == "")
    monkeypatch.setattr("lightloop.adoption.values.PIECE", piece)
    monkeypatch.setattr("lightloop.adoption.dates.PIECE", 2)
    assert convert(column(texts), reading).equals(whole)
    with pytest.raises(RefusedError, match="'later' is no"):
        convert(column([*texts, "later"]), reading)
