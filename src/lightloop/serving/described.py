"""Records as named columns that drift is looked for in: the columns of a table, a few numbers of anything else.

Shapes: N records, C channels, H height, W width, T tokens or steps.
"""

from collections.abc import Mapping
from math import prod
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput, as_categories, as_numbers
from lightloop.data.text.input import PADDING, UNKNOWN, TextInput
from lightloop.serving.novelty import filled
from lightloop.serving.ranges import sizes_of

# float64 with NaN where there is no value, or Arrow text with null.
Values: TypeAlias = NDArray[np.float64] | pa.ChunkedArray
COLOURS = ("red", "green", "blue")
SOME = 50_000  # levels at once
AnyInput = ImageInput | TabularInput | TextInput | SeriesInput | NoiseInput


def described(schema: AnyInput, table: pa.Table, files: Mapping[str, bytes]) -> dict[str, Values]:
    """Records as columns of N values each: numbers as float64 with NaN, categories as Arrow text with null.

    Of a table its own columns, as `records.to_table` gives them; of those that the table lacks none. Of images
    `brightness`, `contrast` (mean and deviation of levels, 0 to 1), `edges` (mean step between neighbours), of colour
    images the means `red`, `green`, `blue`, and `width` and `height` as they came. Of texts `characters`, `tokens`,
    the shares `unknown` (of tokens), `different` (of tokens), `capitals` and `digits` (of characters). Of series
    `level` (mean), `spread` (deviation), `trend` (by how much the straight line through it rises), `roughness`
    (deviation of the steps), `gaps` (share of steps without a value).

    Args:
        schema: of the bundle.
        table: the raw records, none of them null.
        files: of the preprocessing.

    Raises:
        RefusedError: a record is not as the schema says.

    Examples:
        >>> from lightloop.data.tabular.input import Feature
        >>> schema = TabularInput(features=(Feature(name="age", kind="number"),))
        >>> described(schema, pa.table({"age": [30, None]}), {})["age"].tolist()
        [30.0, nan]
    """
    match schema:
        case TabularInput():
            return _of_rows(schema, table)
        case ImageInput():
            if "image" not in table.column_names:  # a log that keeps no images has these numbers instead
                kept = [name for name in image_columns(schema) if name in table.column_names]
                return {name: as_numbers(table.column(name), name) for name in kept}
            return _of_images(schema, table, files)
        case TextInput():
            return _of_texts(schema, table, files)
        case SeriesInput():
            return _of_series(schema.encode(table, files)["series"][:, :, 0])
        case NoiseInput():
            return {}


def _of_rows(schema: TabularInput, table: pa.Table) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for feature in schema.features:
        if feature.name not in table.column_names:
            continue
        column = table.column(feature.name)
        if feature.kind == "number":
            found[feature.name] = as_numbers(column, feature.name)
        else:
            texts = as_categories(column, feature.name)
            # An empty text is a missing category.
            found[feature.name] = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
    return found


def _of_images(schema: ImageInput, table: pa.Table, files: Mapping[str, bytes]) -> dict[str, Values]:
    sizes = np.array(sizes_of(schema, table), dtype=np.float64)
    return of_pixels(schema.encode(table, files)["image"], sizes.reshape(len(table), 2))


def of_pixels(pixels_NCHW: NDArray[np.uint8], sizes_N2: NDArray[np.float64]) -> dict[str, Values]:
    """What `described` says of images, from the pixels that the model saw, and the widths and heights that came."""
    step = max(1, SOME // prod(pixels_NCHW.shape[1:]))
    parts = [_of_some(pixels_NCHW[start : start + step]) for start in range(0, max(len(pixels_NCHW), 1), step)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sizes = {"width": sizes_N2[:, 0], "height": sizes_N2[:, 1]}
    return {name: (sizes | whole)[name] for name in _names(pixels_NCHW.shape[1])}


def _of_some(pixels_NCHW: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """The same of a few images, which the processor's own memory holds with all that is made of them."""
    levels_NCHW = pixels_NCHW.astype(np.float32) / np.float32(255)
    count = len(levels_NCHW)
    flat_NL, down, across = (
        one.reshape(count, prod(one.shape[1:]))
        for one in (levels_NCHW, np.abs(np.diff(levels_NCHW, axis=2)), np.abs(np.diff(levels_NCHW, axis=3)))
    )
    found = {
        "brightness": flat_NL.mean(1, dtype=np.float64),
        "contrast": flat_NL.std(1, dtype=np.float64),
        "edges": np.concatenate([down, across], axis=1).mean(1, dtype=np.float64),
    }
    if levels_NCHW.shape[1] == 3:
        means_NC = levels_NCHW.mean((2, 3), dtype=np.float64)
        found |= {name: means_NC[:, place] for place, name in enumerate(COLOURS)}
    return found


def image_columns(schema: ImageInput) -> tuple[str, ...]:
    """Names of the numbers that describe an image."""
    return _names(schema.channels)


def _names(channels: int) -> tuple[str, ...]:
    return ("brightness", "contrast", "edges", "width", "height", *(COLOURS if channels == 3 else ()))


def _of_texts(schema: TextInput, table: pa.Table, files: Mapping[str, bytes]) -> dict[str, Values]:
    texts = table.column("text").to_pylist()
    ids_NT = schema.encode(table, files)["ids"]
    inside_NT = ids_NT != PADDING
    tokens_N = np.maximum(inside_NT.sum(1), 1).astype(np.float64)
    different_N = np.array([len(np.unique(row[row != PADDING])) for row in ids_NT], dtype=np.float64)
    characters_N = np.array([len(text) for text in texts], dtype=np.float64)
    least_N = np.maximum(characters_N, 1)
    return {
        "characters": characters_N,
        "tokens": tokens_N,
        "unknown": (ids_NT == UNKNOWN).sum(1) / tokens_N,
        "different": different_N / tokens_N,
        "capitals": np.array([sum(map(str.isupper, text)) for text in texts], dtype=np.float64) / least_N,
        "digits": np.array([sum(map(str.isdigit, text)) for text in texts], dtype=np.float64) / least_N,
    }


def _of_series(series_NT: NDArray[np.float32]) -> dict[str, Values]:
    missing_NT = np.isnan(series_NT)
    whole_NT = filled(series_NT)
    empty_N = missing_NT.all(1)
    steps = whole_NT.shape[1]
    centred_T = np.arange(steps) - (steps - 1) / 2
    rise = whole_NT @ centred_T / max(float(centred_T @ centred_T), 1.0) * max(steps - 1, 1)
    moves = np.diff(whole_NT, axis=1).std(1) if steps > 1 else np.zeros(len(whole_NT))
    known = {"level": whole_NT.mean(1), "spread": whole_NT.std(1), "trend": rise, "roughness": moves}
    return {**{name: np.where(empty_N, np.nan, values) for name, values in known.items()}, "gaps": missing_NT.mean(1)}
