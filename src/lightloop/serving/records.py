"""Records in whatever form they come, as the one table that a bundle is asked with; and back to JSON.

Shapes: N records, C channels, H height, W width.
"""

import base64
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lightloop.data.image.input import ImageInput
from lightloop.data.image.records import FORMS, decode_image, why_not
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.errors import RefusedError, UsageError
from lightloop.serving import cells
from lightloop.serving.manifest import Manifest

# What `to_table` takes.
Records: TypeAlias = Any
# An image of more pixels is refused before it is decoded: a file of kilobytes can hold gigabytes.
MOST_PIXELS = 50_000_000


def to_table(manifest: Manifest, records: Records) -> pa.Table:
    """Records as a table with the bundle's feature columns, which `Predictor.answers` takes.

    A record is

    - of images `{"image": ...}` or the encoded image by itself: bytes (PNG, JPEG, ...), or Base64 of them as text;
    - of tables `{column: value}`; what is null or absent is missing, other keys are not looked at;
    - of texts `{"text": ...}` or the text by itself;
    - of series `{column: [numbers, oldest first], time: "2026-01-05"}`, nulls in gaps; without time the list by itself;
    - of noise `{"noise": [numbers]}` or the list by itself.

    Args:
        manifest: of the bundle.
        records: a list of them, a pandas DataFrame, or an Arrow table. A table's column may also have the name that
            the data spec gives it.

    Returns:
        A row a record, in the same order.

    Raises:
        RefusedError: a record is not as the manifest's input says; the sentence has its number, from 1.
        UsageError: it is no list of records at all.
    """
    schema = manifest.input
    if isinstance(records, pa.RecordBatch):
        records = pa.Table.from_batches([records])
    elif _is_frame(records):
        records = pa.Table.from_pandas(records, preserve_index=False)
    if isinstance(records, pa.Table):
        return _of_table(manifest, records)
    if isinstance(records, str | bytes | bytearray | Mapping) or not isinstance(records, Sequence | np.ndarray):
        raise UsageError(f"records are a {type(records).__name__}: expected a list of records, also of a single one")
    if isinstance(schema, TabularInput):
        return _rows_of_table(schema, list(records))
    names, makers = _columns(schema)
    return pa.table(
        {
            name: pa.array([make(_part(record, name, names, n), n) for n, record in enumerate(records)], kind)
            for name, (kind, make) in makers.items()
        }
    )


