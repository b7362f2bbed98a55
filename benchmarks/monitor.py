"""False alarms, power and speed of monitoring.

    python benchmarks/monitor.py alarms BUNDLE [once|resampled|shaken|repeated] [windows=400] [size=300] [seed=0]
    python benchmarks/monitor.py power BUNDLE [WORD] [windows=40] [size=300]
    python benchmarks/monitor.py synthetic [windows=400] [size=1000] [rows=10000]
    python benchmarks/monitor.py speed [rows=356000] [columns=100]
    python benchmarks/monitor.py peer PYTHON [rows=356000] [columns=100]

`alarms` and `power` take a bundle's own validation and test records (of the project's data): for each window they are
divided anew into a window and the held-out records that the bundle would have kept, so that nothing is held against
itself, and labels are known. `resampled` windows are drawn with replacement from a third as many records, `shaken`
ones are those with a little noise on their numbers (as `lightloop simulate` makes it), `repeated` ones have a quarter
as many records four times. A window counts as alarmed where any kind of finding alarms, at the default settings.
`power` changes the windows as said and counts the kinds that see it. `synthetic` draws 30 numbers and 10 categories
without any change: the looks at inputs alone. `speed` writes a log of so many rows and columns and monitors it. `peer`
holds the drift of each column, from a Parquet file to the findings, beside Evidently's (`PYTHON` is the interpreter of
an environment with it), twice.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _changes import CHANGES, DRAWN
from _windows import CONFIG, NOW, ROW, Pool, logged
from scipy.stats import beta

from lightloop.data.tabular.input import TabularInput, as_numbers
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
from lightloop.simulation.records import alone, shaken

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


def run(
    pool: Pool,
    windows: int,
    size: int,
    seed: int,
    *,
    change: Callable[..., Window] | None = None,
    traffic: str = "once",
) -> Counter[str]:
    """How many windows are alarmed, at all ("any") and by kind."""
    explanations.attributions = known_attributions(pool)  # type: ignore[attr-defined]
    generator = np.random.default_rng(seed)
    alarmed: Counter[str] = Counter()
    for done in range(windows):
        order = generator.permutation(len(pool.table))
        different = {"once": size, "repeated": size // 4}.get(traffic, size // 3)
        drawn = order[:different] if traffic in ("once", "repeated") else generator.choice(order[:different], size)
        rows = np.sort(np.repeat(drawn, 4) if traffic == "repeated" else drawn)
        window = shaken_window(pool, rows, generator) if traffic == "shaken" else pool.window(rows)
        if change is not None:
            window = change(pool, window, generator)
        standing = pool.standing(np.sort(order[different:]))
        found = look(window, [], standing, config=CONFIG, times=Times(Dates(), NOW)).findings
        kinds = {one.kind for one in found if one.alarm}
        alarmed.update(kinds)
        alarmed["any"] += bool(kinds)
        if not (done + 1) % TOLD:
            _row(f"  after {done + 1}", alarmed, done + 1)
    return alarmed


def shaken_window(pool: Pool, rows: np.ndarray, generator: np.random.Generator) -> Window:
    """What the log would hold of records that differ a little from those with these numbers."""
    schema = pool.predictor.manifest.input
    assert isinstance(schema, TabularInput), "only records of tables are shaken"
    frame = pool.table.select([one.name for one in schema.features]).to_pandas()
    numbers = [one.name for one in schema.features if one.kind == "number"]
    drawn = pa.Table.from_pandas(shaken(frame, rows, alone(frame, numbers), generator), preserve_index=False)
    drawn = drawn.append_column("label", pool.table.column("label").take(rows))
    scored = pool.predictor.score(drawn)
    novelty = scored.novelty[1] if scored.novelty else np.full(len(drawn), np.nan)
    return logged(pool.predictor, drawn, scored.answers[pool.predictor.manifest.answer], novelty, rows)


def alarms(
    folder: str,
    traffic: str = "once",
    *,
    windows: int = 400,
    size: int = 300,
    seed: int = 0,
    suite: int = 0,
    explain: int = 1,
) -> None:
    """False alarms of all kinds together, of records that come once, or again as said above.

    With `suite=1` also of the suite, which takes seconds a window.
    """
    pool = Pool.of(Path(folder), explain=bool(explain), suite=bool(suite))
    began = time.process_time()
    found = run(pool, windows, size, seed, traffic=traffic)
    seconds = (time.process_time() - began) / windows
    name = f"{pool.predictor.manifest.name}, {size} records, {traffic}"
    _row(name, found, windows, f"; {seconds:.2f} s of processor time a window")


def power(folder: str, only: str = "", windows: int = 40, size: int = 300, explain: int = 1) -> None:
    """How often a change is seen, and by which kinds; of all changes, or of those with a word in their name."""
    pool = Pool.of(Path(folder), explain=bool(explain), suite=False)
    for name, change in {**CHANGES, **DRAWN}.items():
        if only in name:
            _row(name, run(pool, windows, size, 1, change=change), windows)


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
        began, cpu = time.perf_counter(), time.process_time()
        window = read_window(str(Path(folder) / "log"), None, NOW - timedelta(days=7), NOW)
        read = time.perf_counter()
        found = look(window, [], standing, config=CONFIG, times=Times(Dates(), NOW)).findings
        ended, worked = time.perf_counter(), time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    alarmed = dict(Counter(one.kind for one in found if one.alarm))
    print(
        f"{len(window.predictions)} rows, {columns} columns: {ended - began:.1f} s, {read - began:.1f} s to read; "
        f"{worked:.1f} s of processor time"
    )
    print(f"peak {peak / 1e6:.2f} GB ({before / 1e6:.2f} GB before); {len(found)} findings, alarms: {alarmed}")


def peer(python: str, rows: int = 356_000, columns: int = 100) -> None:
    """The same columns by our looks at each column, and by Evidently's preset; each with one thread."""
    from _wide import wide_table  # which loads torch

    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("reference.parquet", "current.parquet")]
        for seed, (path, count) in enumerate(zip(files, (10_000, rows), strict=True)):
            pq.write_table(wide_table(np.random.default_rng(seed), count, columns), path)
        for _ in range(2):
            ours, theirs = _columns_alone(*files), _by_evidently(python, *files)
            for name, one in (("ours", ours), ("Evidently", theirs)):
                print(f"{name}: {one['seconds']:.1f} s, {one['cpu']:.1f} s of processor time, drifted {one['drifted']}")
            print(f"Evidently takes {theirs['cpu'] / ours['cpu']:.1f} times our processor time", flush=True)


