"""Whether a record is unlike the training records: its distance from them, held against those of validation records.

A record and its answer are described by some numbers, which are whitened; the score is the distance to the k-th nearest
of some training records (deep nearest neighbours, arXiv:2204.06507, here of plain descriptions, so that it needs no
further output of the graph). The p-value is conformal (Bates et al. 2023, arXiv:2104.08279): of records that are like
the validation records, at most a share `level` has a p-value of `level` or less. NumPy alone.

Shapes: N records, D numbers of a description, R reference records, V validation records, T tokens or steps, C channels,
H height, W width, B blocks, M columns of numbers, K knots, E a description and one number more.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from math import inf, isfinite, isnan, prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.data.image.input import ImageInput
from lightloop.data.inputs import Feeds, RecordInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import PADDING, UNKNOWN, TextInput
from lightloop.errors import LightloopError
from lightloop.serving.manifest import ANEW, Manifest

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
NEIGHBOURS = 5
BLOCKS = 7  # of an image, along each side
STRETCHES = 26  # of a series
# Beyond the training records' range a number counts as so many standard deviations, however far it is.
EDGE = 4.0
ROWS = 256  # compared at once
LEAST, FAR = 1e-6, 1e6
SAME = 1 - 1e-6  # times a score is the least that is equal to it but for rounding, which is that of float32

# Each level of a pixel as a share of the highest, and the square of that, as one number of two parts: NumPy then looks
# both up at once.
LEVELS_L = (np.arange(256, dtype=np.float32) / np.float32(255)).astype(np.complex64)
LEVELS_L.imag = LEVELS_L.real * LEVELS_L.real


class Reference:
    """What records are compared with. What follows from the file alone is worked out once, since a request waits.

    Attributes:
        describe: records as numbers.
        arrays: of the file; see `release.reference.fit_reference`.
    """

    def __init__(self, describe: "Describer", arrays: Arrays) -> None:
        self.describe = describe
        self.arrays = arrays
        rows_RD = arrays["rows"].astype(np.float32)
        self._whiten_DD = arrays["whiten"].astype(np.float32)
        self._mean_D = arrays["mean"]
        self._twice_DR = np.ascontiguousarray(2 * rows_RD.T)
        self._squares_R = np.einsum("rd,rd->r", rows_RD, rows_RD)
        self._place = min(NEIGHBOURS, len(rows_RD)) - 1
        self._mean_E, self._both_ERD = np.append(self._mean_D, 0.0).astype(np.float32), self._for_one()
        self._scores: list[float] = arrays["scores"].tolist() if "scores" in arrays else []

    def judge(self, feeds: Feeds, answers: Arrays) -> tuple[Floats, Floats]:
        """Scores (N,) and p-values (N,), each in (0, 1], of encoded records with the graph's answers to them."""
        scores_N = self.distances(self.describe(feeds, answers))
        return scores_N, p_values(scores_N, self.arrays["scores"])

    def judge_one(self, feeds: Feeds, answers: Arrays) -> tuple[float, float]:
        """The same of a single record, in fewer steps, since a request waits; the score up to float32's rounding."""
        x_E = self.describe.one(feeds, answers)
        x_E -= self._mean_E
        found_RD = x_E.dot(self._both_ERD)
        away_R, white_D = found_RD[: len(self._squares_R)], found_RD[len(self._squares_R) :]
        place = away_R.argmin()
        nearest = away_R.item(place)  # not a number, where any is none
        # The least, again and again, is found in a third of the time that it takes to part them.
        for _ in range(self._place):
            away_R[place] = inf
            place = away_R.argmin()
        nearest = nearest - nearest + away_R.item(place) + float(white_D.dot(white_D))
        if not isfinite(nearest):  # of numbers that are too large
            scores_N, p_N = self.judge(feeds, answers)
            return float(scores_N[0]), float(p_N[0])
        score = sqrt(max(nearest, 0.0))
        # See `p_values`.
        return score, (1 + len(self._scores) - bisect_left(self._scores, score * SAME)) / (1 + len(self._scores))

    def _for_one(self) -> NDArray[np.float32]:
        """What takes a description without the mean, and a 1 behind it, to all that `judge_one` needs (E, R + D).

        To each reference record the square of the distance, less the record's own square; and the whitened record.
        """
        whiten_DD = self.arrays["whiten"].astype(np.float64)
        away_DR = whiten_DD @ (-2 * self.arrays["rows"].astype(np.float64).T)
        last = np.concatenate([self._squares_R, np.zeros(len(whiten_DD))])
        return np.vstack([np.concatenate([away_DR, whiten_DD], axis=1), last]).astype(np.float32)

    def distances(self, x_ND: Floats) -> Floats:
        """The distance (N,) of descriptions to the k-th nearest reference record; it does not depend on the others.

        It is finite: what is too far away for float32 is worked out in float64.
        """
        parts = []
        with np.errstate(over="ignore", invalid="ignore"):
            white_ND = self.whitened(x_ND)
            for start in range(0, len(white_ND), ROWS):
                some_ND = white_ND[start : start + ROWS]
                # Less the record's own square, which changes no order.
                away_NR = self._squares_R - some_ND @ self._twice_DR
                away_NR.partition(self._place, axis=1)
                parts.append(away_NR[:, self._place] + (some_ND * some_ND).sum(1))
        nearest_N = np.concatenate(parts) if parts else np.zeros(0)
        found_N = np.sqrt(np.maximum(nearest_N, 0.0)).astype(np.float64)
        for row in np.flatnonzero(~np.isfinite(found_N)):
            white_D = (x_ND[row] - self._mean_D) @ self.arrays["whiten"]
            away_RD = self.arrays["rows"].astype(np.float64) - white_D
            found_N[row] = sqrt(np.partition(np.einsum("rd,rd->r", away_RD, away_RD), self._place)[self._place])
        return found_N

    def whitened(self, x_ND: Floats) -> NDArray[np.float32]:
        """Descriptions (N, D) as uncorrelated numbers of spread 1, float32."""
        white_ND: NDArray[np.float32] = (x_ND - self._mean_D).astype(np.float32) @ self._whiten_DD
        return white_ND


