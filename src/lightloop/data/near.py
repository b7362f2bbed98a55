"""Which images, texts and whole series are nearly the same: measures that cleaning and the audit share.

Shapes: N records, D numbers of a record, T steps, V sequences of words.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.image import ImageSpec
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.config.text import TextSpec
from lightloop.data.image.records import decode_images, reduced_size
from lightloop.data.series.input import SeriesInput

# Correlation of the pixels of images, or of the steps of series, from which on they are nearly the same.
CORRELATED = 0.99
# Share of five-word sequences that two texts have in common, of all that either has (Broder 1997).
RESEMBLING = 0.8
SHINGLE = 5  # words
CHUNK = 500
# Pixels of an image that are compared: larger images are scaled down to as many.
POSITIONS = 32 * 32

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def near_copies(table: pa.Table, spec: AnySpec, *, exact: bool = False) -> NDArray[np.bool_]:
    """Which records (N,) are the same or nearly as an earlier one that stays.

    Of images the correlation of pixels counts, of whole series that of the steps that are used, of texts the share of
    common sequences of words; see `CORRELATED` and `RESEMBLING`. What is like a record that is left out, and like none
    that stays, stays.

    Args:
        table: records of `data.records.read_records`, of images, texts or whole series.
        spec: their data set.
        exact: whether only the same count.

    Raises:
        RefusedError: an image does not decode.

    Examples:
        >>> from lightloop.config.text import TextSpec
        >>> spec = TextSpec(name="x", modality="text", problem="classification", path="x", expectations="x",
        ...     files={"train": "x.csv"}, columns={"t": "feature", "y": "target"}, classes=["a", "b"],
        ...     split={"test": 0.5})
        >>> near_copies(pa.table({"text": ["Good morning", "good  MORNING", "good night"]}), spec).tolist()
        [False, True, False]
    """
    kinds: list[bytes] | list[str]
    if isinstance(spec, ImageSpec):
        pixels_ND = compared_pixels(table, spec)
        kinds = [row.tobytes() for row in pixels_ND]
        pairs = _correlated_pairs(pixels_ND)
    elif isinstance(spec, SeriesSpec):
        steps_NT = compared_steps(table, spec)
        kinds = [row.tobytes() for row in steps_NT]
        pairs = _correlated_pairs(steps_NT)
    elif isinstance(spec, TextSpec):
        kinds = [plain_text(text or "") for text in table.column("text").to_pylist()]
        pairs = _resembling_pairs(kinds)
    else:
        raise TypeError(f"records of a {spec.modality} data set are compared as rows")
    return _later_copies(kinds, iter(()) if exact else pairs)


def compared_pixels(table: pa.Table, spec: ImageSpec) -> NDArray[np.uint8]:
    """Images as rows (N, D) of pixels, at a size at which they are compared."""
    size = reduced_size(spec.size, POSITIONS)
    return decode_images(table.column("image").to_pylist(), size, spec.channels).reshape(len(table), -1)


def compared_steps(table: pa.Table, spec: SeriesSpec) -> NDArray[np.float64]:
    """Whole series as rows (N, T) of the steps that are used; gaps are 0."""
    schema = SeriesInput(column=spec.known, window=spec.window)
    return np.nan_to_num(schema.encode(table, {})["series"][:, :, 0])


def centred(values_ND: NDArray[Any]) -> NDArray[np.float32]:
    """Rows less their mean, of length 1, so that products of rows are correlations; without contrast all 0."""
    values_ND = values_ND.astype(np.float32)
    values_ND -= values_ND.mean(1, keepdims=True)
    length_N1 = np.linalg.norm(values_ND, axis=1, keepdims=True)
    return np.asarray(values_ND / np.where(length_N1 > 0, length_N1, 1.0), dtype=np.float32)


def plain_text(text: str) -> str:
    r"""A text by which it is compared: width, case and space of letters do not count.

    Examples:
        >>> plain_text("Ｇood\n MORNING ")
        'good morning'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def long_enough(text: str) -> str:
    """A text shorter than a sequence becomes one that only the same text shares."""
    return text if text.count(" ") >= SHINGLE - 1 else " ".join([f"={text}=", *"." * (SHINGLE - 1)])


def sequence_counter() -> Any:
    """What counts in which texts each sequence of words is, as scikit-learn's vectorizers do."""
    from sklearn.feature_extraction.text import CountVectorizer

    size = (SHINGLE, SHINGLE)
    return CountVectorizer(binary=True, lowercase=False, tokenizer=str.split, token_pattern=None, ngram_range=size)


def _correlated_pairs(values_ND: NDArray[Any]) -> Iterator[Pairs]:
    rows_ND = centred(values_ND)
    for start in range(0, len(rows_ND), CHUNK):
        stop = min(start + CHUNK, len(rows_ND))
        later, earlier = np.nonzero(rows_ND[start:stop] @ rows_ND[:stop].T >= CORRELATED)
        yield later + start, earlier


def _resembling_pairs(plain: Sequence[str]) -> Iterator[Pairs]:
    count_NV = sequence_counter().fit_transform([long_enough(text) for text in plain]).astype(np.int32)
    size_N = np.asarray(count_NV.sum(1)).ravel()
    for start in range(0, len(plain), CHUNK):
        both = (count_NV[start : start + CHUNK] @ count_NV[: start + CHUNK].T).tocoo()
        later, earlier = both.row + start, both.col.astype(np.int64)
        near = both.data >= RESEMBLING * (size_N[later] + size_N[earlier] - both.data)
        yield later[near].astype(np.int64), earlier[near]


def _later_copies(kinds: Sequence[Any], pairs: Iterator[Pairs]) -> NDArray[np.bool_]:
    """Which records repeat an earlier one that stays: `kinds` are equal for the same ones, `pairs` are near."""
    copies_N = np.zeros(len(kinds), dtype=bool)
    seen = set()
    for row, kind in enumerate(kinds):
        copies_N[row] = kind in seen
        seen.add(kind)
    for rows, others in pairs:
        # Rows come in their order, so that it is known of each earlier one whether it stays.
        order = np.argsort(rows, kind="stable")
        for row, other in zip(rows[order].tolist(), others[order].tolist(), strict=True):
            if other < row and not copies_N[other]:
                copies_N[row] = True
    return copies_N