def _columns_alone(reference: str, current: str) -> dict[str, float]:
    """Profile of the reference and looks at each column. The profile is the bundle's, but here it counts too."""
    began, cpu = time.perf_counter(), time.process_time()
    then, now = (_values(pq.read_table(path)) for path in (reference, current))
    profile = Profile(
        n=len(next(iter(then.values()))), features=tuple(column_of(name, values) for name, values in then.items())
    )
    found = decided([*features.look(now, profile, CONFIG), *gaps.look(now, profile, CONFIG)], CONFIG.level)
    drifted = sum(one.alarm for one in found if one.kind == "feature_drift") / len(now)
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "drifted": drifted}


def _values(table: pa.Table) -> dict[str, Any]:
    return {
        name: as_numbers(table.column(name), name) if pa.types.is_floating(table.schema.field(name).type)
        else table.column(name)
        for name in table.column_names
    }  # fmt: skip


def _by_evidently(python: str, reference: str, current: str) -> dict[str, float]:
    script = Path(__file__).parent / "peers" / "evidently_drift.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}
    words = [python, "-W", "ignore", str(script), reference, current]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """Run what the command line says."""
    what, *words = sys.argv[1:] or ["alarms"]
    given = [word for word in words if "=" not in word]
    named = {key: int(value) for key, _, value in (word.partition("=") for word in words if "=" in word)}
    {"alarms": alarms, "power": power, "synthetic": synthetic, "speed": speed, "peer": peer}[what](*given, **named)


if __name__ == "__main__":
    main()
