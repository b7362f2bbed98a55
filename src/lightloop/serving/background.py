"""What a bundle holds to explain its answers: what records are compared with, drawn from training records.

Shapes: M training records, S of them that are kept, T steps, C channels.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.image.input import ImageInput
from lightloop.data.inputs import RecordInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import TextInput
from lightloop.serving.manifest import EXPLANATION, Explaining

Arrays = dict[str, NDArray[Any]]
# Training records whose mean is the typical one, and rows of a table that are kept: each costs a request its share.
AVERAGED, KEPT = 1000, 16
BLOCKS = 7  # of pixels, along each side
TOKENS = 48  # parts of a text
STEPS = 24  # parts of a series


def background(
    schema: RecordInput, files: Mapping[str, bytes], train: pa.Table, seed: int
) -> tuple[Explaining | None, Arrays]:
    """What the manifest says about explaining, and the arrays that it needs.

    Of a table rows of training records, one array a column by its place among the features: what is left out of a
    record has their values in turn. Of images the mean image (`typical`, uint8). Of series the mean course
    (`typical`, float32 (T,)), as a difference from its last value, so that it can be put on any level. Texts need
    nothing: a token that is left out is the unknown one.

    Args:
        schema: of a raw record.
        files: of the preprocessing.
        train: the training records.
        seed: of the draws.

    Returns:
        None and nothing for what has no records to explain.

    Raises:
        RefusedError: a record is not as the schema says.
    """
    if isinstance(schema, TextInput):
        return Explaining(noun="tokens", units=TOKENS), {}
    order = np.random.default_rng(seed).permutation(len(train))
    some = train.take(np.sort(order[: KEPT if isinstance(schema, TabularInput) else AVERAGED]))
    if isinstance(schema, TabularInput):
        feeds = schema.encode(some, files)
        # Text as a type that NumPy stores without pickling.
        arrays = {
            str(place): values[:, 0].astype(str) if values.dtype == object else values[:, 0]
            for place, values in enumerate(feeds.values())
        }
        return Explaining(noun="columns", units=len(arrays), records=len(some), file=EXPLANATION), arrays
    if isinstance(schema, ImageInput):
        mean_CHW = schema.encode(some, files)["image"].mean(0)
        units = min(BLOCKS, schema.size[0]) * min(BLOCKS, schema.size[1])
        return Explaining(noun="pixels", units=units, file=EXPLANATION), {"typical": mean_CHW.round().astype(np.uint8)}
    if isinstance(schema, SeriesInput):
        values_MT = schema.encode(some, files)["series"][:, :, 0].astype(np.float64)
        course_MT = values_MT - last_known(values_MT)[:, None]
        known_T = np.isfinite(course_MT).any(0)
        typical_T = np.zeros(course_MT.shape[1])
        typical_T[known_T] = np.nanmean(course_MT[:, known_T], axis=0)
        arrays = {"typical": typical_T.astype(np.float32)}
        return Explaining(noun="steps", units=min(STEPS, schema.window), file=EXPLANATION), arrays
    return None, {}


def last_known(values_NT: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The last value of each series that is not missing (N,); 0 where all are.

    Examples:
        >>> last_known(np.array([[1.0, 2.0, np.nan], [np.nan, np.nan, np.nan]])).tolist()
        [2.0, 0.0]
    """
    known_NT = np.isfinite(values_NT)
    place_N = values_NT.shape[1] - 1 - known_NT[:, ::-1].argmax(1)
    return np.where(known_NT.any(1), values_NT[np.arange(len(values_NT)), place_N], 0.0)


def packed(arrays: Arrays) -> bytes:
    """The arrays as an .npz: the same arrays are the same bytes, since NumPy dates every member 1980."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type] # the other argument is a switch
    return stream.getvalue()
