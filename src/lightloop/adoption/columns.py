"""What a column seems to be by its name and its values, whatever is predicted. No torch.

A role that keeps a column from the model is the default where the column can be an identifier, a group or a protected
trait: an identifier that is a feature makes figures wrong silently, a feature that is left out is seen at once.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lightloop.adoption.dates import number_dates
from lightloop.adoption.model import ColumnGuess, What
from lightloop.adoption.names import (
    CALLED,
    CODES,
    GROUPS,
    IDENTIFIER,
    SENSITIVE,
    STRICT_TIMES,
    TIMES,
    YEARS,
    says,
    words,
)
from lightloop.adoption.scales import order_of
from lightloop.adoption.values import Values
from lightloop.config.data import Kind, Role

# Fewer records than this say little of whether values are unique by nature or by chance.
# Records from which on numbers that are all different say something, and pairs that chance would make the same.
MANY = 100
LEAST_PAIRS = 5.0
FEW = 20
MOST_LEVELS = 30
# Fewer groups can't be divided into three parts that are alike.
LEAST_GROUPS = 10
# A text of so many words, most of them different, is written freely.
FREE_WORDS = 4.0
_TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-.*|[0-9a-f]{16,}|https?://\S+|\S+@\S+\.\S+", re.IGNORECASE)


def guess_column(values: Values, name: str) -> ColumnGuess:  # noqa: PLR0911 - a kind of column each
    """What one column seems to be; the target is chosen afterwards.

    Args:
        values: of the column.
        name: that it has in the data set.
    """
    if values.holds == "empty":
        return _left_out(values, name, "empty", 1.0, "it has no value in any record")
    if values.holds in ("image", "series", "nested"):
        if values.holds == "nested":
            return _left_out(values, name, "nested", 0.9, "its values are lists or structures, no plain values")
        reason = "its values are encoded images" if values.holds == "image" else "its values are lists of numbers"
        return _guess(values, name, values.holds, "feature", None, 0.95, reason)
    if values.distinct == 1 and not values.missing:
        return _left_out(values, name, "constant", 1.0, "the same in every record")
    protected = says(name, SENSITIVE)
    if values.holds == "date":
        return _guess(values, name, "date", "ignored", None, 0.95, "its values are dates", why=NO_DATES)
    if protected and values.distinct <= 20:
        sure = 0.75 if protected in ("race", "ethnicity", "ethnic", "religion", "nationality", "caste") else 0.65
        what: What = "category" if values.holds != "number" or values.distinct <= 10 else "number"
        reason = f"{protected!r} in the name stands for a trait that law protects"
        return _guess(values, name, what, "sensitive", None, sure, reason)
    return _number(values, name) if values.holds == "number" else _text(values, name)


NO_DATES = "a date: tables take numbers and categories, so derive what matters of it, such as the weekday"


def row_number(values: Values) -> bool:
    """Whether whole numbers count the records from 0 or 1, each once, in any order."""
    if values.holds != "number" or not values.whole or values.missing or values.distinct < len(values.array):
        return False
    bounds = pc.min_max(values.array).as_py()
    return bounds["min"] in (0.0, 1.0) and bounds["max"] - bounds["min"] == values.distinct - 1


def consecutive(values: Values) -> bool:
    """Whether whole numbers stand in the order of the records, each one more than the last."""
    return values.whole and not values.missing and bool((np.diff(values.numbers()) == 1).all())


def kept_apart(values: Values) -> bool:
    """Whether so many whole numbers from so small a range are all different that somebody saw to it, as with codes of
    districts: drawn by chance, pairs would be the same.
    """
    if values.known < MANY or values.distinct < values.known:
        return False
    bounds = pc.min_max(values.array).as_py()
    pairs = values.known**2 / (2 * (bounds["max"] - bounds["min"] + 1))
    return bool(pairs >= LEAST_PAIRS)


def _number(values: Values, name: str) -> ColumnGuess:  # noqa: PLR0911, PLR0912 - a kind of column each
    records, unique = len(values.array), values.distinct == values.known
    called = says(name, IDENTIFIER) or (says(name, GROUPS) if words(name)[-1:] in (("id",), ("no",)) else None)
    dated = _dated(values, name)
    if dated is not None:
        return dated
    many = records >= FEW
    if values.whole and unique and row_number(values) and many:
        return _identifier(values, name, 0.97, "it counts the records")
    if values.whole and unique and consecutive(values) and many:
        return _identifier(values, name, 0.9, "it rises by one with each record")
    if values.whole and unique and kept_apart(values):
        return _identifier(values, name, 0.65, "whole numbers, all different where chance would repeat some")
    unnamed = re.fullmatch(r"column_1|unnamed.*|", name.casefold()) is not None
    if values.whole and unique and unnamed and many:
        return _identifier(values, name, 0.9, "it has no name, and a whole number of its own in each record")
    if called and values.whole:
        if unique:
            return _identifier(values, name, 0.95, f"{called!r} in the name, and each record has its own")
        if values.distinct > 0.95 * values.known and many:
            return _identifier(values, name, 0.85, f"{called!r} in the name, and nearly each record has its own")
        if values.distinct >= 5 and called not in ("key", "serial", "index", "idx"):
            return _group(values, name, 0.75, f"{called!r} in the name, and records share its values")
        if called in ("id", "uid", "uuid", "guid", "rowid"):
            return _left_out(values, name, "identifier", 0.75, f"{called!r} in the name, and few different values")
    grouping = says(name, GROUPS)
    if grouping and values.whole and len(words(name)) <= 2 and LEAST_GROUPS <= values.distinct <= 0.5 * values.known:
        return _group(values, name, 0.65, f"{grouping!r} in the name, and records share its values")
    if _balanced(values) and not is_time(name):
        return _group(values, name, 0.6, "its whole numbers count something that has about as many records each")
    code = says(name, CODES)
    if values.whole and code and values.distinct <= MOST_LEVELS and values.distinct > 2:
        return _guess(
            values, name, "category", "feature", "category", 0.7, f"{code!r} in the name: its numbers are codes"
        )
    if values.distinct == 2:
        return _guess(values, name, "number", "feature", "number", 0.9, "numbers, two different ones")
    reason = "whole numbers" if values.whole else "numbers"
    return _guess(values, name, "number", "feature", "number", 0.9, f"{reason}, {values.distinct} different ones")


def _balanced(values: Values) -> bool:
    """Whether whole numbers from 0 or 1 on, one after the other, have about the same number of records each, several:
    so individuals are numbered that were measured several times.
    """
    if not values.whole or values.missing or not LEAST_GROUPS <= values.distinct <= values.known / 3:
        return False
    numbers, counts = np.unique(values.numbers(), return_counts=True)
    follow = numbers[0] in (0.0, 1.0) and bool((np.diff(numbers) == 1).all())
    # Individuals are more than the times at which each was seen.
    return follow and len(counts) >= counts.mean() and float(counts.std()) <= 0.15 * float(counts.mean())


def _dated(values: Values, name: str) -> ColumnGuess | None:
    """A column of numbers that are dates."""
    known_D = np.unique(values.numbers()[~np.isnan(values.numbers())])
    called = says(name, YEARS) is not None
    # Parts of a date, such as a year of birth, are numbers.
    parts = words(name)
    reading = number_dates(
        known_D,
        called_so=called and len(parts) <= 2 and not says(name, ("birth", "built", "build", "reg", "model", "sold")),
        strictly_called=says(name, STRICT_TIMES) is not None,
    )
    if reading is None or (reading.type == "year" and len(known_D) < 5):
        return None
    # The numbers are written as they are: with a decimal comma, maybe.
    reading = replace(values.reading, type=reading.type, format=reading.format)
    reason = "its numbers are years" if reading.type == "year" else "its numbers are dates"
    return _guess(values, name, "date", "ignored", None, 0.8, reason, reading=reading, why=NO_DATES)


def _text(values: Values, name: str) -> ColumnGuess:  # noqa: PLR0911 - a kind of column each
    known, distinct = values.known, values.distinct
    ratio = distinct / max(1, known)
    texts: list[str] = values.counts().index.tolist()
    some = texts[:: max(1, len(texts) // 2_000)]
    length = float(np.mean([len(text.split()) for text in some]))
    characters = float(np.mean([len(text) for text in some]))
    called = says(name, IDENTIFIER)
    many = known >= FEW
    if length >= FREE_WORDS and ratio > 0.3 and distinct > 15 and many:
        return _free(values, name, 0.9 if length >= 8 else 0.75, f"texts of {length:.0f} words, most of them different")
    if many and sum(_TOKEN.fullmatch(text) is not None for text in some) > 0.9 * len(some) and ratio > 0.5:
        return _identifier(values, name, 0.95, "its values are keys or addresses")
    if called and ratio == 1.0:
        return _identifier(values, name, 0.95, f"{called!r} in the name, and each record has its own")
    if many and ratio > 0.9:
        if says(name, CALLED) or called or (characters < 40 and length < FREE_WORDS):
            return _identifier(values, name, 0.9, "nearly each record has its own")
        return _free(values, name, 0.8, "texts, nearly all of them different")
    if called and called not in ("key", "title", "path") and ratio > 0.01 and distinct >= 5:
        return _group(values, name, 0.75, f"{called!r} in the name, and records share its values")
    grouping = says(name, GROUPS)
    if grouping and len(words(name)) <= 2 and LEAST_GROUPS <= distinct <= 0.5 * known and known / distinct < 200:
        return _group(values, name, 0.7, f"{grouping!r} in the name, and records share its values")
    if says(name, CALLED) and ratio > 0.5:
        return _identifier(values, name, 0.8, "names, most of them different")
    order = values.levels or (order_of(texts) if distinct <= MOST_LEVELS else None)
    if order is not None and values.holds == "text":
        reason = "the file says their order" if values.levels else "its values follow each other"
        return _guess(values, name, "ordered", "feature", "ordered", 0.85, reason, levels=order)
    if ratio > 0.5 and many:
        return _left_out(values, name, "free text", 0.6, f"texts, {distinct} different ones in {known} records")
    sure = 0.9 if distinct <= 50 else 0.75
    return _guess(values, name, "category", "feature", "category", sure, f"texts, {distinct} different ones")


def _identifier(values: Values, name: str, sure: float, reason: str) -> ColumnGuess:
    return _guess(values, name, "identifier", "ignored", None, sure, reason, why=f"an identifier: {reason}")


def _group(values: Values, name: str, sure: float, reason: str) -> ColumnGuess:
    return _guess(values, name, "group", "group", None, sure, reason)


def _free(values: Values, name: str, sure: float, reason: str) -> ColumnGuess:
    why = f"free text ({reason}): tables take numbers and categories"
    return _guess(values, name, "free text", "ignored", None, sure, reason, why=why)


def _left_out(values: Values, name: str, what: What, sure: float, reason: str) -> ColumnGuess:
    return _guess(values, name, what, "ignored", None, sure, reason, why=reason)


def _guess(  # noqa: PLR0917 - in the order of the sentence that they make
    values: Values, name: str, what: What, role: Role, kind: Kind | None, sure: float, reason: str, **more: Any
) -> ColumnGuess:
    return ColumnGuess(
        name,
        values.name,
        what,
        role,
        kind,
        sure,
        reason,
        more.get("reading", values.reading),
        more.get("levels", ()),
        values.missing,
        values.distinct,
        more.get("why"),
    )


def is_time(name: str) -> bool:
    """Whether a name speaks of time."""
    return says(name, TIMES) is not None
