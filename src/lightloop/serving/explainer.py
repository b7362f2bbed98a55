"""A bundle that explains one answer: what each part of the record adds to it. NumPy and ONNX Runtime alone.

A part that is left out looks like nothing special: a column has the values of training records in turn, a block of
pixels those of the mean image, a token is an unknown one, a stretch of a series follows the mean course. The calendar
of a series stays, since it is no part of what was measured.

Shapes: E asked variants of one record, U units (parts), S background records, P permutations, C channels, H height,
W width, T tokens or steps, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.inputs import Feeds
from lightloop.data.series.input import SeriesInput
from lightloop.data.text.input import PADDING, UNKNOWN, TextInput
from lightloop.data.text.tokenizer import tokenizer_of
from lightloop.errors import LightloopError
from lightloop.serving.background import BLOCKS, last_known
from lightloop.serving.predictor import Predictor

Floats = NDArray[np.float64]
# The scores (E,) of variants that keep some units (E, U), bool, and take the others from background records (E,).
Ask = Callable[[NDArray[np.bool_], NDArray[np.int64]], Floats]
# How often the graph is asked about one answer, by what a record is divided into: rows of a table cost little.
EVALUATIONS = {"columns": 4096, "pixels": 512, "tokens": 1024, "steps": 1024}
BATCH = 256


@dataclass(frozen=True)
class Explanation:
    """What the parts of one record add to the score of its answer.

    Attributes:
        method: by which.
        noun: what the parts are: columns, blocks of `pixels`, `tokens`, `steps`.
        answer: the class whose logit is explained; None for numbers, of which it is the mean.
        score: of the record.
        baseline: the mean score of what has none of its parts.
        names: U of them: of columns; rows and columns of blocks; tokens; steps back from the last one.
        values: U, in the unit of the score; positive ones speak for the answer.
        errors: U standard errors of sampling; None where nothing is drawn.
        completeness_error: |sum of values - (score - baseline)| / |score - baseline|: 0 where the values account for
            all. None where score and baseline are the same.
        complete: whether the method promises such a sum. Occlusion does not: parts that say the same twice are missed.
        evaluations: how often the graph was asked.
    """

    method: str
    noun: str
    answer: str | None
    score: float
    baseline: float
    names: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...] | None
    completeness_error: float | None
    complete: bool
    evaluations: int


@dataclass(frozen=True)
class _Parts:
    """A record divided: names of its units, and its variants as feeds."""

    names: tuple[str, ...]
    mix: Callable[[NDArray[np.bool_], NDArray[np.int64]], Feeds]


def explain(
    predictor: Predictor,
    table: pa.Table,
    *,
    method: Literal["shapley", "occlusion"] = "shapley",
    evaluations: int | None = None,
    seed: int = 0,
) -> Explanation:
    """What each part of one raw record adds to the score of its answer; the same call gives the same values.

        predictor = Predictor.load(Path("artifacts/bundle"))
        explanation = explain(predictor, pa.table({"image": pa.array([png], pa.large_binary())}))

    `shapley` draws orders of the parts, each one forth and back (Castro et al. 2009, doi:10.1016/j.cor.2008.04.004;
    Mitchell et al. 2022, arXiv:2104.12199), each with one background record. `occlusion` leaves out one part at a time
    (arXiv:1311.2901), which is quicker.

    Args:
        predictor: of a bundle that the export stage wrote.
        table: one record, as `Predictor.answers` takes it.
        method: see above.
        evaluations: how often the graph may be asked, at most (but one pair of orders is always drawn); None stands
            for `EVALUATIONS`.
        seed: of the draws.

    Raises:
        LightloopError: the bundle holds nothing to explain with, or there is not one record.
        RefusedError: the record is not as the manifest's input says.
    """
    explaining = predictor.manifest.explaining
    if explaining is None:
        raise LightloopError(
            "this bundle does not explain its answers: export it again (`lightloop run`), unless it makes samples"
        )
    if len(table) != 1:
        raise LightloopError(f"expected one record to explain, but {len(table)} came: ask for each by itself")
    feeds = predictor.manifest.input.encode(table, predictor.files)
    parts = _divide(predictor, feeds)
    code, score = _score(predictor, predictor.run(feeds))
    asked, most = 1, EVALUATIONS[explaining.noun] if evaluations is None else evaluations

    def ask(kept_EU: NDArray[np.bool_], background_E: NDArray[np.int64]) -> Floats:
        nonlocal asked
        asked += len(kept_EU)
        return _scores(predictor, predictor.run(parts.mix(kept_EU, background_E), BATCH), code)

    units, records = len(parts.names), max(1, explaining.records)
    starts_S = ask(np.zeros((records, units), dtype=np.bool_), np.arange(records))
    errors_U: Floats | None = None
    if method == "occlusion":
        values_U = occlusion(ask, score, units, records, (most - asked) // units)
    else:
        values_U, errors_U = shapley(ask, score, starts_S, units, evaluations=most - asked, seed=seed)
    gain = score - float(starts_S.mean())
    return Explanation(
        method=method,
        noun=explaining.noun,
        answer=predictor.classes[code] if predictor.classes else None,
        score=score,
        baseline=float(starts_S.mean()),
        names=parts.names,
        values=tuple(values_U.tolist()),
        errors=None if errors_U is None else tuple(errors_U.tolist()),
        completeness_error=abs(float(values_U.sum()) - gain) / abs(gain) if gain else None,
        complete=method == "shapley",
        evaluations=asked,
    )


def shapley(
    ask: Ask, score: float, starts_S: Floats, units: int, *, evaluations: int, seed: int
) -> tuple[Floats, Floats | None]:
    """Shapley values (U,) by drawn orders, and their standard errors (None where there is a single pair of orders).

    Each order is taken forth and back with the same background record, which takes turns. So the values sum to the
    score less the mean start, exactly where each background record had as many turns.

    Args:
        ask: the model.
        score: of the whole record.
        starts_S: scores of the background records.
        units: U.
        evaluations: how often to ask, at most; but one pair of orders is always drawn.
        seed: of the orders.

    Examples:
        >>> def product(kept_EU, _):  # of two numbers that are 2 and 3, or else 1
        ...     return np.where(kept_EU, [2.0, 3.0], 1.0).prod(1)
        >>> values_U, errors_U = shapley(product, 6.0, np.array([1.0]), 2, evaluations=8, seed=0)
        >>> values_U.tolist(), errors_U.tolist()
        ([2.0, 3.0], [0.0, 0.0])
    """
    if units == 1:
        return np.array([score - starts_S.mean()]), np.zeros(1)
    pairs = max(1, evaluations // (2 * (units - 1)))
    # As many turns for each background record, where they suffice for one each.
    pairs = pairs // len(starts_S) * len(starts_S) or pairs
    generator = np.random.default_rng(seed)
    forth = np.stack([generator.permutation(units) for _ in range(pairs)])
    orders_PU = np.stack([forth, forth[:, ::-1]], axis=1).reshape(2 * pairs, units)
    background_P = np.repeat(np.arange(pairs) % len(starts_S), 2)
    # Variants along an order keep the first 1, 2, ... U - 1 of it; none and all of them are known.
    rank_PU = orders_PU.argsort(axis=1)
    kept_EU = (rank_PU[:, None] < np.arange(1, units)[:, None]).reshape(-1, units)
    scores_PE = ask(kept_EU, np.repeat(background_P, units - 1)).reshape(2 * pairs, units - 1)
    whole_P1 = np.full((2 * pairs, 1), score)
    steps_PU = np.diff(np.concatenate([starts_S[background_P, None], scores_PE, whole_P1], axis=1), axis=1)
    added = np.take_along_axis(steps_PU, rank_PU, axis=1).reshape(pairs, 2, units).mean(1)
    errors_U = added.std(0, ddof=1) / np.sqrt(pairs) if pairs > 1 else None
    return added.mean(0), errors_U


def occlusion(ask: Ask, score: float, units: int, records: int, backgrounds: int) -> Floats:
    """By how much the score falls without each unit (U,), mean over at most so many background records, at least one.

    Examples:
        >>> occlusion(lambda kept_EU, _: kept_EU @ np.array([2.0, 3.0]), 5.0, 2, 1, 1).tolist()
        [2.0, 3.0]
    """
    count = min(records, max(1, backgrounds))
    kept_EU = np.tile(~np.eye(units, dtype=np.bool_), (count, 1))
    scores_E = ask(kept_EU, np.repeat(np.arange(count), units))
    return np.asarray(score - scores_E.reshape(count, units).mean(0), dtype=np.float64)


def _score(predictor: Predictor, answers: dict[str, NDArray[Any]]) -> tuple[int, float]:
    """The class that is decided for (0 for numbers), and its score."""
    code = int(predictor.decide(answers["probabilities"])[0]) if predictor.classes else 0
    return code, float(_scores(predictor, answers, code)[0])


def _scores(predictor: Predictor, answers: dict[str, NDArray[Any]], code: int) -> Floats:
    if predictor.classes:
        return answers["logits"][:, code].astype(np.float64)
    numbers = answers[predictor.manifest.answer]
    return numbers.reshape(len(numbers), -1).astype(np.float64).mean(1)


def _divide(predictor: Predictor, feeds: Feeds) -> _Parts:
    match predictor.manifest.explaining.noun if predictor.manifest.explaining else None:
        case "pixels":
            return _blocks(feeds["image"][0], predictor.background["typical"])
        case "tokens":
            return _tokens(predictor, feeds["ids"][0])
        case "steps":
            return _steps(predictor, feeds["series"][0])
        case _:
            return _columns(predictor, feeds)


def _columns(predictor: Predictor, feeds: Feeds) -> _Parts:
    names = tuple(predictor.manifest.input.feeds)
    others = {name: predictor.background[str(place)].astype(feeds[name].dtype) for place, name in enumerate(names)}

    def mix(kept_EU: NDArray[np.bool_], background_E: NDArray[np.int64]) -> Feeds:
        return {
            name: np.where(kept_EU[:, place], feeds[name][0, 0], others[name][background_E])[:, None]
            for place, name in enumerate(names)
        }

    return _Parts(names, mix)


def _blocks(pixels_CHW: NDArray[np.uint8], typical_CHW: NDArray[np.uint8]) -> _Parts:
    height, width = pixels_CHW.shape[1:]
    down, across = min(BLOCKS, height), min(BLOCKS, width)
    units_HW = (np.arange(height) * down // height)[:, None] * across + np.arange(width) * across // width
    names = tuple(f"row {row + 1}, column {column + 1}" for row in range(down) for column in range(across))

    def mix(kept_EU: NDArray[np.bool_], _: NDArray[np.int64]) -> Feeds:
        return {"image": np.where(kept_EU[:, units_HW][:, None], pixels_CHW, typical_CHW)}

    return _Parts(names, mix)


def _tokens(predictor: Predictor, ids_T: NDArray[np.int64]) -> _Parts:
    schema = predictor.manifest.input
    assert isinstance(schema, TextInput)
    ids_T = ids_T[ids_T != PADDING]
    tokenizer = tokenizer_of(predictor.files, schema.tokenizer)
    units_T = _stretches(len(ids_T), _most(predictor))
    spelled = [tokenizer.id_to_token(int(one)) or "?" for one in ids_T]
    names = tuple(
        " ".join(word for word, own in zip(spelled, units_T, strict=True) if own == unit)
        for unit in range(units_T[-1] + 1)
    )

    def mix(kept_EU: NDArray[np.bool_], _: NDArray[np.int64]) -> Feeds:
        return {"ids": np.where(kept_EU[:, units_T], ids_T, UNKNOWN)}

    return _Parts(names, mix)


def _steps(predictor: Predictor, series_TC: NDArray[np.float32]) -> _Parts:
    assert isinstance(predictor.manifest.input, SeriesInput)
    steps = len(series_TC)
    units_T = _stretches(steps, _most(predictor))
    level = last_known(series_TC[None, :, 0])[0]
    typical_T = (predictor.background["typical"] + level).astype(np.float32)
    back_T = np.arange(steps) - steps + 1
    ends = [(back_T[units_T == unit][0], back_T[units_T == unit][-1]) for unit in range(units_T[-1] + 1)]
    names = tuple(f"{first}" if first == last else f"{first} to {last}" for first, last in ends)

    def mix(kept_EU: NDArray[np.bool_], _: NDArray[np.int64]) -> Feeds:
        mixed = np.repeat(series_TC[None], len(kept_EU), axis=0)
        mixed[:, :, 0] = np.where(kept_EU[:, units_T], series_TC[:, 0], typical_T)
        return {"series": mixed}

    return _Parts(names, mix)


def _most(predictor: Predictor) -> int:
    return predictor.manifest.explaining.units if predictor.manifest.explaining else 1


def _stretches(length: int, most: int) -> NDArray[np.int64]:
    """Which of at most `most` stretches of about the same length each position belongs to.

    Examples:
        >>> _stretches(5, 3).tolist()
        [0, 0, 1, 1, 2]
    """
    return np.arange(length) * min(length, most) // length
