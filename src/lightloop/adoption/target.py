"""Which column is predicted, and whether it is a class or a number. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lightloop.adoption.model import ColumnGuess
from lightloop.adoption.names import AMOUNTS, KINDS, says, target_weight
from lightloop.adoption.scales import order_of
from lightloop.adoption.values import Values
from lightloop.config.data import Problem
from lightloop.data.tabular.input import as_categories

# Classes with fewer records can't be in the training, the validation and the test part.
LEAST_OF_CLASS = 3
MOST_CLASSES = 100
# Whole numbers of no more different values than this may be classes.
FEW_VALUES = 10
# What can't be a target, whatever its name.
NEVER = ("image", "series", "nested", "empty", "constant", "identifier", "free text", "date")


@dataclass(frozen=True)
class Chosen:
    """A decision with how sure it is, and why."""

    value: str
    confidence: float
    reason: str


def choose_target(
    columns: Sequence[ColumnGuess], values: Mapping[str, Values], features: Mapping[str, object]
) -> Chosen | None:
    """The column that is most likely predicted, by name, place and values; None where none can be.

    Args:
        columns: in the order of the source.
        values: by name in the source.
        features: of `Source.features`: a class label is a target.
    """
    able = [column for column in columns if column.what not in NEVER and column.role != "group"]
    if not able:
        return None
    labels = [column for column in able if _is_class_label(features.get(column.source))]
    if len(labels) == 1:
        return Chosen(labels[0].name, 0.97, "the data set calls it a class label")
    if len(able) == 1:
        return Chosen(able[0].name, 0.95, "no other column can be predicted")
    # Beside x and z, y is a coordinate.
    names = {column.source.casefold() for column in columns}
    if {"x", "y", "z"} <= names:
        able = [column for column in able if column.source.casefold() not in ("x", "y", "z")] or able
    scored = sorted(
        ((_score(column, values[column.source], place == len(able) - 1, place == 0), -place, column))
        for place, column in enumerate(able)
    )
    best, second = scored[-1], scored[-2]
    margin, weight = best[0] - second[0], target_weight(best[2].source)
    parts = []
    if weight:
        parts.append("its name")
    if best[2] is able[-1]:
        parts.append("it is the last column")
    elif best[2] is able[0]:
        parts.append("it is the first column")
    reason = " and ".join(parts) or "its values"
    if weight >= 2 and margin >= 1:
        sure = 0.9
    elif weight >= 1.5 and margin >= 0.8:
        sure = 0.8
    elif weight >= 1.2 and margin >= 1.2:
        sure = 0.72
    else:
        sure = 0.5
    return Chosen(best[2].name, sure, reason)


def choose_problem(values: Values, name: str) -> Chosen:  # noqa: PLR0911 - a kind of target each
    """Whether a target is a class or a number.

    Args:
        values: of the target.
        name: of it.
    """
    classes: Problem = "classification"
    numbers: Problem = "regression"
    distinct, known = values.distinct, max(1, values.known)
    if values.holds in ("text", "boolean"):
        sure = 0.97 if distinct <= 20 else 0.9 if distinct <= MOST_CLASSES and known / distinct >= 10 else 0.5
        return Chosen(classes, sure, f"{distinct} different texts")
    if values.holds != "number":
        return Chosen(numbers, 0.3, f"its values are of the kind {values.holds}")
    if distinct <= 2:
        return Chosen(classes, 0.97, f"numbers, {distinct} different ones")
    if not values.whole:
        coded = distinct <= 5 and known / distinct >= 20
        return Chosen(classes if coded else numbers, 0.6 if coded else 0.97, f"numbers, {distinct} different ones")
    known_D = np.unique(values.numbers()[~np.isnan(values.numbers())])
    follow = bool((np.diff(known_D) == 1).all()) and known_D[0] in (0.0, 1.0)
    reason = f"whole numbers, {distinct} different ones"
    if says(name, AMOUNTS) or distinct > MOST_CLASSES:
        return Chosen(numbers, 0.85 if distinct > FEW_VALUES else 0.72, reason)
    if says(name, KINDS):
        if distinct <= FEW_VALUES and follow:
            return Chosen(classes, 0.9, f"{reason}, one after the other")
        if distinct <= 2 * FEW_VALUES and known / distinct >= 10:
            return Chosen(classes, 0.65, reason)
        return Chosen(numbers, 0.9, reason)
    if distinct > 2 * FEW_VALUES:
        return Chosen(numbers, 0.92, reason)
    if distinct <= 4 and known / distinct >= 10:
        return Chosen(classes, 0.65, reason)
    return Chosen(numbers, 0.6, reason)


def classes_of(values: Values) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes of a target in the order of the outputs, and how many records those have that are left out for being
    fewer than `LEAST_OF_CLASS`: numbers by size, known scales from the lowest, others by name.
    """
    counts = class_counts(values)
    rare = {name: count for name, count in counts.items() if count < LEAST_OF_CLASS}
    kept = [name for name in counts if name not in rare]
    if values.holds == "number":
        return tuple(sorted(kept, key=float)), rare
    ordered = [level for level in values.levels if level in kept] or order_of(kept)
    return tuple(ordered or sorted(kept)), rare


def class_counts(values: Values) -> dict[str, int]:
    """How many records each class of a target has, the most frequent first, then by name; an empty text is none."""
    texts = as_categories(values.array, values.name)
    counts = Values(values.name, "text", values.reading, texts, values.missing, values.distinct).counts()
    return {str(name): int(count) for name, count in counts.items() if name}


def _score(column: ColumnGuess, values: Values, last: bool, first: bool) -> float:
    score = target_weight(column.source) + (1.0 if last else 0.4 if first else 0.0)
    if values.holds in ("text", "boolean"):
        score += 0.5 if values.distinct <= 20 else -1.0 if values.distinct > MOST_CLASSES else 0.0
    elif values.distinct == 2:
        score += 0.5
    else:
        score += 0.2
    if column.role == "sensitive":
        score -= 1.5
    return score - (0.5 if values.missing else 0.0)


def _is_class_label(feature: object) -> bool:
    return isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel"
