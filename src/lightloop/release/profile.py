"""Making the profile of a bundle at export: what monitoring compares the log with. See `serving.profile`.

Shapes: N records, U parts, H numbers of one answer.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.config.compose import validate_config
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import TextInput
from lightloop.evaluation.evidence import decided_by
from lightloop.evaluation.numbers import labels_of
from lightloop.evaluation.problem import Problem, problem_of
from lightloop.serving.attributions import Attributions as Explained
from lightloop.serving.attributions import attributions
from lightloop.serving.background import last_known
from lightloop.serving.described import Values, described
from lightloop.serving.manifest import Manifest
from lightloop.serving.novelty import Describer
from lightloop.serving.predictions import Scored
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import Attributions, Column, HeldOut, Profile, Slice

POINTS, VALUES = 256, 100
# Training records that are looked at, of tables and of what takes longer to describe, and held-out answers that are
# kept, and those of which whole descriptions are: drawn where there are more.
LOOKED_AT, DESCRIBED, KEPT, ROWS = 100_000, 20_000, 5000, 1000
SMALLEST, GROUPS = 30, 12  # records of a slice; values of a column that slices are made of


def make_profile(
    predictor: Predictor,
    train: pa.Table,
    validation: pa.Table,
    test: pa.Table | None,
    *,
    describe: Describer | None,
    seed: int,
) -> tuple[Profile, HeldOut]:
    """What a bundle's training records and its answers to held-out ones were like.

    Args:
        predictor: of the bundle.
        train: the training records.
        validation: records that were not trained on.
        test: labelled records that neither trained nor chose anything; None where there are none.
        describe: of novelty; None where the bundle tells no novel records.
        seed: of the draws.

    Returns:
        The profile, of which no more than `n` is known where records are noise: a generator is asked by nobody's data;
        and what `profile.npz` holds.

    Raises:
        RefusedError: a record is not as the bundle's schema says.
    """
    manifest = predictor.manifest
    if isinstance(manifest.input, NoiseInput):
        return Profile(n=len(train)), HeldOut()
    config = validate_config(manifest.config)
    like = pa.concat_tables([validation, *([] if test is None else [test])], promote_options="permissive")
    reference = like if isinstance(manifest.input, TextInput) else train
    some = _drawn(reference, LOOKED_AT if isinstance(manifest.input, TabularInput) else DESCRIBED, seed)
    columns = described(manifest.input, some, predictor.files)
    rows = HeldOut(described=_rows(predictor, describe, _drawn(like, ROWS, seed)))
    profile = Profile(
        n=len(train),
        features=tuple(column_of(name, values) for name, values in columns.items()),
        truth=tuple(columns_of_truth(manifest, train)),
    )
    if test is None or not len(test):
        return profile, rows
    held = _drawn(test, KEPT, seed)
    scored = predictor.score(held)
    answers = scored.answers[manifest.answer]
    explained = attributions(predictor, held, seed=seed)
    problem = problem_of(config.data, manifest.rules.decision)
    asked = decided_by(held, manifest.rules.decision)
    update: dict[str, Any] = {
        "held_out": len(held),
        "answers": tuple(columns_of_answers(predictor, answers)),
        "metrics": _metrics(problem, asked, answers),
        "slices": tuple(_slices(predictor, held, problem.errors(asked, answers))),
        "attributions": _explained(explained),
    }
    return profile.model_copy(update=update), replace(
        _held_out(predictor, held, scored, explained), described=rows.described
    )


def _rows(predictor: Predictor, describe: Describer | None, some: pa.Table) -> NDArray[np.float32]:
    if describe is None:
        return np.zeros((0, 0), np.float32)
    return describe(predictor.manifest.input.encode(some, predictor.files), {}).astype(np.float32)


def column_of(name: str, values: Values) -> Column:
    """A column of `described`, or of answers, as quantiles and counts.

    Examples:
        >>> column = column_of("age", np.array([3.0, 1.0, 1.0, np.nan]))
        >>> column.points, column.counts, column.missing
        ((1.0, 3.0), (2, 3), 1)
    """
    if isinstance(values, np.ndarray):
        known = np.sort(values[np.isfinite(values)].astype(np.float64))
        return Column(
            name=name,
            kind="number",
            n=len(values),
            missing=len(values) - len(known),
            points=(points := _points(known)),
            counts=tuple(np.searchsorted(known, points, side="right").tolist()),
            mean=float(known.mean()) if len(known) else 0.0,
            std=float(known.std()) if len(known) else 0.0,
        )
    found = {one["values"]: one["counts"] for one in pc.value_counts(values.drop_null()).to_pylist()}
    ordered = sorted(found, key=lambda value: (-found[value], value))
    return Column(
        name=name,
        kind="category",
        n=len(values),
        missing=values.null_count,
        values={value: found[value] for value in ordered[:VALUES]},
        other=sum(found[value] for value in ordered[VALUES:]),
    )


def _points(known: NDArray[np.float64]) -> tuple[float, ...]:
    distinct = np.unique(known)
    if len(distinct) > POINTS:
        # Values that were there, so that counts up to them are exact.
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, POINTS), method="inverted_cdf"))
    return tuple(distinct.tolist())


def columns_of_answers(predictor: Predictor, answers: NDArray[Any]) -> Iterator[Column]:
    """The columns `Profile.answers` of the judged answers (N, ...) of a bundle."""
    if predictor.classes:
        codes = predictor.decide(answers)
        yield column_of("label", pa.chunked_array([pa.array(predictor.classes).take(pa.array(codes))]))
        yield column_of("probability", answers[np.arange(len(codes)), codes].astype(np.float64))
    else:
        for name, values in _named(answers.reshape(len(answers), -1)):
            yield column_of(name, values)


def columns_of_truth(manifest: Manifest, labelled: pa.Table) -> Iterator[Column]:
    """The columns `Profile.truth` of records with a `label`."""
    if manifest.classes:
        yield column_of("label", labelled.column("label").cast(pa.string()))
    else:
        for name, values in _named(labels_of(labelled)):
            yield column_of(name, values)


def _named(values_NH: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for place in range(values_NH.shape[1]):
        name = "value" if values_NH.shape[1] == 1 else f"value {place + 1}"
        yield name, values_NH[:, place].astype(np.float64)


def _metrics(problem: Problem, asked: pa.Table, answers: NDArray[Any]) -> dict[str, float]:
    scorer = problem.scorer(asked, answers)
    found = scorer.scores(np.ones((1, scorer.records), dtype=np.int64))
    return {name: float(values[0]) for name, values in found.items() if np.isfinite(values[0])}


def _slices(predictor: Predictor, held: pa.Table, errors_N: NDArray[np.float64]) -> Iterator[Slice]:
    """Groups by the categories that a record is asked with."""
    for name, values in described(predictor.manifest.input, held, predictor.files).items():
        if isinstance(values, np.ndarray):
            continue
        texts = np.array(values.fill_null("").to_pylist(), dtype=object)
        distinct, counts = np.unique(texts.astype(str), return_counts=True)
        if len(distinct) > GROUPS:
            continue
        for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            if count >= SMALLEST:
                own = errors_N[texts == value]
                yield Slice(column=name, value=value, n=count, error=float(own.mean()), std=float(own.std()))


def _explained(explained: Explained | None) -> Attributions | None:
    if explained is None:
        return None
    sizes_MU = explained.sizes_NU.astype(np.float64)
    return Attributions(
        n=len(sizes_MU),
        names=explained.names,
        mean=tuple(sizes_MU.mean(0).tolist()),
        std=tuple(sizes_MU.std(0).tolist()),
    )


def _held_out(predictor: Predictor, held: pa.Table, scored: Scored, explained: Explained | None) -> HeldOut:
    answers = scored.answers[predictor.manifest.answer]
    found: dict[str, NDArray[Any]] = {}
    if scored.novelty is not None:
        found["novelty"] = scored.novelty[1]
    if explained is not None:
        found["attributions"] = explained.sizes_NU
    if predictor.classes:
        places = {name: place for place, name in enumerate(predictor.classes)}
        labels = [places[label] for label in held.column("label").to_pylist()]
        return HeldOut(answers.astype(np.float32), np.array(labels, dtype=np.int64), **found)
    schema = predictor.manifest.input
    if isinstance(schema, SeriesInput) and predictor.manifest.problem == "forecasting":
        found["last"] = last_known(schema.encode(held, predictor.files)["series"][:, :, 0]).astype(np.float64)
    values_NH = answers.reshape(len(answers), -1).astype(np.float32)
    return HeldOut(values=values_NH, truths=labels_of(held).astype(np.float64), **found)


def _drawn(table: pa.Table, count: int, seed: int) -> pa.Table:
    if len(table) <= count:
        return table
    return table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:count]))