def p_values(scores_N: Floats, calibration_V: NDArray[Any]) -> Floats:
    """The conformal p-value (N,) of each score: the share of sorted calibration scores, and itself, that reach it.

    Scores that are equal but for rounding reach each other: a record has the same p-value alone and among others.

    Examples:
        >>> p_values(np.array([0.5, 9.0]), np.array([1.0, 2.0, 3.0])).tolist()
        [1.0, 0.25]
    """
    above_N = len(calibration_V) - np.searchsorted(calibration_V, scores_N * SAME, side="left")
    return np.asarray((1 + above_N) / (1 + len(calibration_V)), dtype=np.float64)


class Describer:
    """Encoded records with their answers as numbers (N, D), float64, all finite.

    Of `parts`, `input` describes the record (of an image the mean and the spread of levels in blocks; of a row numbers
    by their rank among the training records', and which of the frequent categories it has; of a text how rare its
    tokens are, how many are unknown, how many there are and how many different ones; of a series its course without its
    level, and how much it moves), `answer` the logits, or the numbers without the record's level.

    Args:
        schema: of a raw record.
        parts: see above.
        arrays: what a description needs to know of the training records.
    """

    def __init__(self, schema: RecordInput, parts: tuple[str, ...], arrays: Arrays) -> None:
        self.schema = schema
        self.parts = parts
        self._input: Callable[[Feeds], Floats]
        match schema:
            case ImageInput():
                self._input = _Images(schema)
            case TabularInput():
                self._input = _Rows(schema, arrays)
            case TextInput():
                surprise_V = arrays["surprise"]
                self._input = lambda feeds: _of_texts(feeds["ids"], surprise_V)
            case SeriesInput():
                self._input = lambda feeds: _of_series(filled(feeds["series"][:, :, 0]))
            case _:
                raise LightloopError(f"records of {type(schema).__name__} are not described")

    def __call__(self, feeds: Feeds, answers: Arrays) -> Floats:
        found = [self._input(feeds)] if "input" in self.parts else []
        if "answer" in self.parts:
            found.append(self._answer(feeds, answers))
        x_ND = np.concatenate(found, axis=1)
        return x_ND if np.isfinite(x_ND).all() else np.nan_to_num(x_ND, nan=0.0, posinf=FAR, neginf=-FAR)

    def one(self, feeds: Feeds, answers: Arrays) -> NDArray[np.float32]:
        """The description of a single record with a 1 behind it (E,), float32; its numbers need not be finite."""
        if self.parts == ("input", "answer") and "logits" in answers:
            match self._input:
                case _Images() as images:
                    return images.one(feeds["image"][0], answers["logits"][0])
                case _Rows() as rows:
                    return np.array([*rows.one(feeds), *answers["logits"][0].tolist(), 1.0], dtype=np.float32)
        return np.append(self(feeds, answers)[0], 1.0).astype(np.float32)

    def _answer(self, feeds: Feeds, answers: Arrays) -> Floats:
        if "logits" in answers:
            return answers["logits"].astype(np.float64)
        numbers = answers["prediction"].reshape(len(answers["prediction"]), -1).astype(np.float64)
        if isinstance(self.schema, SeriesInput):
            numbers = numbers - filled(feeds["series"][:, :, 0]).mean(1, keepdims=True)
        return _stretched(numbers)


