"""False alarms, power and speed of monitoring.

    python benchmarks/monitor.py alarms BUNDLE [windows=400] [size=300] [seed=0]
    python benchmarks/monitor.py power BUNDLE [windows=40] [size=300]
    python benchmarks/monitor.py synthetic [windows=400] [size=1000] [rows=10000]
    python benchmarks/monitor.py speed [rows=356000] [columns=100]

`alarms` and `power` take a bundle's own validation and test records (of the project's data): for each window they are
divided anew into a window and the held-out records that the bundle would have kept, so that nothing is held against
itself, and labels are known. A window counts as alarmed where any kind of finding alarms, at the default settings.
`power` changes the windows as said and counts the kinds that see it. `synthetic` draws 30 numbers and 10 categories
without any change: the looks at inputs alone. `speed` writes a log of so many rows and columns and monitors it.
"""

import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from _windows import CONFIG, NOW, ROW, Pool, logged
from scipy.stats import beta

from lightloop.data.tabular.input import TabularInput
from lightloop.monitoring import explanations, features, gaps, multivariate
from lightloop.monitoring.monitor import Times, look
from lightloop.monitoring.rule import decided
from lightloop.monitoring.staleness import Dates
from lightloop.monitoring.window import Window, read_window
from lightloop.release.profile import column_of
from lightloop.serving.attributions import Attributions as Explained
from lightloop.serving.attributions import attributions
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import Profile

TOLD = 20  # windows between lines


def known_attributions(pool: Pool) -> Callable[..., Explained | None]:
    """`attributions` of records of the pool without asking again."""

    def found(predictor: Predictor, table: pa.Table, *, records: int, seed: int = 0, **_: Any) -> Explained | None:
        if pool.explained is None or ROW not in table.column_names:
            return attributions(predictor, table, records=records, seed=seed)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(table))[:records])
        rows = table.column(ROW).to_numpy()[chosen]
        return Explained(pool.explained.names, pool.explained.sizes_NU[rows])

    return found


def run(pool: Pool, windows: int, size: int, seed: int, change: Callable[..., Window] | None = None) -> Counter[str]:
    """How many windows are alarmed, at all ("any") and by kind."""
    explanations.attributions = known_attributions(pool)  # type: ignore[attr-defined]
    generator = np.random.default_rng(seed)
    alarmed: Counter[str] = Counter()
    for done in range(windows):
        order = generator.permutation(len(pool.table))
        window = pool.window(np.sort(order[:size]))
        if change is not None:
            window = change(pool, window, generator)
        found = look(
            window, [], pool.standing(np.sort(order[size:])), config=CONFIG, times=Times(Dates(), NOW)
        ).findings
        kinds = {one.kind for one in found if one.alarm}
        alarmed.update(kinds)
        alarmed["any"] += bool(kinds)
        if not (done + 1) % TOLD:
            _row(f"  after {done + 1}", alarmed, done + 1)
    return alarmed


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


def alone(pool: Pool, window: Window, generator: np.random.Generator) -> Window:
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


def doubtful(by: float, *, labelled: bool) -> Callable[..., Window]:
    """Covariate shift towards records that the bundle is unsure of: drawn anew by how unsure, with or without truth."""

    def change(_: Pool, window: Window, generator: np.random.Generator) -> Window:
        sure = window.predictions.column("probability").to_numpy().astype(np.float64)
        weights = np.exp(-by * (sure - sure.mean()) / max(float(sure.std()), 1e-9))
        rows = pa.array(np.sort(generator.choice(len(sure), len(sure), p=weights / weights.sum())))
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
        rows = pa.array(np.sort(generator.choice(len(codes), len(codes), p=weights / weights.sum())))
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
    "columns no longer go together": alone,
    "concept: 10 % of labels change": relabelled(0.1),
    "concept: 20 % of labels change": relabelled(0.2),
    "unsure records, labels known": doubtful(0.5, labelled=True),
    "unsure records, no labels": doubtful(0.5, labelled=False),
    "very unsure records, no labels": doubtful(1.0, labelled=False),
    "labels: the rarest class twice as likely": other_shares(2.0),
    "labels: the rarest class four times as likely": other_shares(4.0),
}


def alarms(
    folder: str, *, windows: int = 400, size: int = 300, seed: int = 0, suite: int = 0, explain: int = 1
) -> None:
    """False alarms of all kinds together; with `suite=1` also of the suite, which takes seconds a window."""
    pool = Pool.of(Path(folder), explain=bool(explain), suite=bool(suite))
    began = time.perf_counter()
    found = run(pool, windows, size, seed)
    seconds = (time.perf_counter() - began) / windows
    _row(f"{pool.predictor.manifest.name}, {size} records", found, windows, f"{seconds:.2f} s a window")


