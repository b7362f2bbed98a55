"""Predicting numbers: what its evaluation leaves behind, of one number a record or of the steps of a forecast.

Shapes: N records, H numbers of an answer, Q quantiles.
"""

import csv
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.data import Role
from lightloop.config.metrics import OF_PROBLEM
from lightloop.config.schema import Config
from lightloop.config.series import SeriesSpec
from lightloop.errors import LightloopError, UsageError
from lightloop.evaluation.bootstrap import intervals
from lightloop.evaluation.draws import draws_of
from lightloop.evaluation.evidence import Resampling, lists, matrix, metrics_content, plain, write_table
from lightloop.evaluation.number_metrics import ALL, NumberMetrics
from lightloop.evaluation.problem import Answers, Floats, Problem
from lightloop.files import replacing, write_json
from lightloop.project import Project

MISTAKES = 24
COLUMNS = {"model": "prediction", "baseline": "baseline"}
# Columns of the records that are read for evaluation and travel with the predictions.
CARRIED: tuple[Role, ...] = ("sensitive", "slice", "group", "time")
NAIVE_ERROR = "naive_error"
# Answers that differ by less than this share of their own spread are the same for who reads them.
NOTICED = 1e-3
# of feature: series
HORIZON_METRICS = ("rmse", "mae", "mape", "smape", "mase", "coverage", "width")
# end


