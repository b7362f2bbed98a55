"""Pseudo-labels: unlabelled records that the model is sure of are trained on with its own answer.

Shapes: N records, K classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.config.search import PseudoLabels
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.splits import SplitName, read_splits
from lightloop.data.unlabelled import apart_from, read_unlabelled
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model
from lightloop.training.member import Member, train_member


def train_semi(
    config: Config,
    project: Project,
    *,
    scratch: Path,
    tables: Mapping[SplitName, pa.Table] | None = None,
    preprocessor: Preprocessor | None = None,
    logger: Any = False,
    **options: Any,
) -> Member:
    """`training.member.train_member`, and with `semi=pseudo_labels` rounds of it.

    In each round a fresh network is trained on all labelled records and on those unlabelled ones that the network of
    the round before was sure of. Of all rounds, also the one without pseudo-labels, the lowest validation loss is
    kept. The summary then has `pseudo_labels`: `unlabelled` records, the round `kept`, and for each of `rounds` the
    records `added`, their number `by_class`, the `validation_loss`.

    Raises:
        LightloopError: there is no unlabelled record; and as `train_member`.
    """
    settings = config.semi
    if not isinstance(settings, PseudoLabels):
        return train_member(
            config, project, scratch=scratch, tables=tables, preprocessor=preprocessor, logger=logger, **options
        )
    unlabelled = read_unlabelled(config.data, project.root)
    if not len(unlabelled):
        raise LightloopError(
            f"semi=pseudo_labels finds no unlabelled record in {config.data.path}: leave the label of some training "
            "records empty, name a file of them as data.unlabelled, or try it with data.hide_labels=0.9"
        )
    splits = read_splits(config.data, project.root, config.seed)
    tables = dict(tables or splits)
    # The test split too where a member of folds is trained, which is given none: the ensemble will be tested on it.
    held_out = [splits["test"], *(table for split, table in tables.items() if split != "train")]
    unlabelled = apart_from(unlabelled, held_out, config.data)
    members: list[Member] = []
    rounds: list[dict[str, Any]] = []
    added = unlabelled.slice(0, 0)
    for number in range(settings.rounds + 1):
        given = {**tables, "train": pa.concat_tables([tables["train"], added], promote_options="permissive")}
        member = train_member(
            config,
            project,
            scratch=scratch / f"round-{number}",
            tables=given,
            preprocessor=preprocessor,
            logger=logger if number == 0 else False,
            **options,
        )
        members.append(member)
        classes = Counter(added.column("label").to_pylist())
        rounds.append(
            {
                "added": len(added),
                "by_class": {name: classes[name] for name in config.data.classes},
                "validation_loss": lowest_loss(member),
            }
        )
        probabilities_NK = load_model(member.checkpoint).answers(unlabelled)["probabilities"]
        chosen = pseudo_labels(unlabelled, probabilities_NK, config.data.classes, settings.threshold)
        if chosen.select(["id", "label"]).equals(added.select(["id", "label"])):
            break
        added = chosen
    kept = min(range(len(members)), key=lambda number: rounds[number]["validation_loss"])
    found = {"unlabelled": len(unlabelled), "threshold": settings.threshold, "kept": kept, "rounds": rounds}
    return replace(members[kept], summary=members[kept].summary | {"pseudo_labels": found})


def pseudo_labels(
    unlabelled: pa.Table, probabilities_NK: NDArray[np.floating[Any]], classes: Sequence[str], threshold: float
) -> pa.Table:
    """The unlabelled records whose most probable class has at least `threshold`, with that class as `label`."""
    rows = np.flatnonzero(probabilities_NK.max(1) >= threshold)
    chosen = unlabelled.take(rows)
    labels = pa.array([classes[code] for code in probabilities_NK[rows].argmax(1)], pa.string())
    return chosen.set_column(
        chosen.schema.get_field_index("label"), "label", labels.cast(unlabelled.schema.field("label").type)
    )


def lowest_loss(member: Member) -> float:
    """The validation loss of the epoch that was kept."""
    return min(row["validation_loss"] for row in member.history)
