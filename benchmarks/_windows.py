"""Windows of a log as they would be of records that a bundle never saw: for the benchmark of monitoring."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.compose import validate_config
from lightloop.config.monitoring import MonitorConfig
from lightloop.data.splits import read_splits
from lightloop.data.tabular.input import TabularInput
from lightloop.evaluation.numbers import labels_of
from lightloop.monitoring.standing import Standing
from lightloop.monitoring.suite import Expected
from lightloop.monitoring.window import Window
from lightloop.project import Project
from lightloop.quality.suite import load_suite
from lightloop.release.profile import column_of, columns_of_answers, columns_of_truth
from lightloop.serving.attributions import Attributions as Explained
from lightloop.serving.attributions import attributions
from lightloop.serving.described import described
from lightloop.serving.log import HEAD, REQUEST, TAIL
from lightloop.serving.novelty import Describer
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import Attributions, HeldOut, Profile

PROJECT = Project.find(Path(__file__).parent)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CONFIG = MonitorConfig()
EXPLAINED = 64
TOLD = 20  # windows between lines
ROW = "\x00row"  # where a window's record comes from, so that no record is explained twice


@dataclass(frozen=True)
class Pool:
    """Records that the bundle never saw, with all that is known of their answers."""

    predictor: Predictor
    train: pa.Table
    table: pa.Table
    answers: np.ndarray
    novelty: np.ndarray
    rows_D: np.ndarray
    explained: Explained | None
    expected: Expected | None
    columns: dict[str, Any]  # what describes the training records; of texts those of `table`, which the bundle keeps

    @classmethod
    def of(cls, folder: Path, *, explain: bool, suite: bool) -> "Pool":
        predictor = Predictor.load(folder)
        config = validate_config(predictor.manifest.config)
        splits = read_splits(config.data, PROJECT.root, config.seed)
        table = pa.concat_tables([splits["validation"], splits["test"]], promote_options="permissive")
        scored = predictor.score(table)
        reference = predictor.reference
        assert reference is not None
        describe = Describer(predictor.manifest.input, ("input",), reference.arrays)
        rows_D = describe(predictor.manifest.input.encode(table, predictor.files), {}).astype(np.float32)
        explained = attributions(predictor, table, records=len(table)) if explain else None
        expected = None
        if suite:
            expected = Expected(
                config.data, load_suite(PROJECT.expectations / f"{config.data.expectations}.json"), len(splits["train"])
            )
        novelty = scored.novelty[1] if scored.novelty else np.full(len(table), np.nan)
        answers = scored.answers[predictor.manifest.answer]
        known = table if predictor.manifest.modality == "text" else splits["train"]
        columns = described(predictor.manifest.input, known, predictor.files)
        return cls(predictor, splits["train"], table, answers, novelty, rows_D, explained, expected, columns)

    def standing(self, held: np.ndarray) -> Standing:
        """The bundle as if it had been exported with these held-out records."""
        manifest, table = self.predictor.manifest, self.table.take(held)
        columns = self.columns
        if manifest.modality == "text":
            columns = {name: column_rows(values, held) for name, values in columns.items()}
        profile = Profile(
            n=len(self.train),
            held_out=len(held),
            features=tuple(column_of(name, values) for name, values in columns.items()),
            answers=tuple(columns_of_answers(self.predictor, self.answers[held])),
            truth=tuple(columns_of_truth(manifest, self.train)),
        )
        # As the export draws them: in the order of the pool the first ones would be of its validation split.
        drawn = np.random.default_rng(0).permutation(held)
        found: dict[str, Any] = {"novelty": self.novelty[held], "described": self.rows_D[drawn[:1000]]}
        if self.explained is not None:
            sizes = self.explained.sizes_NU[drawn[:EXPLAINED]]
            found["attributions"] = sizes
            names, zeros = self.explained.names, tuple(0.0 for _ in self.explained.names)
            attributed = Attributions(n=len(sizes), names=names, mean=zeros, std=zeros)
            profile = profile.model_copy(update={"attributions": attributed})
        if manifest.classes:
            codes = pc.index_in(table.column("label").cast(pa.string()), pa.array(manifest.classes))
            held_out = HeldOut(self.answers[held], codes.to_numpy().astype(np.int64), **found)
        else:
            held_out = HeldOut(values=self.answers[held], truths=labels_of(table), **found)
        return Standing(self.predictor, profile, held_out, None, self.expected)

    def window(self, rows: np.ndarray) -> Window:
        """What the log would hold of these records, and their labels."""
        table = self.table.take(rows)
        return logged(self.predictor, table, self.answers[rows], self.novelty[rows], rows)


def column_rows(values: Any, rows: np.ndarray) -> Any:
    """The values of these records."""
    return values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))


def logged(
    predictor: Predictor, table: pa.Table, answers: np.ndarray, novelty: np.ndarray, rows: np.ndarray | None = None
) -> Window:
    manifest, count = predictor.manifest, len(table)
    columns: dict[str, Any] = {field.name: pa.nulls(count, field.type) for field in (*HEAD, *TAIL)}
    times = [NOW - timedelta(days=7) + timedelta(seconds=row + 1) for row in range(count)]
    columns |= {
        "prediction_id": pa.array([str(row) for row in range(count)]),
        "time": pa.array(times, pa.timestamp("ms", tz="UTC")),
        "digest": pa.array([predictor.digest] * count),
        "novelty": pa.array(novelty, pa.float32()),
        "truth": pa.nulls(count, pa.string()),
        "truth_values": pa.nulls(count, pa.list_(pa.float64())),
    }
    if manifest.classes:
        codes = predictor.decide(answers)
        columns |= {
            "label": pa.array(manifest.classes).take(pa.array(codes)),
            "probability": pa.array(answers[np.arange(count), codes], pa.float32()),
            "probabilities": pa.array(answers.tolist(), pa.list_(pa.float32())),
            "abstains": pa.array(manifest.rules.abstains(answers)),
            "truth": table.column("label").cast(pa.string()),
        }
    else:
        columns |= {
            "values": pa.array(answers.reshape(count, -1).tolist(), pa.list_(pa.float64())),
            "truth_values": pa.array(labels_of(table).tolist(), pa.list_(pa.float64())),
        }
    wanted = {name for name in _inputs(predictor) if name in table.column_names}
    records = table.select(sorted(wanted))
    if rows is not None:
        records = records.append_column(ROW, pa.array(rows))
    return Window(pa.table(columns), records, REQUEST.empty_table(), NOW - timedelta(days=7), NOW)


def _inputs(predictor: Predictor) -> list[str]:
    schema = predictor.manifest.input
    if isinstance(schema, TabularInput):
        return [one.name for one in schema.features]
    return [name for name in (getattr(schema, "column", None), getattr(schema, "time", None), "image", "text") if name]