class Numbers(Problem):
    """Regression and forecasting: answers are numbers (N, H), in the target's unit."""

    answer = "prediction"
    metrics = ALL

    @property
    def horizon(self) -> int:
        """H: numbers of an answer."""
        forecasts = isinstance(self.spec, SeriesSpec) and self.spec.problem == "forecasting"
        return self.spec.horizon if forecasts and isinstance(self.spec, SeriesSpec) else 1

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics of this data set's problem."""
        return OF_PROBLEM[self.spec.problem]

    def write(self, config: Config, project: Project, questions: pa.Table, model: Answers, baseline: Answers) -> None:
        how = Resampling.of(config)
        table = self._predictions(questions, model, baseline)
        ours = self._scorer(table, matrix(table, "prediction"), quantiles_of(table, self.horizon))
        simpler = self.scorer(table, matrix(table, "baseline"))
        if config.gate.metric not in simpler.names:
            raise UsageError(
                f"gate.metric is {config.gate.metric}, which is no metric of {self.spec.problem} that models can be "
                f"compared by: say one of {', '.join(simpler.names)}"
            )
        write_table(project.predictions, table)
        write_json(project.metrics, metrics_content(ours, simpler, config.gate.metric, how))
        write_json(project.horizons, self._horizons(table, how))
        write_json(project.mistakes, self._mistakes(table))
        # Of classes alone; every problem leaves the same files.
        write_json(project.classes, [])
        _write_confusion(project.confusion)

    @property
    def block(self) -> int:
        return self.horizon

    def scorer(self, predictions: pa.Table, answers_NM: Floats, names: Collection[str] | None = None) -> NumberMetrics:
        return self._scorer(predictions, answers_NM, None, names)

    def errors(self, predictions: pa.Table, answers_NM: Floats) -> NDArray[np.float64]:
        error_N: NDArray[np.float64] = np.abs(answers_NM - labels_of(predictions)).mean(1)
        return error_N

    def written(self, predictions: pa.Table, who: str) -> Floats:
        return matrix(predictions, COLUMNS[who])

    def different(self, first_NM: Floats, second_NM: Floats, predictions: pa.Table | None = None) -> int:
        """Records whose answers lie apart by more than a thousandth of the spread of all answers."""
        noticed = NOTICED * float(second_NM.std()) + 1e-5 * float(np.abs(second_NM).max())
        return int((np.abs(first_NM - second_NM) > noticed).any(1).sum())

    def comparable(self, champion: Mapping[str, Any], answers_NM: Floats) -> Floats | str:
        if answers_NM.shape[1:] != (self.horizon,):
            return f"it answers {answers_NM.shape[1]} numbers a record, and the challenger {self.horizon}"
        if isinstance(self.spec, SeriesSpec):
            before = champion["config"]["data"]
            if before.get("resample") != self.spec.resample:
                return f"its steps are {before.get('resample') or 'those of the data'}, not {self.spec.resample}"
            if before["window"] > self.spec.window:
                return f"it looks back over {before['window']} steps, and records now hold {self.spec.window}"
        return answers_NM

    def _predictions(self, questions: pa.Table, model: Answers, baseline: Answers) -> pa.Table:
        """predictions.parquet: id, label, prediction, baseline; quantiles where there are; what is carried."""
        ours_NH, simpler_NH = self.checked(model, "the model"), self.checked(baseline, "the baseline")
        for who, answers_NH in (("the model", ours_NH), ("the baseline", simpler_NH)):
            if answers_NH.shape != (len(questions), self.horizon):
                raise LightloopError(
                    f"{who} answers {answers_NH.shape[1]} numbers a record, but the config asks for {self.horizon}: "
                    "run `lightloop run`"
                )
        carried = [name for name in (*self.spec.with_role(*CARRIED), NAIVE_ERROR) if name in questions.column_names]
        quantiles = {}
        if "quantiles" in model:
            quantiles["quantiles"] = lists(np.sort(model["quantiles"], axis=2).reshape(len(questions), -1))
        return pa.table(
            {
                "id": questions.column("id"),
                "label": questions.column("label"),
                "prediction": lists(ours_NH),
                "baseline": lists(simpler_NH),
                **quantiles,
                **{name: questions.column(name) for name in carried},
            }
        )

    def _scorer(
        self,
        predictions: pa.Table,
        answers_NM: Floats,
        quantiles_NHQ: Floats | None,
        names: Collection[str] | None = None,
    ) -> NumberMetrics:
        naive = _naive_error(predictions)
        return NumberMetrics(
            labels_of(predictions),
            answers_NM,
            self.names if names is None else names,
            draws=draws_of(self.spec, predictions, block=self.horizon),
            naive_error=naive,
            quantiles_NHQ=quantiles_NHQ,
        )

    def _horizons(self, table: pa.Table, how: Resampling) -> list[dict[str, Any]]:
        """horizons.json: for each step ahead the metrics of model and baseline; empty where an answer is one number."""
        if self.spec.problem != "forecasting":
            return []
        labels_NH, parts = labels_of(table), {who: matrix(table, column) for who, column in COLUMNS.items()}
        draws, naive = draws_of(self.spec, table, block=self.horizon), _naive_error(table)
        quantiles = {"model": quantiles_of(table, self.horizon)}
        rows = []
        for step in range(self.horizon):
            here = slice(step, step + 1)
            found = {
                who: NumberMetrics(
                    labels_NH[:, here],
                    answers_NH[:, here],
                    HORIZON_METRICS,
                    draws=draws,
                    naive_error=naive,
                    quantiles_NHQ=None if (levels := quantiles.get(who)) is None else levels[:, here],
                )
                for who, answers_NH in parts.items()
            }
            rows.append({"step": step + 1, **{who: plain(intervals(one, **asdict(how))) for who, one in found.items()}})
        return rows

    def _mistakes(self, table: pa.Table) -> list[dict[str, Any]]:
        """mistakes.json: the records with the largest errors; of forecasts that overlap the worst alone."""
        labels_NH, answers_NH = labels_of(table), matrix(table, "prediction")
        error_N = np.sqrt(np.square(answers_NH - labels_NH).mean(1))
        chosen: list[int] = []
        for row in np.argsort(-error_N, kind="stable").tolist():
            if all(abs(row - other) >= self.horizon for other in chosen):
                chosen.append(row)
            if len(chosen) == MISTAKES:
                break
        ids = table.column("id").to_pylist()
        single = self.spec.problem != "forecasting"
        return [
            {
                "id": ids[row],
                "label": labels_NH[row, 0].item() if single else labels_NH[row].tolist(),
                "prediction": answers_NH[row, 0].item() if single else answers_NH[row].tolist(),
                "error": float(error_N[row]),
            }
            for row in chosen
        ]


def labels_of(predictions: pa.Table) -> NDArray[np.float64]:
    """The right numbers (N, H) of predictions.parquet, whose labels are numbers or lists of numbers."""
    if pa.types.is_list(predictions.schema.field("label").type):
        return matrix(predictions, "label")
    column = predictions.column("label").to_numpy(zero_copy_only=False)
    return np.asarray(column, dtype=np.float64)[:, None]


def _naive_error(predictions: pa.Table) -> float | None:
    """What MASE is scaled by, of forecasts."""
    return float(predictions.column(NAIVE_ERROR)[0].as_py()) if NAIVE_ERROR in predictions.column_names else None


def quantiles_of(predictions: pa.Table, horizon: int) -> Floats | None:
    """The quantiles (N, H, Q) that were answered, rising in Q; None where the network answers none."""
    if "quantiles" not in predictions.column_names:
        return None
    return matrix(predictions, "quantiles").reshape(len(predictions), horizon, -1)


def _write_confusion(path: Path) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(["actual", "predicted"])
