"""staleness.json: what a model that was trained earlier would score today.

All models are trained on equally many records, so that age alone tells them apart.

Shapes: N records.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.audit.scoring import Ruler, described, not_applicable
from lightloop.audit.trainings import Trainer
from lightloop.config.series import SeriesSpec
from lightloop.data.folds import split_policy
from lightloop.data.splits import SplitName
from lightloop.evaluation.bootstrap import paired_difference

FEWEST = 40  # records to train and choose a model on


def staleness(
    trainer: Trainer, splits: Mapping[SplitName, pa.Table], ruler: Ruler, step: Callable[[str], None]
) -> dict[str, Any]:
    """The content of staleness.json.

    `records` that each model was trained and chosen on; `ages`, the youngest first: `share` of the time line by which
    its records end earlier, `records` of the time line that are left out by that, `ends` (time stamp of the last one),
    the `metric` on today's test split with its interval, and `worse`: by how much it is worse than the model of age 0
    on the same records (positive is worse; one-sided bounds), null for that one. Means over the seeds are not taken:
    seed 0 of the run decides, `seeds` says how many were trained, and `values` has the metric of each.
    """
    spec, settings = ruler.config.data, ruler.settings
    if split_policy(spec) not in ("time", "windows"):
        return not_applicable(f"the records of {spec.name} have no order in time by which they are divided")
    time = spec.with_role("time")[0]
    pool = pa.concat_tables([splits["train"], splits["validation"]])
    pool = pool.take(np.argsort(pool.column(time).to_numpy(zero_copy_only=False), kind="stable"))
    pool = pool.replace_schema_metadata(splits["train"].schema.metadata)
    used = len(pool) - round(settings.ages[-1] * len(pool))
    if used < FEWEST:
        return not_applicable(
            f"{used} records are too few to train on, when the last {settings.ages[-1]:.0%} are left out"
        )
    test, rows, youngest = splits["test"], [], None
    for age in settings.ages:
        late = round(age * len(pool))
        records = pool.slice(len(pool) - late - used, used)
        scorers = []
        for number in range(settings.seeds):
            step(f"a model that is {age:.0%} of the time line older")
            model = trainer.train(_divided(records, test, ruler), number=number)
            scorers.append(ruler.scorer(test, ruler.values(model.answers(test))))
        ones = np.ones((1, scorers[0].records), dtype=np.int32)
        values = [float(one.scores(ones)[ruler.metric][0]) for one in scorers]
        youngest = youngest or scorers[0]
        worse = None
        if scorers[0] is not youngest:
            found = paired_difference(youngest, scorers[0], ruler.metric, **ruler.how, seed=ruler.config.seed)
            worse = {"value": found.value, "low": found.low, "high": found.high}
        rows.append(
            {
                "share": age,
                "records": late,
                "ends": str(records.column(time)[-1].as_py()),
                **ruler.scored(scorers[0]),
                "values": [None if np.isnan(value) else value for value in values],
                "worse": worse,
            }
        )
    return described(
        {"metric": ruler.metric, "n": len(test), "seeds": settings.seeds, **ruler.how, "records": used, "ages": rows}
    )


def _divided(records: pa.Table, test: pa.Table, ruler: Ruler) -> dict[SplitName, pa.Table]:
    """The last share as validation; of windows with a gap before it, so that no step is in both."""
    spec = ruler.config.data
    share = spec.split.validation if isinstance(spec.split.validation, float) else 0.1
    cut = len(records) - max(1, round(share * len(records)))
    gap = spec.horizon - 1 if isinstance(spec, SeriesSpec) and spec.problem == "forecasting" else 0
    return {"train": records.slice(0, max(1, cut - gap)), "validation": records.slice(cut), "test": test.slice(0, 1)}
