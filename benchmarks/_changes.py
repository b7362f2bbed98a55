"""Changes of windows that monitoring should see: for the benchmark of its power."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from _windows import ROW, Pool, logged

from lightloop.data.tabular.input import TabularInput
from lightloop.monitoring.window import Window


def asked_again(pool: Pool, window: Window, records: pa.Table) -> Window:
    """The same window with other records: they are answered anew, the truth stays."""
    scored = pool.predictor.score(records)
    return logged(
        pool.predictor,
        records.append_column("label", window.predictions.column("truth")),
        scored.answers[pool.predictor.manifest.answer],
        scored.novelty[1] if scored.novelty else np.full(len(records), np.nan),
    )


def _column(pool: Pool, kind: str) -> str:
    """The feature of a kind that has the most values."""
    schema = pool.predictor.manifest.input
    assert isinstance(schema, TabularInput)
    names = [one.name for one in schema.features if (one.kind == "number") == (kind == "number")]
    return max(names, key=lambda name: len(pc.unique(pool.train.column(name))))


def _changed(pool: Pool, window: Window, name: str, values: Any) -> Window:
    records = window.records.drop_columns([ROW])
    place = records.column_names.index(name)
    return asked_again(pool, window, records.set_column(place, name, values))


def shifted(by: float) -> Callable[..., Window]:
    def change(pool: Pool, window: Window, _: np.random.Generator) -> Window:
        name = _column(pool, "number")
        spread = float(np.nanstd(pool.train.column(name).to_numpy(zero_copy_only=False).astype(np.float64)))
        values = pc.add(window.records.column(name).cast(pa.float64()), by * spread)
        return _changed(pool, window, name, values)

    return change


def missing(share: float) -> Callable[..., Window]:
    def change(pool: Pool, window: Window, generator: np.random.Generator) -> Window:
        name = _column(pool, "number")
        values = window.records.column(name).cast(pa.float64())
        gone = pa.array(generator.random(len(values)) < share)
        return _changed(pool, window, name, pc.if_else(gone, pa.scalar(None, pa.float64()), values))

    return change


def category(share: float, value: str | None) -> Callable[..., Window]:
    """So many records get another category: the frequent one, or one that is unseen."""

    def change(pool: Pool, window: Window, generator: np.random.Generator) -> Window:
        name = _column(pool, "category")
        values = window.records.column(name).cast(pa.string())
        counts = pool.train.column(name).cast(pa.string()).drop_null().value_counts().to_pylist()
        frequent = sorted(counts, key=lambda one: -one["counts"])
        taken = value or frequent[1]["values"]
        return _changed(pool, window, name, pc.if_else(pa.array(generator.random(len(values)) < share), taken, values))

    return change


def apart(pool: Pool, window: Window, generator: np.random.Generator) -> Window:
    """Every column is shuffled by itself: each is as it was, and they no longer go together."""
    records = window.records.drop_columns([ROW])
    shuffled = {name: records.column(name).take(generator.permutation(len(records))) for name in records.column_names}
    return asked_again(pool, window, pa.table(shuffled))


def relabelled(share: float) -> Callable[..., Window]:
    """Concept drift: so many truths are another class, whatever the record."""

    def change(pool: Pool, window: Window, generator: np.random.Generator) -> Window:
        classes = pool.predictor.classes
        truth = window.predictions.column("truth")
        codes = pc.index_in(truth, pa.array(classes)).to_numpy()
        moved = np.where(
            generator.random(len(codes)) < share,
            (codes + generator.integers(1, len(classes), len(codes))) % len(classes),
            codes,
        )
        place = window.predictions.column_names.index("truth")
        told = window.predictions.set_column(place, "truth", pa.array(classes).take(pa.array(moved)))
        return replace(window, predictions=told)

    return change


def _among(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Half of the records, none twice, drawn with weights."""
    return np.sort(generator.choice(len(weights), len(weights) // 2, replace=False, p=weights / weights.sum()))


def doubtful(by: float, *, labelled: bool) -> Callable[..., Window]:
    """Covariate shift towards records that the bundle is unsure of: drawn anew by how unsure, with or without truth."""

    def change(_: Pool, window: Window, generator: np.random.Generator) -> Window:
        sure = window.predictions.column("probability").to_numpy().astype(np.float64)
        weights = np.exp(-by * (sure - sure.mean()) / max(float(sure.std()), 1e-9))
        rows = pa.array(_among(weights, generator))
        predictions = window.predictions.take(rows)
        if not labelled:
            place = predictions.column_names.index("truth")
            predictions = predictions.set_column(place, "truth", pa.nulls(len(rows), pa.string()))
        return replace(window, predictions=predictions, records=window.records.take(rows))

    return change


def other_shares(times: float) -> Callable[..., Window]:
    """Label shift: records of the rarest class are so many times as likely."""

    def change(pool: Pool, window: Window, generator: np.random.Generator) -> Window:
        codes = pc.index_in(window.predictions.column("truth"), pa.array(pool.predictor.classes)).to_numpy()
        rarest = np.bincount(codes, minlength=len(pool.predictor.classes)).argmin()
        weights = np.where(codes == rarest, times, 1.0)
        rows = pa.array(_among(weights, generator))
        return replace(window, predictions=window.predictions.take(rows), records=window.records.take(rows))

    return change


CHANGES: Mapping[str, Callable[..., Window]] = {
    "mean of a feature +0.25 sd": shifted(0.25),
    "mean of a feature +0.5 sd": shifted(0.5),
    "5 % of a feature missing": missing(0.05),
    "10 % of a feature missing": missing(0.1),
    "category: 10 % of records change": category(0.1, None),
    "category: 20 % of records change": category(0.2, None),
    "2 % unseen category": category(0.02, "never seen"),
    "columns no longer go together": apart,
    "concept: 10 % of labels change": relabelled(0.1),
    "concept: 20 % of labels change": relabelled(0.2),
}
# These are drawn from twice as many records, so that windows have half the size.
DRAWN: Mapping[str, Callable[..., Window]] = {
    "unsure records, labels known": doubtful(0.5, labelled=True),
    "unsure records, no labels": doubtful(0.5, labelled=False),
    "very unsure records, no labels": doubtful(1.0, labelled=False),
    "rarest class twice as likely": other_shares(2.0),
    "rarest class four times as likely": other_shares(4.0),
}
