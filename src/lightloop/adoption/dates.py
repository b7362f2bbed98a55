"""Dates in texts and numbers: how they are written, decided on all of them. No torch."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.adoption.model import Reading

Stamps = NDArray[np.datetime64]
# Day before month and month before day are told apart by values that are only one of them; else by the order of the
# rows; else the month comes first, as most files with slashes have it, and the day with points.
FORMATS: Final = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%b %d, %Y"),
    *("%B %d, %Y", "%B %d %Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%Y-%b", "%m/%Y", "%YM%m", "%Ym%m", "%Y %b"),
)
TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
# Dates that are written as numbers are.
NUMBERS: Final = ("epoch_s", "epoch_ms", "decimal_year", "year_month_day")
# Texts that are parsed at once: pandas takes many times their room.
PIECE: Final = 200_000
_ISO = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}(:\d{2}){0,2}([.,]\d+)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?)?")
_QUARTER = re.compile(r"(\d{4})[-: ]?[qQ]([1-4])")
_SHAPE = re.compile(r"(?=.*\d{2})[\dA-Za-z\u00e4\u00e9\u00fb\u00fc.,:/+\- ]{6,40}")


def date_format(texts: Sequence[str]) -> Reading | None:
    """How dates are written, where all the texts are some; None else.

    Examples:
        >>> date_format(["31.12.2020", "01.02.2021"]).format
        '%d.%m.%Y'
        >>> date_format(["2020-01-31", "2020-02-01"]).format is None, date_format(["a1", "b2"]) is None
        (True, True)
    """
    some = list(texts[:: max(1, len(texts) // 2_000)])
    if not some or any(not _SHAPE.fullmatch(text) for text in some[:50]):
        return None
    if all(_ISO.fullmatch(text) for text in some):
        return Reading("date") if not np.isnat(parse_dates(texts, Reading("date"))).any() else None
    if all(_QUARTER.fullmatch(text) for text in some):
        return Reading("date", format="quarter")
    fitting = []
    for written in FORMATS:
        for clock in TIMES:
            reading = Reading("date", format=written + clock)
            if not np.isnat(parse_dates(some[:30], reading)).any() and not np.isnat(parse_dates(texts, reading)).any():
                fitting.append(reading)
    if not fitting:
        return None
    return next((reading for reading in fitting if _rising(texts, reading)), fitting[0])


def parse_dates(texts: Sequence[str], reading: Reading) -> Stamps:
    """Texts as time stamps (D,) in seconds, NaT where one is none; those with a zone in UTC."""
    pieces = [texts[start : start + PIECE] for start in range(0, max(1, len(texts)), PIECE)]
    return np.concatenate([_parsed(piece, reading) for piece in pieces])


def _parsed(texts: Sequence[str], reading: Reading) -> Stamps:
    series = pd.Series(list(texts), dtype="object").astype("str")
    if reading.type == "year" or reading.format in NUMBERS:
        series = plainly(series, reading)
    if reading.type == "year":
        numbers = pd.to_numeric(series, errors="coerce")
        series = numbers.map("{:04.0f}-01-01".format)
        return _seconds(pd.to_datetime(series, errors="coerce", format="ISO8601", utc=True))
    if reading.format == "quarter":
        parts = series.str.extract(_QUARTER.pattern)
        month = (pd.to_numeric(parts[1], errors="coerce") * 3 - 2).map("{:02.0f}".format)
        return _seconds(pd.to_datetime(parts[0] + "-" + month + "-01", errors="coerce", format="ISO8601", utc=True))
    if reading.format in ("epoch_s", "epoch_ms"):
        since = pd.to_numeric(series, errors="coerce") * (1_000 if reading.format == "epoch_s" else 1)
        return _seconds(pd.to_datetime(since, unit="ms", errors="coerce", utc=True))
    if reading.format == "decimal_year":
        years_D = pd.to_numeric(series, errors="coerce").to_numpy(np.float64)
        months = np.round(12 * np.nan_to_num(years_D)).astype(np.int64) - 12 * 1970
        stamps = months.astype("datetime64[M]").astype("datetime64[s]")
        return np.where(np.isnan(years_D), np.datetime64("NaT"), stamps).astype("datetime64[s]")
    if reading.format == "year_month_day":
        return _seconds(pd.to_datetime(series.str.replace(".0", ""), format="%Y%m%d", errors="coerce", utc=True))
    return _seconds(pd.to_datetime(series, errors="coerce", format=reading.format or "ISO8601", utc=True))


def number_dates(  # noqa: PLR0911 - a kind of date each
    values_D: NDArray[np.float64], *, called_so: bool, strictly_called: bool
) -> Reading | None:
    """How numbers are dates: years, years and months such as 1949.083, days such as 20201231, seconds or milliseconds
    since 1970; None where they are none.

    Args:
        values_D: the different values.
        called_so: whether the column's name speaks of time.
        strictly_called: whether it can hardly be anything else.
    """
    if not len(values_D):
        return None
    low, high = float(values_D.min()), float(values_D.max())
    if (values_D != np.round(values_D)).any():
        steps = np.diff(np.sort(values_D))
        monthly = called_so and low >= 1500 and high <= 2150 and len(steps) and np.allclose(steps, 1 / 12, atol=0.006)
        quarterly = called_so and low >= 1500 and high <= 2150 and len(steps) and np.allclose(steps, 0.25, atol=1e-6)
        return Reading("date", format="decimal_year") if monthly or quarterly else None
    if low >= 1500 and high <= 2150 and called_so:
        return Reading("year")
    if low >= 18000101 and high <= 21501231 and strictly_called | called_so:
        texts = [str(int(value)) for value in values_D]
        reading = Reading("date", format="year_month_day")
        return reading if not np.isnat(parse_dates(texts, reading)).any() else None
    if strictly_called and low >= 1e8 and high <= 4e9:
        return Reading("date", format="epoch_s")
    if strictly_called and low >= 1e11 and high <= 4e12:
        return Reading("date", format="epoch_ms")
    return None


def plainly(texts: "pd.Series[str]", reading: Reading) -> "pd.Series[str]":
    """Numbers as Python writes them, whatever their decimal mark, mark between thousands and affix."""
    if reading.affix:
        texts = texts.str.replace(reading.affix, "", regex=False).str.strip()
    if reading.thousands:
        marks = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}.get(reading.thousands, re.escape(reading.thousands))
        texts = texts.str.replace(marks, "", regex=True)
    if reading.decimal == ",":
        texts = texts.str.replace(",", ".", regex=False)
    return texts


def _rising(texts: Sequence[str], reading: Reading) -> bool:
    """Whether the dates, in the order in which they first stand there, rise or fall."""
    steps = np.diff(parse_dates(texts, reading)).astype(np.int64)
    return bool(len(steps)) and bool((steps > 0).all() or (steps < 0).all())


def _seconds(stamps: "pd.Series[pd.Timestamp]") -> Stamps:
    return stamps.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
