"""Whether `lightloop collect` leaves out records that no longer hold, and only those.

    python benchmarks/outdated.py calm loans|spam|fashion [draws=200] [history=0.5] [newest=400]
    python benchmarks/outdated.py drift concept|covariate|label sudden|gradual|seasonal [draws=20] [records=800]

`calm` divides the training file anew for each draw, by chance: a share is the data set, the rest was collected, in an
order by chance. Nothing changed, so that whatever is left out is left out wrongly. `drift` draws days of records of the
loans as `lightloop simulate` does, and judges at the end of each day with drift what was collected until then; each
judgement goes on from the one before. Nothing is served or trained but the simpler model.
"""

import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import beta

from lightloop.collection.outdated import Judgement, judge
from lightloop.collection.sides import side_of
from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.collected import ID, SPLIT, TIME, collected_path, with_since
from lightloop.data.records import read_records
from lightloop.project import Project
from lightloop.simulation.plan import Plan
from lightloop.simulation.records import Stream, halves

PROJECT = Project.find(Path(__file__).parent)
EXPERIMENTS = {"loans": "loans-fast", "spam": "spam", "fashion": "fashion"}
START = datetime(2026, 1, 5, tzinfo=UTC)
MOST = 4000  # records of a draw


def calm(data: str = "loans", *, draws: int = 200, history: int = 50, newest: int = 400) -> None:
    """How often records are left out although nothing changed."""
    config = compose_config(PROJECT, [f"experiment={EXPERIMENTS[data]}"])
    file = pq.read_table(PROJECT.root / config.data.path / config.data.files["train"])
    wrong = 0
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(file))[:MOST]
        cut = len(order) * history // 100
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_own(config, root, file.take(pa.array(np.sort(order[:cut]))))
            write_collected(config, root, file.take(pa.array(order[cut:])), days=7.0, seed=seed)
            found = judge(config, root, newest)
        assert found is not None
        wrong += found.since is not None
        if not (seed + 1) % 20:
            print(f"  after {seed + 1}: {wrong}", flush=True)
    low = beta.ppf(0.025, wrong, draws - wrong + 1) if wrong else 0.0
    high = beta.ppf(0.975, wrong + 1, draws - wrong)
    print(f"{data}: left out in {wrong} of {draws} draws ({low:.3f} to {high:.3f}), though nothing changed")


def drift(kind: str = "concept", form: str = "sudden", *, draws: int = 20, records: int = 800, days: int = 8) -> None:
    """By day: what was left out, and the error of the simpler model with and without it."""
    config = compose_config(PROJECT, ["experiment=loans-fast"])
    spec = config.data
    read = read_records(spec, PROJECT.root, "train")
    kinds = {name: "number" if pa.types.is_floating(read.schema.field(name).type) else "text" for name in spec.features}
    file = pd.read_parquet(PROJECT.root / spec.path / spec.files["train"])
    by_day: dict[int, list[Judgement]] = {}
    for seed in range(draws):
        plan = Plan.model_validate({"kind": kind, "form": form, "seed": seed, "records": records, "days": days})
        history, rest = halves(file, seed)
        stream = Stream(rest, spec, plan, kinds)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_own(config, root, pa.Table.from_pandas(history, preserve_index=False))
            since = None
            for day in range(plan.drift_day, days):
                asked = stream.day(day)
                new = pa.Table.from_pandas(
                    pd.DataFrame([one.record | {spec.target: one.label} for one in asked]), preserve_index=False
                )
                write_collected(config, root, new, days=1.0, seed=seed, first=float(day))
                path = collected_path(spec, root)
                pq.write_table(with_since(pq.read_table(path), since, spec, root), path)
                found = judge(config, root, 400)
                if found is not None:
                    since = found.since
                    by_day.setdefault(day, []).append(found)
    for day, several in by_day.items():
        kept = Counter("all" if one.since is None else str((one.since - START) // timedelta(days=1)) for one in several)
        error, before = (np.mean([getattr(one, name) for one in several]) for name in ("error", "error_before"))
        print(f"day {day}: holds since day {dict(kept)}; error {error:.3f}, by what held until then {before:.3f}")


def write_own(config: Config, root: Path, table: pa.Table) -> None:
    path = root / config.data.path / config.data.files["train"]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    for part, name in config.data.files.items():
        if part != "train":
            (path.parent / name).symlink_to(PROJECT.root / config.data.path / name)


def write_collected(config: Config, root: Path, table: pa.Table, *, days: float, seed: int, first: float = 0.0) -> None:
    """Add records as if they had been asked one after the other in so many days."""
    names = [f"{seed}-{first:g}-{row}" for row in range(len(table))]
    times = [START + timedelta(days=first + days * row / len(table)) for row in range(len(table))]
    if getattr(config.data, "id", None) in table.column_names:
        table = table.drop_columns([config.data.id])  # type: ignore[union-attr]
    if getattr(config.data, "id", None):
        table = table.append_column(config.data.id, pa.array(names))  # type: ignore[union-attr]
    sides = [side_of(name, 0.2, 0.15) for name in names]
    table = table.append_column(ID, pa.array(names)).append_column(SPLIT, pa.array(sides, pa.string()))
    table = table.append_column(TIME, pa.array(times, pa.timestamp("ms", tz="UTC")))
    for column in config.data.with_role("sensitive", "slice"):
        if column not in table.column_names:
            table = table.append_column(column, pa.nulls(len(table)))
    path = collected_path(config.data, root)
    before = [pq.read_table(path)] if path.exists() else []
    pq.write_table(pa.concat_tables([*before, table], promote_options="permissive"), path)


def main() -> None:
    """Run what the command line says."""
    what, *words = sys.argv[1:] or ["calm"]
    named = {key: int(value) for key, _, value in (word.partition("=") for word in words if "=" in word)}
    {"calm": calm, "drift": drift}[what](*[word for word in words if "=" not in word], **named)


if __name__ == "__main__":
    main()
