"""A row of a table as a raw record: its columns, and how they become the graph's inputs.

Shapes: N records.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from lightloop.config.data import Kind
from lightloop.data.inputs import Feeds, RecordInput
from lightloop.errors import RefusedError

# What stands for a missing category in the graph; an empty text is the same.
MISSING = ""
LARGEST = float(np.finfo(np.float32).max)


class Feature(BaseModel):
    """A column that enters the model, as the training records showed it.

    Attributes:
        name: of the column.
        kind: `number`, `category`, or `ordered` (a category whose values follow each other).
        low, high: the range of the training values of a number. Others are answered too.
        values: those of a category, in order for `ordered`. Others are answered too, as unknown.
        missing: whether training records lack it. A missing value is always answered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    missing: bool = False


class TabularInput(RecordInput):
    """The columns of a record, one input of the graph each: (N, 1), float32 with NaN or text with "" for missing.

    Examples:
        >>> schema = TabularInput(features=(Feature(name="age", kind="number"), Feature(name="town", kind="category")))
        >>> feeds = schema.encode(pa.table({"town": ["Rome", None], "age": [None, 30]}), {})
        >>> feeds["age"].tolist(), feeds["town"].tolist()
        ([[nan], [30.0]], [['Rome'], ['']])
    """

    kind: Literal["tabular"] = "tabular"
    features: tuple[Feature, ...]

    @property
    def feeds(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        dtypes = {"number": "float32", "category": "object", "ordered": "object"}
        return {feature.name: (dtypes[feature.kind], (None, 1)) for feature in self.features}

    def encode(self, table: pa.Table, files: Mapping[str, bytes]) -> Feeds:
        """See `RecordInput.encode`. Null and NaN are missing; columns that are no feature are not looked at.

        Raises:
            RefusedError: a column is missing, of a type that can't be read, or holds an infinite number.
        """
        feeds: dict[str, NDArray[Any]] = {}
        for feature in self.features:
            if feature.name not in table.column_names:
                raise RefusedError(
                    f"column {feature.name!r} is missing: expected {', '.join(one.name for one in self.features)}"
                )
            column = table.column(feature.name)
            if feature.kind == "number":
                feeds[feature.name] = as_numbers(column, feature.name).astype(np.float32)[:, None]
            else:
                texts = pc.fill_null(as_categories(column, feature.name), MISSING)
                feeds[feature.name] = texts.to_numpy(zero_copy_only=False).astype(object)[:, None]
        return feeds


def as_numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """A column as numbers (N,), float64, NaN where there is none. Text is read as numbers where all of it is.

    Raises:
        RefusedError: a value is no number, infinite, or too large for float32.
    """
    kind = column.type
    readable = (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    )
    if not readable and not _is_text(kind) and not pa.types.is_decimal(kind):
        raise RefusedError(f"column {name!r} holds {kind} where numbers were expected")
    try:
        # Booleans have no cast to floating numbers of their own.
        cast = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
        numbers = cast.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except pa.ArrowInvalid:
        wrong = next((text for text in column.to_pylist() if text and not _is_number(text)), "text")
        raise RefusedError(
            f"column {name!r} holds {wrong!r} where a number was expected: mend it, or say `kind: category`"
        ) from None
    if (np.abs(numbers) > LARGEST).any():
        row = int(np.flatnonzero(np.abs(numbers) > LARGEST)[0])
        raise RefusedError(f"column {name!r} holds {numbers[row]} in row {row}: expected a finite number, or none")
    return numbers


def as_categories(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column as text, null where there is no value. Whole numbers have no decimal point, whatever their type.

    Raises:
        RefusedError: the values are no plain values.

    Examples:
        >>> as_categories(pa.chunked_array([[1.0, 2.5, None]]), "size").to_pylist()
        ['1', '2.5', None]
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_categories(column.cast(kind.value_type), name)
    if pa.types.is_floating(kind):
        values = [None if value is None or value != value else value for value in column.to_pylist()]  # noqa: PLR0124
        texts = column.cast(pa.string()).to_pylist()
        return pa.chunked_array(
            [
                [
                    None if value is None else str(int(value)) if float(value).is_integer() else text
                    for value, text in zip(values, texts, strict=True)
                ]
            ],
            pa.string(),
        )
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise RefusedError(f"column {name!r} holds {kind} where categories were expected") from None


def is_number_type(kind: pa.DataType) -> bool:
    """Whether a column of this type is a number when the spec does not say."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
