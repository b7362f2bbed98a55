"""Labelled predictions of the log as records in the form of the data set's file.

Shapes: N records.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.schema import AnySpec
from lightloop.data.collected import ID, KEYS, TIME
from lightloop.data.records import read_records
from lightloop.errors import RefusedError
from lightloop.monitoring.window import Window

# How the log and `data.records` name what a data set calls as it likes.
OUR_NAMES = {"image": "image", "text": "text"}
SURELY = 20


def candidates(window: Window, spec: AnySpec, root: Path, taken: Sequence[str]) -> pa.Table:
    """The window's predictions whose truth is known, as rows of the data set's file.

    Args:
        window: of the log.
        spec: the data set.
        root: the project's folder.
        taken: ids of predictions that were collected before; they are left out.

    Returns:
        The columns of the data set that are read, `collected_id` and `collected_time`; a row a prediction, the oldest
        first. What the log can't know (groups, sensitive columns, slices) is null.

    Raises:
        RefusedError: the log lacks a column that the model is asked with.
    """
    rows = labelled_rows(window, spec, taken)
    predictions = window.predictions.take(rows)
    records = window.records.take(rows) if window.records.num_columns else window.records
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        ID: predictions.column("prediction_id").cast(pa.string()),
        TIME: predictions.column("time").cast(KEYS.field(TIME).type),
    }
    if spec.modality == "tabular" and spec.id:
        columns[spec.id] = columns[ID]
    known = read_records(spec, root, "train", collected=False)
    for name in spec.features:
        read_as = OUR_NAMES.get(spec.modality, name)
        columns[name] = _feature(records, predictions, read_as, known.column(read_as))
    columns[spec.target] = _truth(predictions, spec)
    for name in spec.with_role("group", "time", "sensitive", "slice", "auxiliary"):
        kind = known.schema.field(name).type
        is_time = spec.columns[name].role == "time"
        columns[name] = _times(predictions, name, kind) if is_time else pa.nulls(len(rows), kind)
    return pa.table(columns)


def labelled_rows(window: Window, spec: AnySpec, taken: Sequence[str]) -> pa.Array:
    """Row numbers of the window's predictions whose truth is known and that were not collected yet, by time and id.

    Those that somebody tried on the page of the service are nothing that happened, and are left out.
    """
    predictions = window.predictions
    known = pc.is_valid(predictions.column("truth" if spec.problem == "classification" else "truth_values"))
    fresh = pc.invert(pc.is_in(predictions.column("prediction_id"), value_set=pa.array(list(taken), pa.string())))
    chosen = predictions.append_column("row", pa.array(range(len(predictions)), pa.int64()))
    happened = pc.and_(known, pc.invert(predictions.column("page")))
    chosen = chosen.select(["row", "time", "prediction_id"]).filter(pc.and_(happened, fresh))
    return chosen.sort_by([("time", "ascending"), ("prediction_id", "ascending")]).column("row").combine_chunks()


def refuse_redacted(spec: AnySpec, redacted: Sequence[str]) -> None:
    """Refuse a log that does not keep what the model is asked with.

    Raises:
        RefusedError: `serve.log.redact` names a feature.
    """
    lost = [name for name in (*spec.features, *spec.with_role("time")) if name in redacted]
    if lost:
        raise RefusedError(_not_kept(lost[0]))


def _feature(records: pa.Table, predictions: pa.Table, name: str, known: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of the records, which must be in the log as it is in the data.

    Args:
        records: of the log.
        predictions: of the log.
        name: of the column in the log.
        known: the same column of the data set.
    """
    if not len(predictions):
        return pa.chunked_array([], pa.null())
    if name not in records.column_names:
        raise RefusedError(_not_kept(name))
    column = records.column(name)
    # A redacted column is empty, or holds codes; by chance a column that is mostly there is not empty so often.
    empty = column.null_count == len(column) >= SURELY and known.null_count < len(known) / 2
    coded = pa.types.is_floating(known.type) and pa.types.is_string(column.type)
    if empty or coded:
        raise RefusedError(_not_kept(name))
    return column


def _not_kept(name: str) -> str:
    return (
        f"the log does not keep {name!r}, which the model is asked with, so that nothing can be learned from it: take "
        "it out of serve.log.redact (images are kept with serve.log.images=true), or collect records by other means"
    )


def _truth(predictions: pa.Table, spec: AnySpec) -> pa.ChunkedArray:
    if spec.problem == "classification":
        return predictions.column("truth").cast(pa.string())
    return pc.list_element(predictions.column("truth_values"), 0).cast(pa.float64())


def _times(predictions: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    """When each was asked, in the type of the data set's own times."""
    asked = predictions.column("time").cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return asked.cast(pa.timestamp(kind.unit, kind.tz) if pa.types.is_timestamp(kind) else kind, safe=False)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pc.strftime(asked, "%Y-%m-%dT%H:%M:%S").cast(kind)
    raise RefusedError(
        f"the data set's times {name!r} are of type {kind}, but a prediction has the time at which it was asked for: "
        "give the data set dates or time stamps"
    )
