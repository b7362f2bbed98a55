"""A fit of about a minute: does anything come of it? Scored on the validation split; the test stays unseen.

Shapes: N records, K classes, H numbers of one answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Timer

from lightloop.config.image import ImageSpec
from lightloop.config.metrics import METRICS, is_better
from lightloop.config.schema import AnySpec, Config, NoTracking
from lightloop.data.splits import SplitName, class_codes, read_splits, stratified_rows
from lightloop.evaluation.baseline import baseline_answers, baseline_title
from lightloop.evaluation.baselines.series_forecasting import seasonal_naive
from lightloop.evaluation.evidence import matrix
from lightloop.evaluation.numbers import labels_of
from lightloop.evaluation.problem import problem_of
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model
from lightloop.training.member import train_member

SECONDS = 60  # after which no further epoch is begun
# Records that are trained on at most, and steps of training at most.
RECORDS = {"tabular": 20_000, "image": 3_000, "text": 3_000, "series": 6_000}
STEPS = {"tabular": 2_500, "image": 700, "text": 600, "series": 1_500}
PIXELS = 28 * 28
FEWEST_EPOCHS = 3
BESIDE = {"classification": ("accuracy", "log_loss"), "regression": ("rmse", "r2"), "forecasting": ("rmse", "mase")}
TRIVIAL = {
    "classification": "saying the shares of the classes",
    "regression": "saying the mean",
    "forecasting": "saying the last value",
}


@dataclass(frozen=True)
class Smoke:
    """What the fit came to, on the validation split.

    Attributes:
        metrics: names, the one that the gate decides by first.
        network, simpler, trivial: values by metric.
        titles: of the three, for people.
        records: that were trained on, and judged by.
        epochs: that were trained.
        whole: whether all training records were used, for as many epochs as the experiment has.
    """

    metrics: tuple[str, ...]
    network: Mapping[str, float]
    simpler: Mapping[str, float]
    trivial: Mapping[str, float]
    titles: tuple[str, str, str]
    records: tuple[int, int]
    epochs: int
    whole: bool

    @property
    def learns(self) -> bool:
        """Whether the network is better than what knows nothing of the record."""
        return is_better(self.metrics[0], self.network[self.metrics[0]], self.trivial[self.metrics[0]])

    def title(self, metric: str) -> str:
        return METRICS[metric].title


def smoke_fit(config: Config, project: Project, scratch: Path) -> Smoke:
    """Train for about a minute and compare with a simpler model and with what knows nothing.

    Args:
        config: of the experiment.
        project: where the data lie.
        scratch: folder that does not exist yet; it holds the training.

    Raises:
        LightloopError: the loss became infinite or not a number.
        RefusedError: a record is not as the data spec says.
    """
    spec = config.data
    splits = read_splits(spec, project.root, config.seed)
    limit = RECORDS[spec.modality]
    few: dict[SplitName, pa.Table] = {
        "train": _some(splits["train"], spec, limit, config.seed),
        "validation": _some(splits["validation"], spec, limit, config.seed),
        "test": splits["validation"].slice(0, 1),  # what is never looked at
    }
    epochs = _epochs(config, len(few["train"]))
    short = config.model_copy(
        update={
            "trainer": config.trainer.model_copy(
                update={"max_epochs": epochs, "patience": min(config.trainer.patience, epochs)}
            ),
            "tracking": NoTracking(name="none"),
        }
    )
    timer = Timer(timedelta(seconds=SECONDS), interval="epoch", verbose=False)
    member = train_member(short, project, scratch=scratch, tables=few, callbacks=[timer], lines=False)
    model, asked = load_model(member.checkpoint), few["validation"]
    problem = problem_of(spec)
    metrics = tuple(dict.fromkeys((config.gate.metric, *BESIDE[spec.problem])))

    def scores(answers: Mapping[str, NDArray[Any]], who: str) -> dict[str, float]:
        scorer = problem.scorer(asked, problem.checked(answers, who), metrics)
        found = scorer.scores(np.ones((1, len(asked)), dtype=np.int64))
        return {name: float(found[name][0]) for name in metrics}

    return Smoke(
        metrics=metrics,
        network=scores(model.answers(asked), "the network"),
        simpler=scores(baseline_answers(config, few, asked), "the simpler model"),
        trivial=scores(_trivial(spec, few["train"], asked), "the trivial answer"),
        titles=(config.network.name, baseline_title(spec), TRIVIAL[spec.problem]),
        records=(len(few["train"]), len(asked)),
        epochs=len(member.history),
        whole=len(few["train"]) == len(splits["train"]) and epochs == config.trainer.max_epochs,
    )


def _epochs(config: Config, records: int) -> int:
    """As many as the experiment has, or fewer, so that steps of this size take no more than a minute."""
    spec = config.data
    steps = STEPS[spec.modality]
    if isinstance(spec, ImageSpec):
        steps = round(steps * min(1.0, PIXELS / (spec.size[0] * spec.size[1])))
    of_an_epoch = max(1, records // config.trainer.batch_size)
    return min(config.trainer.max_epochs, max(FEWEST_EPOCHS, steps // of_an_epoch))


def _some(table: pa.Table, spec: AnySpec, limit: int, seed: int) -> pa.Table:
    if len(table) <= limit:
        return table
    if spec.classes:
        codes = class_codes(table, spec)
        if np.unique(codes, return_counts=True)[1].min() >= 2:
            _, rows = stratified_rows(codes, limit / len(table), seed)
            return table.take(rows)
    return table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:limit]))


def _trivial(spec: AnySpec, train: pa.Table, asked: pa.Table) -> dict[str, NDArray[Any]]:
    """The best answers that do not look at the record, of forecasts the last value."""
    if spec.problem == "classification":
        shares_K = np.bincount(class_codes(train, spec), minlength=len(spec.classes)) / len(train)
        return {"probabilities": np.tile(shares_K.astype(np.float32), (len(asked), 1))}
    if spec.problem == "forecasting":
        return {"prediction": seasonal_naive(matrix(asked, "series"), labels_of(asked).shape[1], 1, 0.0)}
    mean = labels_of(train).mean(0)
    return {"prediction": np.tile(mean, (len(asked), 1))}