class _Images:
    """Mean and spread of the levels (0 to 1) in blocks, channel by channel."""

    def __init__(self, schema: ImageInput) -> None:
        height, width = schema.size
        self._down_BH = _blocks(height)
        self._across_WB = np.ascontiguousarray(_blocks(width).T)
        blocks = (len(self._down_BH), self._across_WB.shape[1])
        # Products of tables are done sooner than those of a list of tables, of which a grey image is a single one.
        self._grey = schema.channels == 1
        self._shape = blocks if self._grey else (schema.channels, *blocks)
        self._count = prod(self._shape)
        # The same where levels and squares lie side by side: what takes the levels, and what takes the squares.
        self._parts_2WB = [np.kron(self._across_WB, part).astype(np.float32) for part in ([[1], [0]], [[0], [1]])]

    def __call__(self, feeds: Feeds) -> Floats:
        levels_NCHW = feeds["image"].astype(np.float32) / np.float32(255)
        mean = self._down_BH @ levels_NCHW @ self._across_WB
        spread = np.sqrt(np.maximum(self._down_BH @ (levels_NCHW * levels_NCHW) @ self._across_WB - mean * mean, 0))
        return np.concatenate([mean.reshape(len(mean), -1), spread.reshape(len(mean), -1)], axis=1).astype(np.float64)

    def one(self, image_CHW: NDArray[np.uint8], logits_K: NDArray[Any]) -> NDArray[np.float32]:
        """The same of a single image, with its logits and a 1 behind; in few steps, each of which costs a request."""
        count = self._count
        x_E = np.empty(2 * count + len(logits_K) + 1, dtype=np.float32)
        x_E[-1] = 1.0
        x_E[2 * count : -1] = logits_K
        mean_D, spread_D = x_E[:count], x_E[count : 2 * count]
        levels_HW = LEVELS_L.take(image_CHW[0] if self._grey else image_CHW)
        rows_B2W = self._down_BH @ levels_HW.view(np.float32)
        for part_D, part_2WB in zip((mean_D, spread_D), self._parts_2WB, strict=True):
            np.matmul(rows_B2W, part_2WB, out=part_D.reshape(self._shape))
        spread_D -= mean_D * mean_D
        np.maximum(spread_D, 0, out=spread_D)
        np.sqrt(spread_D, out=spread_D)
        return x_E


def _blocks(length: int) -> NDArray[np.float32]:
    """What takes means over at most `BLOCKS` stretches of about the same length (B, length)."""
    count = min(BLOCKS, length)
    own_L = np.arange(length) * count // length
    member_BL = (own_L == np.arange(count)[:, None]).astype(np.float32)
    return np.asarray(member_BL / member_BL.sum(1, keepdims=True), dtype=np.float32)


