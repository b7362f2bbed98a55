"""One value of a record, in whatever form it comes, as its column holds it; its faults in a sentence.

Each function takes the value and the record's number, from 0, which its sentence names from 1, and raises
`RefusedError` where the value is none of its kind.
"""

import base64
import binascii
import contextlib
import json
import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from lightloop.data.tabular.input import LARGEST
from lightloop.errors import RefusedError


def image(value: Any, number: int) -> bytes:
    """The bytes of an encoded image, from bytes or Base64 text of them."""
    if isinstance(value, str):
        text = value.partition(",")[2] if value.startswith("data:") else value
        try:
            value = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise RefusedError(f"record number {number + 1} has an image that is not Base64 text") from None
    if not isinstance(value, bytes | bytearray):
        raise RefusedError(
            f"record number {number + 1} has a {type(value).__name__} as its image: expected the bytes of a PNG, JPEG "
            "or the like, as Base64 in JSON"
        )
    if not value:
        raise RefusedError(f"record number {number + 1} has an empty image: expected a PNG, JPEG or the like")
    return bytes(value)


def text(value: Any, number: int) -> str:
    """A text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise RefusedError(
            f"record number {number + 1} has a {type(value).__name__} as its text: expected a text (an empty one is "
            "one too)"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RefusedError(
            f"record number {number + 1} has half a surrogate pair in its text: expected whole characters"
        ) from None
    return value


def numbers(value: Any, number: int, name: str, *, gaps: bool) -> list[float]:
    """Finite numbers; null is NaN where there may be gaps."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise RefusedError(
            f"record number {number + 1} has a {type(value).__name__} as its {name!r}: expected a list of numbers"
        )
    numbers = [math.nan if one is None and gaps else one for one in value]
    for place, one in enumerate(numbers):
        if isinstance(one, bool) or not isinstance(one, int | float) or (one != one and not gaps):  # noqa: PLR0124
            raise RefusedError(f"record number {number + 1} has {_short(one)} in {name!r}: expected numbers")
        # NaN is never larger.
        if abs(one) > LARGEST:
            raise RefusedError(
                f"record number {number + 1} has {_short(one)} in {name!r}, place {place + 1}: expected finite numbers"
            )
    return numbers


def time(value: Any, number: int, name: str) -> datetime:
    """A time in UTC without a zone, to the second."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item()
    elif isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise RefusedError(_no_time(value, number, name)) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise RefusedError(_no_time(value, number, name))
    try:
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).replace(microsecond=0)
    except OverflowError:
        raise RefusedError(_no_time(value, number, name)) from None


def _no_time(value: Any, number: int, name: str) -> str:
    return f"record number {number + 1} has {_short(value)} as {name!r}: expected a date or time such as 2026-01-05"


def number(value: Any, number: int, name: str) -> float | None:
    """A finite number, also from its text; None where it is missing."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float):
        raise RefusedError(
            f"record number {number + 1} has {_short(value)} in {name!r}: expected a number, or null for none"
        )
    if value != value:  # noqa: PLR0124
        return None
    if abs(value) > LARGEST:
        raise RefusedError(f"record number {number + 1} has {_short(value)} in {name!r}: expected a finite number")
    return float(value)


def category(value: Any, number: int, name: str, known: frozenset[str]) -> str | None:
    """As `data.tabular.input.as_categories` writes them, so that 1, 1.0 and "1.0" are the training records' "1"."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value:  # noqa: PLR0124
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if math.isinf(value):
            raise RefusedError(f"record number {number + 1} has {_short(value)} in {name!r}: expected a category")
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if not isinstance(value, str):
        raise RefusedError(
            f"record number {number + 1} has {_short(value)} in {name!r}: expected a text, or null where it is missing"
        )
    return same_category(text(value, number), known)


def same_category(text: str, known: frozenset[str]) -> str:
    """The training records' way of writing a category that is a number, where they had it.

    Examples:
        >>> same_category("1.0", frozenset({"1", "2"})), same_category("yes", frozenset({"1"}))
        ('1', 'yes')
    """
    if text in known or not text:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    plain = str(int(number)) if number.is_integer() else repr(number)
    return plain if plain in known else text


def _short(value: Any) -> str:
    text = json.dumps(value, default=str) if isinstance(value, str | list | dict) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
