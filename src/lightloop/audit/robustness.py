"""robustness.json: the metric on worse, attacked and extreme records, and the checks that the data declare."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.audit.attack import attack_rows
from lightloop.audit.corruption import STRENGTHS, Corruption, Raw, corruptions
from lightloop.audit.extremes import extreme_rows
from lightloop.audit.metamorphic import metamorphic_rows
from lightloop.audit.scoring import Ruler, described, not_applicable, sample
from lightloop.data.splits import SplitName
from lightloop.evaluation.evidence import decided_by
from lightloop.tasks.checkpoint import Model


def robustness(model: Model, splits: Mapping[SplitName, pa.Table], ruler: Ruler) -> dict[str, Any]:
    """The content of robustness.json: of the model as it is served, with its calibration.

    `metric` and `n` hold for all of it; `clean` is the metric on the same records as they are. `corruptions` has for
    each kind its `unit`, `levels` (`strength` 1 to 5, `amount`, `value`, `low`, `high`) and the `mean` of the levels.
    `attacks`, `extremes` and `metamorphic`: see the modules of these names.
    """
    spec = model.config.data
    if spec.problem == "generation":
        return not_applicable("what is generated is asked for with noise: there is no record that could be disturbed")
    # Answers are decided as those that are served.
    records = decided_by(sample(splits["test"], ruler.config, ruler.settings.records), model.calibration.decision)
    raw = Raw(records, spec, splits["train"])
    attacked = sample(records, ruler.config, ruler.settings.attack_records)
    return described(
        {
            "metric": ruler.metric,
            "n": len(records),
            **ruler.how,
            "clean": ruler.estimate(records, ruler.values(model.answers(records))),
            "corruptions": {one.name: _corrupted(model, raw, ruler, one) for one in corruptions(spec)},
            "attacks": attack_rows(model, attacked, ruler),
            "extremes": extreme_rows(model, raw, ruler),
            "metamorphic": metamorphic_rows(model, records, ruler, spec.metamorphic),
        }
    )


def _corrupted(model: Model, raw: Raw, ruler: Ruler, kind: Corruption) -> dict[str, Any]:
    levels: list[dict[str, Any]] = []
    for strength, amount in zip(STRENGTHS, kind.amounts, strict=True):
        worse = kind.at(strength, raw, ruler.config.seed)
        found = ruler.estimate(raw.records, ruler.values(model.answers(worse)))
        levels.append({"strength": strength, "amount": amount, **found})
    values = [level["value"] for level in levels]
    return {"unit": kind.unit, "levels": levels, "mean": None if None in values else float(np.mean(values))}