class _Rows:
    """Of each number its normal score by rank and whether it is missing; of each category which of the frequent."""

    def __init__(self, schema: TabularInput, arrays: Arrays) -> None:
        places = {feature.name: place for place, feature in enumerate(schema.features)}
        self._numbers = [one.name for one in schema.features if one.kind == "number"]
        knots = [arrays[f"knots{places[name]}"] for name in self._numbers]
        scores = [arrays[f"normal{places[name]}"] for name in self._numbers]
        longest = max((len(one) for one in knots), default=0) + 1
        # Filled up at the end: no value reaches an infinite knot.
        self._knots_MK = np.array([[*one, *[np.inf] * (longest - len(one))] for one in knots]).reshape(-1, longest)
        self._scores_MK = np.array([[*one, *[EDGE] * (longest - len(one))] for one in scores]).reshape(-1, longest)
        self._counts_M = np.array([len(one) for one in knots], dtype=np.int64)
        self._lines = [(name, x.tolist(), y.tolist()) for name, x, y in zip(self._numbers, knots, scores, strict=True)]
        self._categories: list[tuple[str, dict[str, int], int]] = []
        width = 0
        for feature in schema.features:
            if feature.kind != "number":
                shown = arrays[f"shown{places[feature.name]}"].tolist()
                rare = dict.fromkeys(feature.values, -1) | {"": -1}
                own = rare | {value: width + number for number, value in enumerate(shown)}
                self._categories.append((feature.name, own, width + len(shown)))
                width += len(shown) + 1
        self._width = width

    def __call__(self, feeds: Feeds) -> Floats:
        records = len(next(iter(feeds.values())))
        chosen_ND = np.zeros((records, self._width))
        for name, own, unknown in self._categories:
            for row, value in enumerate(feeds[name][:, 0].tolist()):
                place = own.get(value, unknown)
                if place >= 0:
                    chosen_ND[row, place] = 1.0
        if not self._numbers:
            return chosen_ND
        values_NM = np.concatenate([feeds[name] for name in self._numbers], axis=1).astype(np.float64)
        absent_NM = np.isnan(values_NM)
        parts = [self._ranks(values_NM[start : start + ROWS]) for start in range(0, records, ROWS)]
        ranks_NM = np.concatenate(parts) if parts else values_NM
        return np.concatenate([np.where(absent_NM, 0.0, ranks_NM), absent_NM, chosen_ND], axis=1)

    def one(self, feeds: Feeds) -> list[float]:
        """The same of a single row: with a few numbers Python is done before NumPy has begun."""
        ranks, absent, chosen = [], [], [0.0] * self._width
        for name, knots, scores in self._lines:
            value: float = feeds[name].item()
            missing = isnan(value)
            absent.append(float(missing))
            ranks.append(0.0 if missing else _rank(value, knots, scores))
        for name, own, unknown in self._categories:
            place = own.get(feeds[name].item(), unknown)
            if place >= 0:
                chosen[place] = 1.0
        return [*ranks, *absent, *chosen] if self._numbers else chosen

    def _ranks(self, values_NM: Floats) -> Floats:
        """Normal scores (N, M), on straight lines between the knots, `EDGE` beyond them."""
        after_NM = (values_NM[:, :, None] >= self._knots_MK).sum(2)
        columns_M = np.arange(values_NM.shape[1])
        low_NM = np.clip(after_NM - 1, 0, np.maximum(self._counts_M - 2, 0))
        x0, y0 = self._knots_MK[columns_M, low_NM], self._scores_MK[columns_M, low_NM]
        x1, y1 = self._knots_MK[columns_M, low_NM + 1], self._scores_MK[columns_M, low_NM + 1]
        single_M = self._counts_M < 2
        run_NM = np.where(single_M | (x1 <= x0), 1.0, x1 - x0)
        with np.errstate(invalid="ignore"):
            found_NM = y0 + np.where(single_M, 0.0, (y1 - y0) * (values_NM - x0) / run_NM)
        last_M = self._knots_MK[columns_M, np.maximum(self._counts_M - 1, 0)]
        found_NM = np.where(values_NM < self._knots_MK[:, 0], -EDGE, found_NM)
        found_NM = np.where(values_NM > last_M, EDGE, found_NM)
        return np.asarray(np.where(self._counts_M > 0, found_NM, 0.0))


