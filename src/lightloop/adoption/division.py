"""How records are divided into training, validation and test. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lightloop.adoption.columns import is_time
from lightloop.adoption.model import ColumnGuess, Modality, Policy
from lightloop.adoption.names import words
from lightloop.config.data import Problem

# Dates of so few different values do not order records.
FEW_DATES = 10
# Dates of a person's life, and not of the record.
OF_A_LIFE = frozenset(["birth", "born", "birthday", "dob", "death", "died", "hired", "joined"])


@dataclass(frozen=True)
class Division:
    """A policy, why it is so, and columns whose roles follow from it, by their names in the source."""

    policy: Policy
    why: str
    changed: dict[str, ColumnGuess] = field(default_factory=dict)


def divide_by(columns: Mapping[str, ColumnGuess], modality: Modality, problem: Problem) -> Division:
    """The policy of a split: what groups records comes before what orders them, that before classes and chance.

    Args:
        columns: by name in the source, with roles.
        modality: of the data set.
        problem: that is solved.
    """
    if problem == "forecasting":
        return Division("time", "what comes later is forecast")
    groups = sorted(
        (column for column in columns.values() if column.role == "group"), key=lambda column: column.distinct
    )
    if groups:
        # One column can keep records together: the coarsest does so for all.
        why = "another column keeps the records of a group together"
        changed = {column.source: replace(column, role="ignored", why=why) for column in groups[1:]}
        return Division("group", f"records with the same {groups[0].name} stay together", changed)
    dated = next((column for column in columns.values() if column.role == "time"), None) or next(
        (column for column in columns.values() if _orders(column)), None
    )
    if dated is not None and modality == "tabular":
        reason = f"{dated.reason}: the latest records are the test"
        why = f"{dated.name} orders the records: the latest are the test, as they will be in production"
        return Division("time", why, {dated.source: replace(dated, role="time", why=None, reason=reason)})
    if problem == "classification":
        return Division("stratified", "each class alike")
    return Division("random", "nothing orders or groups the records")


def _orders(column: ColumnGuess) -> bool:
    """Whether a date that is not read yet is the time of the record."""
    return (
        column.what in ("date", "time")
        and column.role == "ignored"
        and not column.missing
        and column.distinct >= FEW_DATES
        and is_time(column.source)
        and not OF_A_LIFE & set(words(column.source))
    )
