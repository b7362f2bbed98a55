"""duplicates.json: records of one split that are the same, or nearly, as one of another: what makes a test too easy.

Shapes: N asked records, M known records, D features.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from lightloop.audit.scoring import Ruler, described, not_applicable
from lightloop.config.balance import Clean
from lightloop.config.image import ImageSpec
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.data.clean import rounded
from lightloop.data.near import (
    CHUNK,
    CORRELATED,
    RESEMBLING,
    SHINGLE,
    centred,
    compared_pixels,
    compared_steps,
    long_enough,
    plain_text,
    sequence_counter,
)
from lightloop.data.splits import SplitName

# (asked, known): what is asked about must not be known.
PAIRS: tuple[tuple[SplitName, SplitName], ...] = (("test", "train"), ("validation", "train"), ("test", "validation"))


class Closest(NamedTuple):
    """The most similar known record of each asked one.

    Attributes:
        similarity_N: up to 1, which is the same.
        copy_N: its row.
        exact_N: whether both are the same.
    """

    similarity_N: NDArray[np.float64]
    copy_N: NDArray[np.int64]
    exact_N: NDArray[np.bool_]


def duplicates(splits: Mapping[SplitName, pa.Table], ruler: Ruler) -> dict[str, Any]:
    """The content of duplicates.json.

    `method` and `limit` say what "near" means. `pairs` has a row for each two splits: `asked`, `known`, `n` (asked
    records), `exact` and `near` (how many of them have a copy, exact ones not among the near), `share` of both with its
    interval, `other_label` (how many of the closest copies have another label), `examples`: `id`, `copy`, `similarity`,
    `labels` (of both), the most similar first.
    """
    spec = ruler.config.data
    if isinstance(spec, SeriesSpec) and spec.problem == "forecasting":
        return not_applicable(
            "windows of one series overlap on purpose; the splits' forecast steps lie in ranges of time of their own"
        )
    method, limit = METHODS[spec.modality]
    rows = []
    for asked, known in PAIRS:
        found = closest(splits[asked], splits[known], spec)
        near_N = (found.similarity_N >= limit) & ~found.exact_N
        rows.append(
            {
                "asked": asked,
                "known": known,
                "n": len(splits[asked]),
                "exact": int(found.exact_N.sum()),
                "near": int(near_N.sum()),
                "share": ruler.mean(found.exact_N | near_N, splits[asked]),
                **_copies(splits[asked], splits[known], found, limit, ruler.settings.suspects),
            }
        )
    return described({"method": method, "limit": limit, "pairs": rows})


def _copies(asked: pa.Table, known: pa.Table, found: Closest, limit: float, most: int) -> dict[str, Any]:
    """How many copies have another label, and some of them."""
    rows = np.flatnonzero(found.exact_N | (found.similarity_N >= limit))
    rows = rows[np.argsort(-found.similarity_N[rows], kind="stable")]
    ours, theirs = (
        table.select([name for name in ("id", "label") if name in table.column_names]).take(places).to_pylist()
        for table, places in ((asked, rows), (known, found.copy_N[rows]))
    )
    pairs = [
        {
            "id": one["id"],
            "copy": other["id"],
            "similarity": float(found.similarity_N[row]),
            "labels": [one.get("label"), other.get("label")],
        }
        for row, one, other in zip(rows, ours, theirs, strict=True)
    ]
    return {"other_label": sum(pair["labels"][0] != pair["labels"][1] for pair in pairs), "examples": pairs[:most]}


def closest(asked: pa.Table, known: pa.Table, spec: AnySpec) -> Closest:
    """Of each asked record the similarity (N,) to the most similar known one, its row, and whether both are equal."""
    if isinstance(spec, ImageSpec):
        return correlated(*(compared_pixels(table, spec) for table in (asked, known)))
    if isinstance(spec, SeriesSpec):
        return correlated(*(compared_steps(table, spec) for table in (asked, known)))
    if spec.modality == "text":
        return resembling(asked.column("text").to_pylist(), known.column("text").to_pylist())
    return equal_rows(asked, known, spec)


def correlated(asked_ND: NDArray[Any], known_MD: NDArray[Any]) -> Closest:
    """The highest correlation of each asked record with a known one; those without any contrast have none.

    Examples:
        >>> known = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 2.0]])
        >>> similarity, copy, exact = correlated(np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 2.0]]), known)
        >>> similarity.round(3).tolist(), copy.tolist(), exact.tolist()
        ([1.0, 1.0], [0, 1], [False, True])
    """
    rows = [centred(part) for part in (asked_ND, known_MD)]
    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rows[1])
    distance_N1, place_N1 = near.kneighbors(rows[0])
    # Of rows of length 1 the squared distance is 2 - 2 * correlation.
    similarity_N = 1 - np.square(distance_N1[:, 0].astype(np.float64)) / 2
    # A record without contrast is as near to every other such record as to itself.
    similarity_N = np.where(rows[0].any(1), similarity_N, 0.0)
    copies = {row.tobytes(): place for place, row in reversed(list(enumerate(np.ascontiguousarray(known_MD))))}
    same_N = np.array([copies.get(row.tobytes(), -1) for row in np.ascontiguousarray(asked_ND)], dtype=np.int64)
    return _or_same(same_N, similarity_N, place_N1[:, 0])


def resembling(asked: Sequence[str], known: Sequence[str]) -> Closest:
    """The highest resemblance of each asked text with a known one, counted exactly, not by sketches.

    Examples:
        >>> text = "one two three four five six"
        >>> similarity, copy, exact = resembling([text.upper(), "other"], ["nothing of that", text])
        >>> similarity.tolist(), copy.tolist(), exact.tolist()
        ([1.0, 0.0], [1, 0], [True, False])
    """
    plain = [[plain_text(text) for text in part] for part in (asked, known)]
    words = [[long_enough(text) for text in part] for part in plain]
    count = sequence_counter()
    known_MD = count.fit_transform(words[1]).astype(np.int32)
    asked_ND = count.transform(words[0]).astype(np.int32)
    # All of the asked text's sequences, also those that no known text has.
    sizes_N, sizes_M = np.array([_sequences(text) for text in words[0]]), np.asarray(known_MD.sum(1)).ravel()
    similarity_N, place_N = np.zeros(len(asked)), np.zeros(len(asked), dtype=np.int64)
    for start in range(0, len(asked), CHUNK):
        both = (asked_ND[start : start + CHUNK] @ known_MD.T).tocoo()
        union = sizes_N[start + both.row] + sizes_M[both.col] - both.data
        for row, column, value in zip(
            (start + both.row).tolist(), both.col.tolist(), (both.data / union).tolist(), strict=True
        ):
            if value > similarity_N[row]:
                similarity_N[row], place_N[row] = value, column
    same = {text: place for place, text in reversed(list(enumerate(plain[1])))}
    same_N = np.array([same.get(text, -1) for text in plain[0]], dtype=np.int64)
    return _or_same(same_N, similarity_N, place_N)


def _sequences(text: str) -> int:
    words = text.split()
    return len({tuple(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)})


def _or_same(same_N: NDArray[np.int64], similarity_N: NDArray[np.float64], place_N: NDArray[np.int64]) -> Closest:
    """The same record where there is one (a row of -1 says there is none), else the similar one."""
    exact_N = same_N >= 0
    return Closest(np.where(exact_N, 1.0, similarity_N), np.where(exact_N, same_N, place_N), exact_N)


def equal_rows(asked: pa.Table, known: pa.Table, spec: AnySpec) -> Closest:
    """Rows that are equal in every feature, or after their numbers are rounded to three digits (`data.clean`)."""
    frames = [table.select(spec.features).to_pandas() for table in (asked, known)]
    digits = Clean().digits
    found = []
    for exact in (True, False):
        keys = [
            [tuple(map(str, row)) for row in (frame if exact else rounded(frame, digits)).itertuples(index=False)]
            for frame in frames
        ]
        place = {key: row for row, key in reversed(list(enumerate(keys[1])))}
        found.append(np.array([place.get(key, -1) for key in keys[0]], dtype=np.int64))
    exact_N, near_N = found
    return _or_same(exact_N, (near_N >= 0).astype(np.float64), np.maximum(near_N, 0))


METHODS: dict[str, tuple[str, float]] = {
    "image": ("correlation of the pixels", CORRELATED),
    "series": ("correlation of the steps", CORRELATED),
    "text": (f"share of common sequences of {SHINGLE} words", RESEMBLING),
    "tabular": ("every feature is equal, numbers to three digits", 1.0),
}