def _rank(value: float, knots: list[float], scores: list[float]) -> float:
    """See `_Rows._ranks`."""
    if not knots:
        return 0.0
    if value < knots[0]:
        return -EDGE
    if value > knots[-1]:
        return EDGE
    if len(knots) == 1:
        return scores[0]
    low = min(bisect_right(knots, value) - 1, len(knots) - 2)
    run = knots[low + 1] - knots[low]
    return scores[low] + (scores[low + 1] - scores[low]) * (value - knots[low]) / (run if run > 0 else 1.0)


def _of_texts(ids_NT: NDArray[np.int64], surprise_V: NDArray[Any]) -> Floats:
    inside_NT = ids_NT != PADDING
    lengths_N = np.maximum(inside_NT.sum(1), 1)
    surprise_NT = np.where(inside_NT, surprise_V[ids_NT], 0.0)
    mean_N = surprise_NT.sum(1) / lengths_N
    spread_N = np.sqrt(np.maximum((surprise_NT**2).sum(1) / lengths_N - mean_N**2, 0.0))
    unknown_N = (ids_NT == UNKNOWN).sum(1) / lengths_N
    ordered_NT = np.sort(ids_NT, axis=1)
    different_N = 1 + (np.diff(ordered_NT, axis=1) != 0).sum(1) - (~inside_NT).any(1)
    return np.stack([mean_N, spread_N, unknown_N, np.log(lengths_N), different_N / lengths_N], axis=1)


def _of_series(values_NT: Floats) -> Floats:
    course_NT = values_NT - values_NT.mean(1, keepdims=True)
    moves_N = np.log(np.diff(values_NT, axis=1).std(1) + LEAST) if values_NT.shape[1] > 1 else np.zeros(len(values_NT))
    return np.concatenate(
        [_stretched(course_NT), np.stack([moves_N, np.log(course_NT.std(1) + LEAST)], axis=1)], axis=1
    )


def _stretched(values_NT: Floats) -> Floats:
    """Means over at most `STRETCHES` stretches of about the same length."""
    steps = values_NT.shape[1]
    starts = np.arange(min(STRETCHES, steps)) * steps // min(STRETCHES, steps)
    return np.asarray(np.add.reduceat(values_NT, starts, axis=1) / np.diff([*starts, steps]))


def filled(values_NT: NDArray[Any]) -> Floats:
    """Series without gaps: straight lines between known values; 0 where none is known.

    Examples:
        >>> filled(np.array([[np.nan, 1.0, np.nan, 3.0], [np.nan] * 4])).tolist()
        [[1.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]]
    """
    whole_NT = values_NT.astype(np.float64)
    places_T = np.arange(whole_NT.shape[1])
    for row in np.flatnonzero(~np.isfinite(whole_NT).all(1)):
        known_T = np.isfinite(whole_NT[row])
        whole_NT[row] = np.interp(places_T, places_T[known_T], whole_NT[row, known_T]) if known_T.any() else 0.0
    return whole_NT


def read_reference(folder: Path, manifest: Manifest) -> Reference | None:
    """What a bundle holds to tell novel records; None where it holds nothing.

    Raises:
        LightloopError: the file is not what the manifest says.
    """
    if manifest.novelty is None:
        return None
    path = folder / manifest.novelty.file
    try:
        with np.load(path) as content:  # no pickled objects: NumPy refuses them
            arrays = dict(content)
        absent = {"mean", "whiten", "rows", "scores"} - arrays.keys()
        if absent:
            raise ValueError(f"it has no {min(absent)}")
    except (OSError, ValueError) as error:
        raise LightloopError(f"{path} does not fit ({error}): {ANEW}") from None
    return Reference(Describer(manifest.input, manifest.novelty.parts, arrays), arrays)