def to_json(manifest: Manifest, table: pa.Table) -> list[dict[str, Any]]:
    """Records of a table as JSON has them: what `to_table` takes gives the same answers.

    Only what enters the model is in them. An image is a PNG of the size that the model sees, of a series the last steps
    of its window, of a text what is looked at.

    Raises:
        RefusedError: a record is not as the manifest's input says.
    """
    schema = manifest.input
    match schema:
        case ImageInput():
            images = table.column("image").to_pylist()
            pixels = (decode_image(one, schema.size, schema.channels) for one in images)
            return [{"image": base64.b64encode(to_png(one)).decode()} for one in pixels]
        case TextInput():
            return [{"text": schema.reach(text)} for text in table.column("text").to_pylist()]
        case SeriesInput():
            rows = table.select([schema.column, *([schema.time] if schema.time else [])]).to_pylist()
            return [_series(schema, row) for row in rows]
        case NoiseInput():
            return [{"noise": row[: schema.size]} for row in table.column("noise").to_pylist()]
        case TabularInput():
            # As they are fed, so that a number is the float32 that the model sees.
            feeds = schema.encode(table, {})
            columns = {name: [_plain(value) for value in values[:, 0].tolist()] for name, values in feeds.items()}
            return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def to_png(pixels_CHW: NDArray[np.uint8]) -> bytes:
    """Pixels (C, H, W) as a PNG file."""
    stream = io.BytesIO()
    image = pixels_CHW[0] if len(pixels_CHW) == 1 else np.ascontiguousarray(pixels_CHW.transpose(1, 2, 0))
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def image_size(encoded: bytes) -> tuple[int, int]:
    """Width and height that an encoded image says of itself; nothing is decoded.

    Raises:
        RefusedError: the bytes are no image, or one of more than `MOST_PIXELS` pixels.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMS) as opened:
            width, height = opened.size
    except Image.DecompressionBombError:
        raise RefusedError(f"an image has more than {MOST_PIXELS:,} pixels: scale it down first") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise RefusedError(f"an image of {len(encoded)} bytes does not decode ({why_not(error)})") from None
    if width * height > MOST_PIXELS:
        raise RefusedError(f"an image has {width} x {height} pixels, more than {MOST_PIXELS:,}: scale it down first")
    return width, height


# Rows as Python has them.


def _columns(
    schema: ImageInput | TextInput | SeriesInput | NoiseInput,
) -> tuple[tuple[str, ...], dict[str, tuple[pa.DataType, Callable[[Any, int], Any]]]]:
    """The keys of a record, and how each becomes a value of its column."""
    found: dict[str, tuple[pa.DataType, Callable[[Any, int], Any]]]
    match schema:
        case ImageInput():
            found = {"image": (pa.large_binary(), cells.image)}
        case TextInput():
            found = {"text": (pa.large_string(), cells.text)}
        case NoiseInput():
            found = {"noise": (pa.list_(pa.float64()), lambda value, n: cells.numbers(value, n, "noise", gaps=False))}
        case SeriesInput(column=column):
            found = {column: (pa.list_(pa.float32()), lambda value, n: cells.numbers(value, n, column, gaps=True))}
            if schema.time:
                time = schema.time
                found[time] = (pa.timestamp("s"), lambda value, n: cells.time(value, n, time))
    return tuple(found), found


def _part(record: Any, name: str, names: tuple[str, ...], number: int) -> Any:
    """The value of a key; a record with one key may be the value itself."""
    if isinstance(record, Mapping):
        if name not in record:
            raise RefusedError(f"record number {number + 1} has no {name!r}{_near(name, record)}")
        return record[name]
    if len(names) > 1 or record is None:
        wanted = " and ".join(repr(one) for one in names)
        raise RefusedError(f"record number {number + 1} is a {type(record).__name__}: expected an object with {wanted}")
    return record


def _near(name: str, record: Mapping[str, Any]) -> str:
    keys = [str(key) for key in record]
    near = get_close_matches(name, keys, n=1)
    if near:
        return f": did you mean that by {near[0]!r}?"
    return f" (it has {', '.join(keys[:8])})" if keys else " (it is empty)"


# Rows of a table.


def _rows_of_table(schema: TabularInput, records: Sequence[Any]) -> pa.Table:
    names = [feature.name for feature in schema.features]
    for number, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise RefusedError(
                f"record number {number + 1} is a {type(record).__name__}: expected an object of columns and values"
            )
        if record.keys().isdisjoint(names):
            listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            came = f"it has {', '.join(map(str, list(record)[:8]))}" if record else "it is empty"
            raise RefusedError(f"record number {number + 1} has none of the columns {listed} ({came})")
    return pa.table(
        {
            feature.name: column_of(feature, [record.get(feature.name) for record in records])
            for feature in schema.features
        }
    )


def column_of(feature: Feature, values: list[Any]) -> pa.Array:
    """The values of a column of a table, of records in their order.

    Raises:
        RefusedError: one is of another kind.
    """
    if feature.kind == "number":
        numbers = [cells.number(value, n, feature.name) for n, value in enumerate(values)]
        return pa.array(numbers, pa.float64())
    known = frozenset(feature.values)
    return pa.array([cells.category(value, n, feature.name, known) for n, value in enumerate(values)], pa.string())


# Tables of Arrow.


def _of_table(manifest: Manifest, table: pa.Table) -> pa.Table:
    schema = manifest.input
    if isinstance(schema, TabularInput):
        names = [feature.name for feature in schema.features]
        absent = [name for name in names if name not in table.column_names]
        if absent:
            near = get_close_matches(absent[0], table.column_names, n=1)
            hint = f": did you mean that by {near[0]!r}?" if near else f" (it has {', '.join(table.column_names[:8])})"
            raise RefusedError(f"the records have no column {absent[0]!r}{hint}")
        return pa.table({name: _flat(table.column(name)) for name in names})
    keys, makers = _columns(schema)
    columns = {name: _found(manifest, table, name) for name in keys}
    for name, (kind, make) in makers.items():
        column = _flat(columns[name])
        if pa.types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
            column = pc.struct_field(column, "bytes")
        if not _fits(column.type, kind):
            column = pa.chunked_array([pa.array([make(v, n) for n, v in enumerate(column.to_pylist())], kind)])
        columns[name] = column
    return pa.table(columns)


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a column that is stored as places in a list of values."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _found(manifest: Manifest, table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column by the bundle's name, or by that of the data spec."""
    if name in table.column_names:
        return table.column(name)
    roles = manifest.config.get("data", {}).get("columns", {})
    features = [one for one, column in roles.items() if isinstance(column, dict) and column.get("role") == "feature"]
    if len(features) == 1 and features[0] in table.column_names and manifest.modality in ("image", "text"):
        return table.column(features[0])
    raise RefusedError(f"the records have no column {name!r} (they have {', '.join(table.column_names[:8])})")


def _fits(came: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_large_binary(wanted):
        return pa.types.is_binary(came) or pa.types.is_large_binary(came)
    if pa.types.is_large_string(wanted):
        return pa.types.is_string(came) or pa.types.is_large_string(came)
    if pa.types.is_timestamp(wanted):
        return pa.types.is_timestamp(came) and came.tz is None
    is_list = pa.types.is_list(came) or pa.types.is_large_list(came)
    return is_list and (pa.types.is_floating(came.value_type) or pa.types.is_integer(came.value_type))


def _is_frame(records: Any) -> bool:
    """Whether it is a pandas DataFrame; pandas is loaded where there is one, and never by this."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(records, pandas.DataFrame)


# To JSON.


def _series(schema: SeriesInput, row: dict[str, Any]) -> dict[str, Any]:
    values = [_plain(value) for value in row[schema.column]]
    found: dict[str, Any] = {schema.column: values[-schema.window :]}
    if schema.time:
        found[schema.time] = row[schema.time].isoformat() if row[schema.time] is not None else None
    return found


def _plain(value: Any) -> Any:
    """JSON has no NaN; the text that stands for a missing category is null again; a number has float32's digits."""
    if value is None or value == "" or value != value:  # noqa: PLR0124
        return None
    return float(str(np.float32(value))) if isinstance(value, float) else value
