"""Which training records are left out, and what is done where one class has far more of them than another."""

from typing import Literal

from lightloop.config.base import Count, Frozen, Positive
from lightloop.config.data import DataSpec


class Clean(Frozen):
    """Training records to leave out; validation and test records stay as they are, since the service gets such too.

    Attributes:
        missing: `drop` leaves out records in which a feature has no value.
        outliers: leaves out records with a number beyond the limits (see `preprocess.outliers`), or that an isolation
            forest calls an outlier.
        outlier_limit: null stands for 3 (`z_score`) or 1.5 (`iqr`).
        duplicates: of records with the same features the first is kept. `near` also compares tables with their numbers
            rounded to `digits` significant digits, images by the correlation of their pixels (0.99), whole series by
            that of their steps, and texts by the share of sequences of five words that two have in common (0.8).
        digits: see `duplicates`.
    """

    missing: Literal["keep", "drop"] = "keep"
    outliers: Literal["keep", "z_score", "iqr", "isolation_forest"] = "keep"
    outlier_limit: Positive | None = None
    duplicates: Literal["keep", "exact", "near"] = "keep"
    digits: Count = 3

    @property
    def active(self) -> bool:
        """Whether anything can be left out."""
        return (self.missing, self.outliers, self.duplicates) != ("keep", "keep", "keep")


class Balance(Frozen):
    """What makes rare classes count, on the training records alone.

    `class_weights` weighs the loss, `weighted_sampler` draws each class alike, `oversample` repeats records of rare
    classes, `undersample` leaves out records of frequent ones. `reweighing` draws records as often as makes the class
    independent of the group that the sensitive column `by` names, by default the first of the data spec (Kamiran &
    Calders 2012).
    """

    name: Literal["none", "class_weights", "weighted_sampler", "oversample", "undersample", "reweighing"] = "none"
    by: str | None = None


def check_balance(clean: Clean, balance: Balance, spec: DataSpec) -> None:
    """Refuse what says nothing for a data set.

    Raises:
        ValueError: in one sentence.
    """
    modality = str(getattr(spec, "modality", ""))
    if balance.name != "none" and spec.problem != "classification":
        raise ValueError(
            f"balance={balance.name} is for classes, but data={spec.name} is {spec.problem}: say balance=none"
        )
    sensitive = spec.with_role("sensitive")
    if balance.name == "reweighing" and not sensitive:
        raise ValueError(
            f"balance=reweighing is by a sensitive column, but data={spec.name} has none: say balance=none"
        )
    if balance.name == "reweighing" and balance.by not in (None, *sensitive):
        raise ValueError(
            f"balance.by is {balance.by!r}, which is no sensitive column of data={spec.name}: "
            f"say one of {', '.join(sensitive)}"
        )
    if balance.name != "reweighing" and balance.by is not None:
        raise ValueError(f"balance.by is for balance=reweighing, not for balance={balance.name}: leave it out")
    asked = {"missing": clean.missing == "drop", "outliers": clean.outliers != "keep"}
    for name, wanted in asked.items():
        if wanted and modality != "tabular":
            raise ValueError(
                f"clean.{name}={getattr(clean, name)} is for tables, but data={spec.name} is {modality}: "
                f"say clean.{name}=keep"
            )
    if clean.duplicates != "keep" and spec.problem == "forecasting":
        raise ValueError(
            f"clean.duplicates={clean.duplicates} is not for data={spec.name}, whose windows overlap on purpose: "
            "say clean=none"
        )
