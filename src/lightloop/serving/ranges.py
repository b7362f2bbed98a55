"""What training records were like, and sentences about records that are not: values outside the range, words unknown.

A warning never changes an answer.

Shapes: N records, T steps or tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.image.input import ImageInput
from lightloop.data.inputs import Feeds, RecordInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import MISSING, Feature, TabularInput
from lightloop.data.text.input import PADDING, UNKNOWN, TextInput
from lightloop.errors import RefusedError
from lightloop.serving.manifest import Manifest, Ranges
from lightloop.serving.records import image_size

Warned = list[list[str]]
# Training records that are looked at, at most.
SOME = 2000
# An image is of a very different size where a side is so many times the training images'.
TIMES = 2.0
RARE = 0.99
ROUNDING = 1e-6


def learn_ranges(manifest: Manifest, train: pa.Table, files: Mapping[str, bytes], seed: int) -> Ranges | None:
    """What `warnings_of` compares records with.

    Args:
        manifest: of the bundle; what its `input` says is not said again.
        train: the training records.
        files: of the preprocessing.
        seed: of the draw among them.
    """
    schema = manifest.input
    order = np.sort(np.random.default_rng(seed).permutation(len(train))[:SOME])
    some = train.take(order)
    if not len(some):
        return None
    if isinstance(schema, ImageInput):
        sizes = np.array(sizes_of(schema, some))
        low, high = sizes.min(0).tolist(), sizes.max(0).tolist()
        return Ranges(widths=(low[0], high[0]), heights=(low[1], high[1]))
    if isinstance(schema, TextInput):
        shares = _unknown(schema.encode(some, files)["ids"])
        return Ranges(unknown=_round(np.quantile(shares, RARE)))
    if isinstance(schema, SeriesInput):
        values_NT = schema.encode(train, files)["series"][:, :, 0]
        known = values_NT[np.isfinite(values_NT)]
        gaps = _round(np.isnan(values_NT).mean(1).max())
        return Ranges(gaps=gaps, values=(float(known.min()), float(known.max())) if len(known) else None)
    return None


def sizes_of(schema: RecordInput, table: pa.Table) -> list[tuple[int, int]]:
    """Width and height of each image; nothing of other records.

    Raises:
        RefusedError: one is missing, no image, or has too many pixels.
    """
    found: list[tuple[int, int]] = []
    if not isinstance(schema, ImageInput):
        return found
    for row, encoded in enumerate(table.column("image").to_pylist(), start=1):
        if encoded is None:
            raise RefusedError(f"record number {row} has no image: leave it out, or give it one")
        try:
            found.append(image_size(encoded))
        except RefusedError as error:
            raise RefusedError(f"record number {row}: {error}") from None
    return found


def warnings_of(
    manifest: Manifest,
    table: pa.Table,
    feeds: Feeds,
    *,
    sizes: Sequence[tuple[int, int]] = (),
    longer_N: NDArray[np.bool_] | None = None,
) -> list[tuple[str, ...]]:
    """Sentences about each record (N), none where nothing is unusual.

    Args:
        manifest: of the bundle.
        table: the raw records.
        feeds: the same ones encoded.
        sizes: of images; see `sizes_of`.
        longer_N: whether each text is longer than what is read of it.
    """
    schema, ranges = manifest.input, manifest.ranges or Ranges()
    found: Warned = [[] for _ in range(len(table))]
    match schema:
        case TabularInput(features=features):
            return of_rows(features, feeds, len(table))
        case ImageInput():
            _of_images(found, sizes, ranges)
        case TextInput():
            assert longer_N is not None
            _of_texts(found, (schema, ranges), table.column("text").to_pylist(), feeds["ids"], longer_N)
        case SeriesInput():
            _of_series(found, schema, ranges, table, feeds["series"][:, :, 0])
        case NoiseInput():
            pass
    return [tuple(sentences) for sentences in found]


def of_rows(features: Sequence[Feature], feeds: Feeds, count: int) -> list[tuple[str, ...]]:
    """Sentences about the rows of a table, by some of its columns; see `warnings_of`."""
    found: Warned = [[] for _ in range(count)]
    for feature in features:
        _of_feature(found, feature, feeds[feature.name][:, 0])
    return [tuple(sentences) for sentences in found]


def _of_feature(found: Warned, feature: Feature, values_N: NDArray[Any]) -> None:
    if feature.kind == "number":
        if feature.low is not None and feature.high is not None:
            # Both as the float32 that the model sees.
            low, high = np.float32(feature.low), np.float32(feature.high)
            for row in np.flatnonzero((values_N < low) | (values_N > high)).tolist():
                found[row].append(
                    f"{feature.name} is {values_N[row]:g}, outside of the training records' {low:g} to {high:g}."
                )
        absent_N = np.isnan(values_N)
    else:
        absent_N = values_N == MISSING
        known = {*feature.values, MISSING}
        for place, value in enumerate(values_N.tolist()):
            if value not in known:
                found[place].append(f"{feature.name} is {_short(value)}, which no training record has.")
    if not feature.missing:
        for row in np.flatnonzero(absent_N).tolist():
            found[row].append(f"{feature.name} is missing, which it is in no training record.")


def _of_images(found: Warned, sizes: Sequence[tuple[int, int]], ranges: Ranges) -> None:
    if ranges.widths is None or ranges.heights is None:
        return
    for row, (width, height) in enumerate(sizes):
        outside = [
            side < low / TIMES or side > high * TIMES
            for side, (low, high) in ((width, ranges.widths), (height, ranges.heights))
        ]
        if any(outside):
            found[row].append(
                f"The image has {width} x {height} pixels and was scaled; training images have "
                f"{_span(ranges.widths)} x {_span(ranges.heights)}."
            )


def _of_texts(
    found: Warned,
    known: tuple[TextInput, Ranges],
    texts: list[str],
    ids_NT: NDArray[np.int64],
    longer_N: NDArray[np.bool_],
) -> None:
    schema, ranges = known
    kept = {"head": "first", "tail": "last", "both": "first and last"}[schema.truncation]
    for row in np.flatnonzero(longer_N).tolist():
        found[row].append(f"The text is longer than {schema.max_length} tokens: only the {kept} ones are read.")
    shares_N, most = _unknown(ids_NT), ranges.unknown if ranges.unknown is not None else 1.0
    for row, text in enumerate(texts):
        if not text.strip():
            found[row].append("The text is empty.")
        elif shares_N[row] > most:
            found[row].append(f"{100 * shares_N[row]:.0f} % of the text's tokens are unknown to the model.")


def _of_series(
    found: Warned, schema: SeriesInput, ranges: Ranges, table: pa.Table, values_NT: NDArray[np.float32]
) -> None:
    lengths_N = np.asarray(table.column(schema.column).combine_chunks().value_lengths(), dtype=np.int64)
    given_N = np.minimum(lengths_N, schema.window)
    missing_NT = np.isnan(values_NT)
    known_N = ~missing_NT.all(1)
    for row in np.flatnonzero(~known_N):
        found[row].append("The series has no known value, so that the answer rests on none.")
    for row in np.flatnonzero(known_N & (given_N < schema.window)):
        found[row].append(f"The series has {given_N[row]} of {schema.window} steps: the others count as missing.")
    if ranges.gaps is not None:
        # Steps that were not given are no gaps.
        gaps_N = (missing_NT.sum(1) - (schema.window - given_N)) / np.maximum(given_N, 1)
        for row in np.flatnonzero(known_N & (gaps_N > ranges.gaps + ROUNDING)):
            found[row].append(f"{100 * gaps_N[row]:.0f} % of the steps are missing, more than in any training record.")
    if ranges.values is not None:
        low, high = np.float32(ranges.values[0]), np.float32(ranges.values[1])
        least_N = np.where(missing_NT, np.inf, values_NT).min(1)
        greatest_N = np.where(missing_NT, -np.inf, values_NT).max(1)
        for row in np.flatnonzero(known_N & ((least_N < low) | (greatest_N > high))):
            found[row].append(
                f"Values from {least_N[row]:g} to {greatest_N[row]:g} leave the training records' range "
                f"{low:g} to {high:g}."
            )


def _unknown(ids_NT: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of unknown tokens (N,)."""
    return np.asarray((ids_NT == UNKNOWN).sum(1) / np.maximum((ids_NT != PADDING).sum(1), 1), dtype=np.float64)


def _span(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _round(number: Any) -> float:
    return round(float(number), 6)


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:37]}...")
