"""What the values of a column are: numbers in texts, dates, markers of missing values; all of them decide. No torch.

Shapes: N records, D different values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.adoption.dates import Stamps, date_format, parse_dates
from lightloop.adoption.model import Reading
from lightloop.adoption.numerals import MOSTLY, is_code, may_be_numbers, number_reading, parse_numbers
from lightloop.data.files import NULLS
from lightloop.errors import RefusedError

Holds = Literal["number", "text", "date", "boolean", "series", "image", "nested", "empty"]
# Texts that stand for a missing value among numbers or dates, besides NULLS.
MARKERS: Final = frozenset(
    [
        *("?", "-", "--", "---", ".", "..", "...", "*", "n/a", "na", "n.a.", "N.A.", "#N/A", "#NA", "<NA>", "\\N"),
        *("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "missing", "Missing", "MISSING", "unknown", "Unknown", "UNKNOWN"),
        *("none", "NONE", "nil", "nd", "ND", "n.d.", "not available", "Not Available", "inf", "-inf", "Inf", "-Inf"),
    ]
)
# Of texts only what can hardly be a value.
TEXT_MARKERS: Final = frozenset(["?", "#N/A", "<NA>", "\\N", "n/a", "N.A.", "#NULL!"])
# Numbers that stand for a missing value where nothing else is anywhere near.
SENTINELS: Final = (-9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, -999.25, 1e20)
MOST_ODD: Final = 20
# Records that are turned from texts into Python's own at once: these take several times the room that Arrow needs.
PIECE: Final = 200_000


@dataclass(frozen=True)
class Values:
    """The values of a column.

    Attributes:
        name: of the column, in the source.
        holds: what they are.
        reading: how they became so.
        array: all of them, null where missing; float64, text, time stamps, lists or as they were.
        missing: share of nulls.
        distinct: number of different values.
        whole: whether numbers are all whole.
        odd: texts that are no numbers in a column of numbers, which are taken for missing.
        levels: of an ordered dictionary of Arrow, its values in order.
    """

    name: str
    holds: Holds
    reading: Reading
    array: pa.ChunkedArray
    missing: float
    distinct: int
    whole: bool = False
    odd: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def known(self) -> int:
        """How many are not missing."""
        return len(self.array) - self.array.null_count

    def numbers(self) -> NDArray[np.float64]:
        """Numbers (N,), NaN where missing."""
        return np.asarray(self.array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)

    def counts(self) -> "pd.Series[int]":
        """How often each text stands there, the most frequent first, then by name."""
        found = pc.value_counts(pc.drop_null(self.array.combine_chunks().cast(pa.string())))
        counts = pd.Series(found.field("counts").to_numpy(), index=found.field("values").to_pylist(), dtype="int64")
        return counts.sort_index().sort_values(ascending=False, kind="stable")


def look(  # noqa: PLR0911 - a type each
    column: pa.ChunkedArray, name: str, *, decimal_comma: bool = False
) -> Values:
    """What a column holds.

    Args:
        column: as it was read.
        name: of it.
        decimal_comma: whether a comma in numbers is rather a decimal mark, as in files that semicolons divide.

    Examples:
        >>> look(pa.chunked_array([["1,5", "2", "?"]]), "size").array.to_pylist()
        [1.5, 2.0, None]
        >>> look(pa.chunked_array([["01067", "80331"]]), "zip").holds
        'text'
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        levels = tuple(map(str, column.chunk(0).dictionary.to_pylist())) if kind.ordered and len(column) else ()
        found = look(column.cast(kind.value_type), name, decimal_comma=decimal_comma)
        return Values(**{**found.__dict__, "levels": levels if found.holds == "text" else ()})
    if column.null_count == len(column):
        return Values(name, "empty", Reading(), column, 1.0, 0)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _look_at_texts(column.cast(pa.large_string()), name, decimal_comma=decimal_comma)
    if pa.types.is_boolean(kind):
        return _described(name, "boolean", Reading("boolean"), column.cast(pa.string()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(name, np.asarray(_floats(column)), Reading("kept"))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _described(name, "date", Reading("kept"), column.cast(pa.timestamp("s"), safe=False))
    return _nested(column, name)


def convert(column: pa.ChunkedArray, reading: Reading) -> pa.ChunkedArray:
    """A column as it was read, as what it means: what `look` found, for any records with these columns.

    Raises:
        RefusedError: a value is not of the kind.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return convert(column.cast(kind.value_type), reading)
    if reading.type == "kept":
        return _with_markers(column, reading)
    if reading.type == "text":
        texts = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
        nulls = pa.array([text for text in (*NULLS, *reading.missing) if text not in reading.values], pa.large_string())
        return pc.if_else(pc.is_in(texts, nulls), pa.scalar(None, pa.large_string()), texts).cast(pa.string())
    if reading.type == "boolean":
        return column.cast(pa.string())
    pieces = [column.slice(start, PIECE) for start in range(0, max(1, len(column)), PIECE)]
    if reading.type == "number":
        return _as_whole(np.concatenate([_read_numbers(piece, reading) for piece in pieces]))
    stamps_N = np.concatenate([_read_dates(piece, reading) for piece in pieces])
    return pa.chunked_array([pa.array(stamps_N, pa.timestamp("s"))])


def _read_numbers(column: pa.ChunkedArray, reading: Reading) -> NDArray[np.float64]:
    texts_D, place_N = _distinct(column)
    known_D = _known(texts_D, reading)
    values_D: Any = np.full(len(texts_D), np.nan)
    values_D[known_D] = parse_numbers(
        [text for text, is_known in zip(texts_D, known_D, strict=True) if is_known], reading
    )
    lost = np.flatnonzero(known_D & np.isnan(values_D))
    if len(lost):
        raise RefusedError(f"{texts_D[lost[0]]!r} is no number, as the other values of its column are: mend it")
    return _taken(values_D, place_N)


def _read_dates(column: pa.ChunkedArray, reading: Reading) -> Stamps:
    texts_D, place_N = _distinct(column)
    # One more, in whose place stands what is missing.
    stamps_D = np.full(len(texts_D) + 1, np.datetime64("NaT"), dtype="datetime64[s]")
    known_D = np.append(_known(texts_D, reading), False)
    stamps_D[known_D] = parse_dates([texts_D[place] for place in np.flatnonzero(known_D)], reading)
    lost = np.flatnonzero(known_D & np.isnat(stamps_D))
    if len(lost):
        raise RefusedError(f"{texts_D[lost[0]]!r} is no date as the other values of its column are: mend it")
    found_N: Stamps = stamps_D[place_N]
    return found_N


def _known(texts: Sequence[str], reading: Reading) -> NDArray[np.bool_]:
    missing = {*NULLS, *MARKERS, *reading.missing}
    return np.array([text not in missing for text in texts], dtype=bool)


def _look_at_texts(column: pa.ChunkedArray, name: str, *, decimal_comma: bool) -> Values:
    quick = _plain_numbers(column)
    if quick is not None:
        return _numbers(name, quick, Reading("number"))
    texts_D, place_N = _distinct(column)
    nulls = {*NULLS, *MARKERS}
    plain = [text for text in texts_D if text not in nulls]
    counts_D = np.bincount(place_N[place_N >= 0], minlength=len(texts_D))
    if plain and not is_code(plain) and may_be_numbers(plain, decimal_comma=decimal_comma):
        reading = number_reading(plain, decimal_comma=decimal_comma)
        values_D = parse_numbers(texts_D, reading)
        known_D = np.array([text not in nulls for text in texts_D], dtype=bool)
        values_D[~known_D] = np.nan
        good_D = np.isfinite(values_D)
        bad = [text for text, good, known in zip(texts_D, good_D, known_D, strict=True) if known and not good]
        share = counts_D[good_D].sum() / max(1, counts_D[known_D].sum())
        if not bad or (share >= MOSTLY and len(bad) <= MOST_ODD and good_D.sum() > len(bad)):
            used = tuple(sorted(text for text in texts_D if text in MARKERS))
            reading = Reading("number", reading.decimal, reading.thousands, reading.affix, (*used, *sorted(bad)))
            return _numbers(name, _taken(values_D, place_N), reading, odd=tuple(sorted(bad)))
    if plain and not is_code(plain):
        reading_of_dates = date_format(plain)
        if reading_of_dates is not None:
            used = tuple(sorted(text for text in texts_D if text in MARKERS))
            reading = Reading(reading_of_dates.type, missing=used, format=reading_of_dates.format)
            return _described(name, "date", reading, convert(column, reading))
    used = tuple(sorted(text for text in texts_D if text in TEXT_MARKERS))
    # "None" is a missing value where others are written so too, and an answer where none is missing.
    none = tuple(text for text in texts_D if text == "None")
    lacking = column.null_count or any(text in NULLS and text != "None" for text in texts_D)
    reading = Reading("text", missing=used, values=() if lacking or len(texts_D) > MOST_ODD else none)
    return _described(name, "text", reading, convert(column, reading))


def _plain_numbers(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """Numbers (N,) where all texts are plain ones or missing; None where one is not, or all may be codes."""
    texts = pc.utf8_trim_whitespace(column)
    known = pc.if_else(pc.is_in(texts, pa.array(NULLS, pa.large_string())), pa.scalar(None, texts.type), texts)
    try:
        values = known.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    lengths = pc.min_max(pc.utf8_length(known)).as_py()
    if lengths["min"] is None or (
        lengths["min"] == lengths["max"] > 1 and pc.any(pc.starts_with(known, pattern="0")).as_py()
    ):
        return None
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _numbers(name: str, values_N: NDArray[np.float64], reading: Reading, odd: tuple[str, ...] = ()) -> Values:
    values_N = np.where(np.isfinite(values_N), values_N, np.nan)
    sentinels = sentinels_of(values_N)
    for value in sentinels:
        values_N = np.where(values_N == value, np.nan, values_N)
    written = tuple(f"{value:g}" for value in sentinels)
    reading = Reading(
        reading.type, reading.decimal, reading.thousands, reading.affix, (*reading.missing, *written), reading.format
    )
    known_N = values_N[~np.isnan(values_N)]
    array = pa.chunked_array([pa.array(values_N, pa.float64(), from_pandas=True)])
    whole = bool(len(known_N)) and bool((known_N == np.round(known_N)).all())
    if not len(known_N):
        return Values(name, "empty", reading, array, 1.0, 0)
    return Values(name, "number", reading, array, float(np.isnan(values_N).mean()), len(np.unique(known_N)), whole, odd)


def sentinels_of(values_N: NDArray[np.float64]) -> tuple[float, ...]:
    """Numbers such as -999 that stand for a missing value: there more than once, and farther from all other values
    than these are from each other.

    Examples:
        >>> sentinels_of(np.array([3.0, 4.0, -999.0, 5.0, -999.0])), sentinels_of(np.array([90.0, 95.0, 99.0, 99.0]))
        ((-999.0,), ())
    """
    known_N = values_N[~np.isnan(values_N)]
    found: list[float] = []
    for value in SENTINELS:
        rest_N = known_N[(known_N != value) & ~np.isin(known_N, found)]
        count = int((known_N == value).sum())
        if count < 2 or len(rest_N) < 3 or count > 0.8 * len(known_N):
            continue
        low, high = rest_N.min(), rest_N.max()
        distance = low - value if value < low else value - high
        # A single digit of distance says nothing: -9 beside 1 to 5 is a marker, 99 beside 0 to 90 is a value.
        if distance > max(high - low, 3 * abs(float(np.median(rest_N))), 4.0):
            found.append(value)
    return tuple(found)


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """The different values as texts without blanks around them, and the place (N,) of each record's, -1 for none."""
    texts = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
    coded = texts.combine_chunks().dictionary_encode()
    places = pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return coded.dictionary.to_pylist(), np.asarray(places)


def _taken(values_D: NDArray[np.float64], place_N: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(place_N >= 0, values_D[np.maximum(place_N, 0)] if len(values_D) else np.nan, np.nan)


def _as_whole(values_N: NDArray[np.float64]) -> pa.ChunkedArray:
    """Whole numbers where all are."""
    array = pa.array(values_N, pa.float64(), from_pandas=True)
    known_N = values_N[~np.isnan(values_N)]
    if len(known_N) and (known_N == np.round(known_N)).all() and np.abs(known_N).max() < 2**53:
        array = array.cast(pa.int64())
    return pa.chunked_array([array])


def _with_markers(column: pa.ChunkedArray, reading: Reading) -> pa.ChunkedArray:
    """Numbers without those that stand for missing, and without infinities."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column
    none = pa.scalar(None, column.type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, none)
    for marker in reading.missing:
        column = pc.if_else(pc.equal(column.cast(pa.float64()), float(marker)), none, column)
    return column


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _described(name: str, holds: Holds, reading: Reading, array: pa.ChunkedArray) -> Values:
    if array.null_count == len(array):
        return Values(name, "empty", reading, array, 1.0, 0)
    distinct = pc.count_distinct(array).as_py()
    return Values(name, holds, reading, array, array.null_count / len(array), distinct)


def _nested(column: pa.ChunkedArray, name: str) -> Values:
    kind = column.type
    missing = column.null_count / len(column)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return Values(name, "image" if _is_image(column) else "nested", Reading(), column, missing, len(column))
    if pa.types.is_struct(kind) and "bytes" in [field.name for field in kind]:
        inner = pc.struct_field(column, "bytes")
        return Values(name, "image" if _is_image(inner) else "nested", Reading(), column, missing, len(column))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = kind.value_type
        if pa.types.is_floating(inner) or pa.types.is_integer(inner):
            return Values(name, "series", Reading(), column, missing, len(column))
    return Values(name, "nested", Reading(), column, missing, len(column))


def _is_image(column: pa.ChunkedArray) -> bool:
    """Whether the first values are images."""
    import io

    from PIL import Image

    from lightloop.data.image.records import FORMS

    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        return False
    for value in pc.drop_null(column.slice(0, 20)).to_pylist():
        try:
            with Image.open(io.BytesIO(value), formats=FORMS):
                return True
        except (OSError, ValueError, SyntaxError):
            continue
    return False
