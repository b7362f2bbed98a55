"""A finished run: what it was told, what came of it, and the model itself to be asked.

Shapes: N records, K classes.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lightloop.config.audit import PARTS
from lightloop.config.compose import read_params
from lightloop.config.schema import Config
from lightloop.errors import LightloopError, UsageError
from lightloop.evaluation.evidence import matrix, read_predictions
from lightloop.evaluation.problem import problem_of
from lightloop.files import read_json
from lightloop.runs.explanations import Explanations
from lightloop.runs.frames import metrics_frame, rows_frame
from lightloop.runs.source import Source

if TYPE_CHECKING:
    from lightloop.serving.predictor import Predictor

LISTS = ("probabilities", "baseline_probabilities", "raw_probabilities")


@dataclass(frozen=True)
class Verdict:
    """What the gate said.

    Attributes:
        word: accepted or refused.
        champion: the version that stood in production then; None where nothing did.
        checks: a row a check: whether it passed, and its sentence.
    """

    word: str
    champion: str | None
    checks: pd.DataFrame

    @property
    def accepted(self) -> bool:
        return self.word == "accepted"


@dataclass(frozen=True)
class Run:
    """A finished run, made by `load_run`. Everything is read when it is asked for, and then kept.

    What was not written raises `LightloopError` with the command that makes it. Tables are pandas frames: change a
    copy, since they are kept.

    Attributes:
        source: where its files come from.
    """

    source: Source

    def __repr__(self) -> str:
        return f"<Run {self.source.name}>"

    @cached_property
    def config(self) -> Config:
        """What the run was told.

        Raises:
            UsageError: of a revision whose config this version of the project can't read any more.
        """
        self.source.need(self.source.project.params)
        return read_params(self.source.project)

    @property
    def name(self) -> str:
        """As the config calls it."""
        return self.config.name

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row a metric, by its name: value and interval on the test records, and the same of the simpler model.

        Columns: title, value, low, high, baseline, baseline_low, baseline_high, direction, unit.
        """
        return metrics_frame(self._json(self.source.project.metrics))

    @cached_property
    def gain(self) -> dict[str, Any]:
        """How much better the model is than the simpler one on the gate's metric, paired: value, low, high."""
        found: dict[str, Any] = self._json(self.source.project.metrics)["better_than_baseline"]
        return found

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row a test record, by its id: label, prediction, `error`, and the columns that groups are made of.

        `error` is 1 for a wrong class, the mean absolute error of numbers, and absent of what is generated.
        """
        table = self._predictions
        frame = table.drop_columns([name for name in LISTS if name in table.column_names]).to_pandas()
        if self.config.data.problem != "generation":
            problem = problem_of(self.config.data)
            frame["error"] = problem.errors(table, problem.written(table, "model"))
        return frame.set_index("id")

    @cached_property
    def probabilities(self) -> pd.DataFrame:
        """Probabilities (N, K), a column a class, by the record's id.

        Raises:
            UsageError: the run does not classify.
        """
        if "probabilities" not in self._predictions.column_names:
            raise UsageError(f"a run of {self.config.data.problem} has no probabilities: see `run.predictions`")
        values_NK = matrix(self._predictions, "probabilities")
        ids = pd.Index(self._predictions.column("id").to_pylist(), name="id")
        return pd.DataFrame(values_NK, index=ids, columns=list(self.config.data.classes))

    @cached_property
    def classes(self) -> pd.DataFrame:
        """A row a class: its records, precision, recall and F1 with intervals; empty where nothing is classified."""
        return rows_frame(self._json(self.source.project.classes))

    @cached_property
    def mistakes(self) -> pd.DataFrame:
        """The most wrong test records."""
        return rows_frame(self._json(self.source.project.mistakes))

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row an epoch of the training, by its number."""
        frame = pd.DataFrame(self._json(self.source.project.history))
        return frame.set_index("epoch") if "epoch" in frame else frame

    @cached_property
    def slices(self) -> pd.DataFrame:
        """A row a part of the test records: its metrics with intervals, and the difference to all others.

        Empty where no column makes parts.
        """
        return rows_frame(self._json(self.source.project.slices).get("rows") or [])

    @cached_property
    def fairness(self) -> pd.DataFrame:
        """A row a group of a sensitive column: who is given the favourable class; empty where it does not apply."""
        content = self._json(self.source.project.fairness)
        rows = [
            {"column": column["column"], **group}
            for column in content.get("columns") or []
            for group in column.get("groups") or []
        ]
        return rows_frame(rows)

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """How often answers were right, by how sure the model was: a row a bin; empty where nothing is classified."""
        content = self._json(self.source.project.calibration_evidence)
        rows = (content.get("after") or content.get("before") or {}).get("curve") or []
        return rows_frame(rows)

    @cached_property
    def uncertainty(self) -> dict[str, Any]:
        """Conformal sets or intervals, abstaining, disagreement: uncertainty.json as it is."""
        found: dict[str, Any] = self._json(self.source.project.uncertainty)
        return found

    @cached_property
    def audit(self) -> dict[str, dict[str, Any]]:
        """What the audit found, by part: robustness, labels, duplicates and others, as they were written."""
        return {name: self._json(self.source.project.audit / f"{name}.json") for name in PARTS}

    @cached_property
    def explanations(self) -> Explanations:
        """Attributions, their checks, and what counts overall."""
        return Explanations(self.source)

    @cached_property
    def gate(self) -> Verdict:
        """The verdict with its checks."""
        content = self._json(self.source.project.gate)
        champion = content["champion"]
        return Verdict(content["verdict"], champion["version"] if champion else None, pd.DataFrame(content["checks"]))

    @cached_property
    def predictor(self) -> "Predictor":
        """The released model, opened: `predict` gives one answer a record, `answers` arrays. It needs no torch."""
        from lightloop.serving.predictor import Predictor

        # A key that releases are signed with is the deployment's business; what lies here is read as it is.
        return Predictor.load(self.source.need(self.source.project.bundle), unsigned=True)

    def ask(self, records: Any) -> pd.DataFrame:
        """What the released model answers to new records, a row each.

        Args:
            records: a pandas frame with the feature columns, or a list: of mappings, texts, encoded images (see
                `serving.records.to_table`).

        Returns:
            The fields of `serving.predictions.Prediction` (or `NumberPrediction`) as columns; of classes the
            probabilities as one column a class.

        Raises:
            RefusedError: a record is not as the model needs it.
        """
        if isinstance(records, pd.DataFrame) and not len(records):
            raise UsageError("there is no record to ask about: give at least one")
        answers = self.predictor.predict(records)
        rows = []
        for answer in answers:
            row = dict(vars(answer))
            if "probabilities" in row:
                row |= dict(zip(self.predictor.classes, row.pop("probabilities"), strict=True))
            novelty = row.pop("novelty", None)
            rows.append(row | ({"novel": novelty.novel} if novelty else {}))
        index = records.index if isinstance(records, pd.DataFrame) else None
        return pd.DataFrame(rows, index=index)

    def records(self, split: str = "test") -> pd.DataFrame:
        """The records of a split, a row each, by their id, with the columns that the project reads.

        Args:
            split: train, validation or test.

        Raises:
            UsageError: there is no such split.
        """
        from lightloop.data.splits import read_splits

        root = self.source.project.root
        self.source.need(root / self.config.data.path)
        splits = {str(name): table for name, table in read_splits(self.config.data, root, self.config.seed).items()}
        if split not in splits:
            raise UsageError(f"there is no split {split!r}: there is {', '.join(splits)}")
        return splits[split].to_pandas().set_index("id")

    @property
    def report(self) -> Path:
        """The first page of the report; it works from disk."""
        return self.source.need(self.source.project.reports) / "index.html"

    @cached_property
    def _predictions(self) -> Any:
        return read_predictions(self.source.need(self.source.project.predictions))

    def _json(self, path: Path) -> Any:
        content = read_json(self.source.need(path))
        if content is None:
            raise LightloopError(f"{self.source.project.relative(path)} is empty: run `lightloop run`")
        return content
