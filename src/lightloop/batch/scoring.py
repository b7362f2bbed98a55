"""Chunks of records to rows of output; what can't be scored is told with its reason.

Shapes: N records, K classes, H numbers of one answer.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.batch.sources import Chunk, Rejected
from lightloop.errors import RefusedError
from lightloop.serving.manifest import Manifest
from lightloop.serving.predictor import Predictor, Scored
from lightloop.serving.records import to_png

NOVELTY = pa.struct([("score", pa.float64()), ("p_value", pa.float64()), ("novel", pa.bool_())])


def output_schema(manifest: Manifest) -> pa.Schema:
    """The columns of an output: the row of the input, its id, and the fields of a prediction."""
    common = [("row", pa.int64()), ("id", pa.string())]
    told = [("novelty", NOVELTY), ("warnings", pa.list_(pa.string()))]
    if manifest.answer == "probabilities":
        of_classes = pa.struct([(name, pa.float64()) for name in manifest.classes])
        return pa.schema(
            [
                *common,
                ("label", pa.string()),
                ("probability", pa.float64()),
                ("probabilities", of_classes),
                ("possible", pa.list_(pa.string())),
                ("level", pa.float64()),
                ("abstains", pa.bool_()),
                *told,
            ]
        )
    if manifest.answer == "prediction":
        numbers = pa.list_(pa.float64())
        return pa.schema(
            [*common, ("values", numbers), ("intervals", pa.list_(numbers)), ("level", pa.float64()), *told]
        )
    return pa.schema([*common, ("image", pa.binary()), ("warnings", pa.list_(pa.string()))])


def score_chunk(predictor: Predictor, chunk: Chunk) -> tuple[pa.Table, list[Rejected]]:
    """Score the records of a chunk.

    Where one of them is refused, the chunk is divided until it stands alone: the others are answered all the same.

    Args:
        predictor: of the bundle.
        chunk: of an input.

    Returns:
        A row of `output_schema` for each record that was scored, and the others, both in the order of the input.
    """
    schema = output_schema(predictor.manifest)
    parts, rejected = _score(predictor, chunk, schema)
    table = pa.concat_tables(parts) if parts else schema.empty_table()
    return table, sorted([*chunk.rejected, *rejected], key=lambda one: one.row)


def _score(predictor: Predictor, chunk: Chunk, schema: pa.Schema) -> tuple[list[pa.Table], list[Rejected]]:
    if not chunk.rows:
        return [], []
    try:
        scored = predictor.score(predictor.table(chunk.records))
    except RefusedError as error:
        if len(chunk.rows) == 1:
            # It stands alone here: its number in the input is another.
            reason = (
                str(error)
                .removeprefix("record number 1: ")
                .replace("record number 1", "the record")
                .partition(": mend it")[0]
            )
            return [], [Rejected(chunk.rows[0], chunk.ids[0], reason)]
        middle = len(chunk.rows) // 2
        first, more = _score(predictor, _part(chunk, 0, middle), schema)
        second, others = _score(predictor, _part(chunk, middle, len(chunk.rows)), schema)
        return first + second, more + others
    table = pa.table(_columns(predictor, chunk, scored), schema=schema)
    answers = scored.answers[predictor.manifest.answer]
    finite_N = np.isfinite(answers).reshape(len(answers), -1).all(1)
    if finite_N.all():
        return [table], []
    reason = "the model has no finite answer to the record: its numbers are too large together"
    lost = [Rejected(chunk.rows[row], chunk.ids[row], reason) for row in np.flatnonzero(~finite_N).tolist()]
    return [table.filter(pa.array(finite_N))], lost


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    records = chunk.records
    some = records.slice(start, end - start) if isinstance(records, pa.Table) else records[start:end]
    return Chunk(chunk.rows[start:end], chunk.ids[start:end], some)


def _columns(predictor: Predictor, chunk: Chunk, scored: Scored) -> dict[str, Any]:
    manifest, records = predictor.manifest, len(chunk.rows)
    found: dict[str, Any] = {
        "row": pa.array(chunk.rows, pa.int64()),
        "id": pa.array(chunk.ids, pa.string()),
        "warnings": pa.array([list(one) for one in scored.warnings], pa.list_(pa.string())),
    }
    if scored.codes is not None and scored.sets is not None:
        p_NK = scored.answers["probabilities"].astype(np.float64)
        names = pa.array(manifest.classes, pa.string())
        found |= {
            "label": names.take(pa.array(scored.codes)),
            "probability": pa.array(p_NK[np.arange(records), scored.codes]),
            "probabilities": pa.StructArray.from_arrays(
                [pa.array(column) for column in p_NK.T], list(manifest.classes)
            ),
            "possible": _chosen(names, scored.sets),
            "abstains": pa.array(scored.abstains),
        }
    elif scored.ends is not None:
        values_NH = scored.answers["prediction"].reshape(records, -1).astype(np.float64)
        found |= {"values": _lists(values_NH), "intervals": _pairs(scored.ends)}
    else:
        return found | {"image": pa.array([to_png(image) for image in scored.answers[manifest.answer]], pa.binary())}
    found["level"] = pa.array(np.full(records, predictor.level)) if predictor.level else pa.nulls(records, pa.float64())
    if scored.novelty is None or manifest.novelty is None:
        return found | {"novelty": pa.nulls(records, NOVELTY)}
    scores_N, p_values_N = scored.novelty
    novel_N = p_values_N <= manifest.novelty.level
    arrays = [pa.array(scores_N), pa.array(p_values_N), pa.array(novel_N)]
    return found | {"novelty": pa.StructArray.from_arrays(arrays, fields=list(NOVELTY))}


def _chosen(names: pa.Array, inside_NK: NDArray[np.bool_]) -> pa.Array:
    """The names that are inside, a list a record."""
    ends = np.concatenate([[0], inside_NK.sum(1).cumsum()])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), names.take(pa.array(np.nonzero(inside_NK)[1])))


def _lists(values_NH: NDArray[np.float64]) -> pa.Array:
    records, numbers = values_NH.shape
    offsets = pa.array(np.arange(records + 1) * numbers, pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values_NH.ravel()))


def _pairs(ends_NH2: NDArray[np.floating[Any]]) -> pa.Array:
    """Low and high of each number; null for an end of which nothing is known."""
    records, numbers, _ = ends_NH2.shape
    flat = ends_NH2.astype(np.float64).ravel()
    pairs = pa.ListArray.from_arrays(
        pa.array(np.arange(records * numbers + 1) * 2, pa.int32()), pa.array(flat, mask=~np.isfinite(flat))
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(records + 1) * numbers, pa.int32()), pairs)