def power(folder: str, windows: int = 40, size: int = 300, explain: int = 1) -> None:
    """How often a change is seen, and by which kinds."""
    pool = Pool.of(Path(folder), explain=bool(explain), suite=False)
    for name, change in CHANGES.items():
        _row(name, run(pool, windows, size, 1, change), windows)


def synthetic(windows: int = 400, size: int = 1000, rows: int = 10_000, together: int = 1) -> None:
    """False alarms of the looks at inputs, of records that are drawn anew each time; `together=0` looks at each column
    alone, which is much faster.
    """
    alarmed: Counter[str] = Counter()
    for seed in range(windows):
        generator = np.random.default_rng(seed)
        then, now = _drawn_columns(generator, rows), _drawn_columns(generator, size)
        profile = Profile(n=rows, features=tuple(column_of(name, values) for name, values in then.items()))
        whole = [np.stack([x for x in one.values() if isinstance(x, np.ndarray)], 1) for one in (now, then)]
        candidates = [*features.look(now, profile, CONFIG), *gaps.look(now, profile, CONFIG)]
        if together:
            now_ND, held_RD = (one.astype(np.float32) for one in whole)
            candidates += multivariate.look(now_ND, held_RD[:1000], CONFIG)
        kinds = {one.kind for one in decided(candidates, CONFIG.level) if one.alarm}
        alarmed.update(kinds)
        alarmed["any"] += bool(kinds)
        # What the tests alone would do, without the least effects that matter.
        sure = [one.model_copy(update={"alarm": True}) for one in candidates]
        alarmed["any by p-value alone"] += any(one.alarm for one in decided(sure, CONFIG.level))
        if not (seed + 1) % TOLD:
            _row(f"  after {seed + 1}", alarmed, seed + 1)
    _row(f"synthetic, {size} records against {rows}", alarmed, windows)


def _drawn_columns(generator: np.random.Generator, count: int) -> dict[str, Any]:
    base = generator.standard_normal((count, 30))
    base[:, 10:20] = np.exp(base[:, 10:20])
    base[:, 20:25] = np.round(base[:, 20:25] * 3)
    base[:, 25:][generator.random((count, 5)) < 0.05] = np.nan
    found: dict[str, Any] = {f"x{place}": base[:, place] for place in range(30)}
    names = np.array([f"c{value}" for value in range(20)])
    for place in range(10):
        shares = 1 / (1 + np.arange(2 + 2 * place))
        drawn = generator.choice(len(shares), count, p=shares / shares.sum())
        found[f"k{place}"] = pa.chunked_array([pa.array(names).take(pa.array(drawn))])
    return found


def _row(name: str, found: Counter[str], windows: int, more: str = "") -> None:
    count = found["any"]
    low = beta.ppf(0.025, count, windows - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, windows - count) if count < windows else 1.0
    kinds = ", ".join(f"{kind} {number / windows:.3f}" for kind, number in found.most_common() if kind != "any")
    share = f"{count / windows:.3f} ({low:.3f} to {high:.3f})"
    print(f"{name}: alarmed {share} of {windows} windows; {kinds or 'none'} {more}", flush=True)


def speed(rows: int = 356_000, columns: int = 100) -> None:
    """Seconds and memory of one window of a log of so many rows and columns: from the files to the findings."""
    from _wide import wide_bundle, write_wide  # which loads torch

    with tempfile.TemporaryDirectory() as folder:
        standing = wide_bundle(Path(folder) / "bundle", columns)
        write_wide(Path(folder) / "log", standing, rows, columns, days=7, end=NOW)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        window = read_window(str(Path(folder) / "log"), None, NOW - timedelta(days=7), NOW)
        read = time.perf_counter()
        found = look(window, [], standing, config=CONFIG, times=Times(Dates(), NOW)).findings
        ended = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    alarmed = dict(Counter(one.kind for one in found if one.alarm))
    print(
        f"{len(window.predictions)} rows, {columns} columns: {ended - began:.1f} s, {read - began:.1f} s of it reading"
    )
    print(f"peak {peak / 1e6:.2f} GB ({before / 1e6:.2f} GB before); {len(found)} findings, alarms: {alarmed}")


def main() -> None:
    """Run what the command line says."""
    what, *words = sys.argv[1:] or ["alarms"]
    given = [word for word in words if "=" not in word]
    named = {key: int(value) for key, _, value in (word.partition("=") for word in words if "=" in word)}
    {"alarms": alarms, "power": power, "synthetic": synthetic, "speed": speed}[what](*given, **named)


if __name__ == "__main__":
    main()
