"""mitigation.json: what the fairness gap is with and without the sensitive columns, and what reweighing changes.

Shapes: N records, R resamples, G groups.
Source of reweighing: Kamiran & Calders 2012, Data preprocessing techniques for classification without discrimination.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from lightloop.audit.scoring import Estimate, Ruler, bounds_of, described, not_applicable
from lightloop.audit.trainings import Trainer
from lightloop.config.schema import AnySpec, Config
from lightloop.config.tabular import TabularSpec
from lightloop.data.balance import reweighing
from lightloop.data.grouping import group_names
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName, read_splits
from lightloop.evaluation.bootstrap import paired_difference
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.fairness import GAPS, GroupRates, flags, gap_estimates, label_gaps
from lightloop.evaluation.groups import Groups, Records

RELEASED = "released"
Answered = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]


def mitigation(
    trainer: Trainer,
    splits: Mapping[SplitName, pa.Table],
    released: Answered | None,
    ruler: Ruler,
    step: Callable[[str], None],
) -> dict[str, Any]:
    """The content of mitigation.json, of tables with sensitive columns and a favourable class.

    `favourable` class; `reweighed` column; `columns`: for each sensitive column with two groups of at least `smallest`
    test records the `groups` (`name`, `n`) and its `data_gaps`, of the labels themselves. `variants`: `released` first,
    then `with_sensitive_columns` as features, and `reweighed`; each with the `metric`, the `cost` (by how much it is
    worse than the released model; positive is worse, one-sided bounds), the `favourable_rate` and `gaps`: by column and
    gap of `evaluation.fairness` its `estimate`, and the `change` from the released model on the same resamples. `cost`
    and `change` are null for the released model. All answers are the most probable class, without calibration: further
    trainings have none.
    """
    spec, config = ruler.config.data, ruler.config
    sensitive = spec.with_role("sensitive")
    if released is None or not isinstance(spec, TabularSpec) or spec.problem != "classification" or not sensitive:
        return not_applicable("it is about classes of tables with sensitive columns")
    favourable = spec.favourable or (spec.classes[-1] if len(spec.classes) == 2 else None)
    if favourable is None:
        return not_applicable("no class is said to be the one that people hope for: say data.favourable")
    how = Resampling(config.gate.confidence, ruler.settings.resamples, config.seed)
    test = Records(ruler.problem, splits["test"], how, config.gate.smallest_group)
    columns = {name: groups for name in sensitive if len((groups := test.groups(name)).names) >= 2}
    if not columns:
        return not_applicable(f"no sensitive column has two groups of {test.smallest} test records")
    train = Records(ruler.problem, splits["train"], how, config.gate.smallest_group)
    unequal = widest(train, list(columns), favourable)

    answers: dict[str, Answered] = {RELEASED: released}
    step("with the sensitive columns")
    other = with_sensitive(config)
    known = read_splits(other.data, trainer.project.root, config.seed)
    answers["with_sensitive_columns"] = ruler.values(trainer.train(known, config=other).answers(known["test"]))
    step(f"reweighed by {unequal}")
    fair = {**splits, "train": reweighed(splits["train"], unequal, spec, config.seed)}
    answers["reweighed"] = ruler.values(trainer.train(fair).answers(splits["test"]))

    good = spec.classes.index(favourable)
    meant_N = flags(splits["test"], "label", favourable)
    given = {name: values.argmax(1) == good for name, values in answers.items()}
    found = {name: Column.of(test, groups, meant_N, given) for name, groups in columns.items()}
    scorers = {name: ruler.scorer(splits["test"], values) for name, values in answers.items()}
    shown: dict[str, Any] = {}
    for name, scorer in scorers.items():
        cost = None
        if name != RELEASED:
            worse = paired_difference(scorers[RELEASED], scorer, ruler.metric, **ruler.how, seed=config.seed)
            cost = {"value": worse.value, "low": worse.low, "high": worse.high}
        shown[name] = {
            "metric": ruler.scored(scorer),
            "cost": cost,
            "favourable_rate": ruler.mean(given[name], splits["test"]),
            "gaps": {column: rates.gaps(name) for column, rates in found.items()},
        }
    return described(
        {
            "metric": ruler.metric,
            "n": len(test),
            **ruler.how,
            "favourable": favourable,
            "smallest": test.smallest,
            "reweighed": unequal,
            "columns": {name: rates.as_json() for name, rates in found.items()},
            "variants": shown,
        }
    )


@dataclass(frozen=True)
class Column:
    """A sensitive column's groups, and their rates under several models on the same records and resamples.

    Attributes:
        groups: of the column.
        rates: by model, as `GroupRates.resampled` gives them.
        confidence: of intervals.
    """

    groups: Groups
    rates: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
    confidence: float

    @classmethod
    def of(cls, test: Records, groups: Groups, meant_N: Flags, given: Mapping[str, Flags]) -> "Column":
        rates = {
            name: GroupRates(groups, meant_N, given_N).resampled(test.draws, test.how)
            for name, given_N in given.items()
        }
        return cls(groups, rates, test.how.confidence)

    def as_json(self) -> dict[str, Any]:
        """The groups and the gap of the labels."""
        sizes = [{"name": n, "n": int(r.sum())} for n, r in zip(self.groups.names, self.groups.rows, strict=True)]
        return {"groups": sizes, "data_gaps": label_gaps(*self.rates[RELEASED], self.confidence)}

    def gaps(self, model: str) -> dict[str, Any]:
        """By gap the `estimate` of a model, and its `change` from the released one."""
        estimates = gap_estimates(*self.rates[model], self.confidence, GAPS, {})
        return {name: {"estimate": estimates[name], "change": self._change(model, name)} for name in GAPS}

    def _change(self, model: str, gap: str) -> Estimate | None:
        if model == RELEASED:
            return None
        (point, drawn), (before, before_drawn) = self.rates[model], self.rates[RELEASED]
        value = float(widest_gap(point, gap)[0] - widest_gap(before, gap)[0])
        if not np.isfinite(value):
            return {"value": None, "low": None, "high": None}
        return {
            "value": value,
            **bounds_of(widest_gap(drawn, gap) - widest_gap(before_drawn, gap), self.confidence),
        }


def widest_gap(rates: Mapping[str, Any], gap: str) -> Any:
    """The largest difference (R,) between groups of the rates (R, G) that a gap is about.

    Examples:
        >>> widest_gap({"selection_rate": np.array([[0.2, 0.5, 0.4]])}, "demographic_parity_difference").tolist()
        [0.3]
    """
    return np.max([rates[name].max(1) - rates[name].min(1) for name in GAPS[gap]], axis=0)


def with_sensitive(config: Config) -> Config:
    """The config with the sensitive columns as category features."""
    spec = config.data
    columns = {
        name: column.model_copy(update={"role": "feature", "kind": "category"})
        if column.role == "sensitive"
        else column
        for name, column in spec.columns.items()
    }
    # Checks that a sensitive column must not enter hold no more, and are not what this is about.
    changed = spec.model_copy(update={"columns": columns, "metamorphic": ()})
    return config.model_copy(update={"data": changed})


def widest(train: Records, columns: list[str], favourable: str) -> str:
    """The sensitive column between whose groups the labels of the training records differ most."""
    meant_N = flags(train.table, "label", favourable)

    def gap(column: str) -> float:
        rates = [float(meant_N[inside_N].mean()) for inside_N in train.groups(column).rows]
        return max(rates, default=0.0) - min(rates, default=0.0)

    return max(columns, key=gap)


def reweighed(train: pa.Table, column: str, spec: AnySpec, seed: int) -> pa.Table:
    """As many training records, drawn so that label and group are independent: every pair has the share P(group) *
    P(label). Each record is there as often as its weight says, the rest by chance; records without a group weigh 1.
    """
    labels_N = label_codes(train.column("label").to_pylist(), spec.classes)
    groups = group_names(train.column(column).to_pylist(), spec.bins.get(column, ()))
    weights_N = reweighing(torch.from_numpy(labels_N), groups).numpy()
    whole_N = np.floor(weights_N).astype(np.int64)
    rest_N = np.random.default_rng(seed).random(len(train)) < weights_N - whole_N
    rows = np.repeat(np.arange(len(train)), whole_N + rest_N)
    return train.take(rows)
