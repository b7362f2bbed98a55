"""The audit: how much is looked at, from quick to full."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Count, Frozen, Positive

# The files of the stage, `artifacts/audit/NAME.json`, in the order in which they are made.
PARTS = ("robustness", "labels", "duplicates", "data_map", "learning", "staleness", "mitigation")

Share = Annotated[float, Field(gt=0, lt=1)]


class NoAudit(Frozen):
    """Nothing is audited; the files say so."""

    name: Literal["none"] = "none"


class Audit(Frozen):
    """How the model is looked at from outside: what disturbs it, what its data are like, what other data would give.

    Attributes:
        records: test records that are disturbed.
        resamples: of the bootstrap of each figure.
        attack_records: of those, how many are attacked along the gradient.
        attack_steps: of projected gradient descent.
        epsilons: how far each number of a prepared record may be moved, in deviations of the training data.
        label_records: training records whose labels are doubted, drawn by seed; null takes all.
        label_folds: of the simpler model's cross-validation.
        suspects: rows of the lists of single records.
        shares: of the training records, for the learning curve, rising.
        seeds: trainings a share and an age.
        learning_epochs: at most, of each training of the learning curve; null trains as long as the run.
        ages: by how much earlier the training data end, as shares of the time line before the test; 0 first.
    """

    name: Literal["quick", "full"]
    records: Count
    resamples: Annotated[int, Field(ge=100)]
    attack_records: Count
    attack_steps: Count
    epsilons: tuple[Positive, ...] = Field(min_length=1)
    label_records: Count | None
    label_folds: Annotated[int, Field(ge=2)]
    suspects: Count
    shares: tuple[Share, ...] = Field(min_length=2)
    seeds: Count
    learning_epochs: Count | None
    ages: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for name in ("epsilons", "shares", "ages"):
            values = getattr(self, name)
            if any(a >= b for a, b in pairwise(values)):
                raise ValueError(f"audit.{name} is {list(values)}: expected rising numbers")
        if self.ages[0] != 0:
            raise ValueError(f"audit.ages starts with {self.ages[0]}: the first must be 0, a model of today")
        return self


AnyAudit = NoAudit | Audit
