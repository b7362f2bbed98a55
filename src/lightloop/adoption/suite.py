"""The expectation suite of an adopted data set: what its records are like, with slack that says itself.

`quality.suite` makes it from the records. What the records themselves do not meet (copies in a table, an image of
another size) can't be asked of them: it is loosened to what is there, and the reason says by how much. So the suite
passes now, and stops the loop when the data become worse.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lightloop.adoption.commented import Said
from lightloop.config.schema import AnySpec
from lightloop.quality.check import run_suite
from lightloop.quality.leakage import leakage_checks
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.quality.suite import Suite, down

# Of the records, beside twice the share that breaks an expectation now.
SLACK = 0.02
SLACK_SAID = (
    "Slack: numbers may lie a tenth of the range beyond what was seen, medians half of the way to the quartiles, gaps "
    "be twice as frequent and 5 % more, parts have half the records, classes half or one and a half times the share."
)


@dataclass(frozen=True)
class Checked:
    """The suite, and what it says now.

    Attributes:
        suite: in the form of Great Expectations.
        loosened: sentences about expectations that the records do not meet in full.
        limit: `leakage_limit`, with the reason.
        revealing: features, tokens or properties that predict the target alone.
    """

    suite: Suite
    loosened: tuple[str, ...]
    limit: Said
    revealing: tuple[str, ...]


def adopted_suite(spec: AnySpec, root: Path) -> Checked:
    """Make the suite from the records as they lie, and look for what alone predicts the target.

    Args:
        spec: the data set.
        root: the folder to which its path is relative.

    Raises:
        LightloopError: a file is not readable.
        RefusedError: a column is not as the spec says.
    """
    metadata = read_metadata(spec, root)
    suite = suite_for(spec, metadata)
    outcome = run_suite(suite, metadata)
    loosened: list[str] = []
    if outcome.refusals:
        expectations = [
            loosen(one, check, loosened, len(metadata)) if check in outcome.refusals else one
            for one, check in zip(suite["expectations"], outcome.checks, strict=True)
        ]
        suite = {**suite, "expectations": expectations}
    suite = {**suite, "meta": {"notes": f"Made by `lightloop adopt` from {len(metadata):,} records. {SLACK_SAID}"}}
    limit, revealing = _limit(spec, metadata, root)
    return Checked(suite, tuple(loosened), limit, revealing)


def loosen(expectation: dict[str, Any], check: dict[str, Any], said: list[str], rows: int) -> dict[str, Any]:
    """An expectation that the records do not meet, as they meet it; what was done is added to `said`.

    Args:
        expectation: of the suite, critical.
        check: what came of it.
        said: sentences, added to.
        rows: of the table.

    Examples:
        >>> said = []
        >>> one = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "in_other_part"},
        ...     "severity": "critical", "notes": "Copies."}
        >>> found = loosen(one, {"unexpected": 10, "column": "in_other_part", "name": one["type"]}, said, 1000)
        >>> found["kwargs"]["mostly"], found["severity"]
        (0.96, 'critical')
    """
    kwargs, count = dict(expectation["kwargs"]), check["unexpected"]
    about = check["column"] or "the table"
    short = str(check["name"]).removeprefix("expect_").removeprefix("column_").replace("_", " ")
    if count and "mostly" not in kwargs and short.startswith("values"):
        share = count / max(1, rows)
        kwargs["mostly"] = max(0.0, down(1 - 2 * share - SLACK, 3))
        note = (
            f"When adopted, {count:,} records did not meet it ({share:.1%}): twice as many and 2 % more stop the loop."
        )
        said.append(f'{about}: {count:,} records against "{expectation["notes"]}"')
        return {**expectation, "kwargs": kwargs, "notes": f"{expectation['notes']} {note}"}
    said.append(f"{about}: {short} is not met: {expectation['notes']}")
    return {
        **expectation,
        "severity": "warning",
        "notes": f"{expectation['notes']} When adopted, the data did not meet it, so that it only warns.",
    }


def _limit(spec: AnySpec, metadata: pd.DataFrame, root: Path) -> tuple[Said, tuple[str, ...]]:
    usual = spec.leakage_limit
    checks = leakage_checks(spec, metadata, root)
    if not checks or checks[0]["success"]:
        return Said(usual, "what alone predicts the target so well stops the data check"), ()
    observed: dict[str, float] = checks[0]["observed"]
    measure = "R2" if spec.problem == "regression" else "AUROC" if spec.problem == "classification" else "share"
    named = ", ".join(f"{name} ({value:.3f})" for name, value in observed.items())
    why = (
        f"predicts the target alone: {named} ({measure}); taken for honest when adopted. Known before the answer? "
        "If not: role ignored. Then say 0.95 here again, which watches for more of it"
    )
    return Said(None, why), tuple(observed)
