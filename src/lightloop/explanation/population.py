"""What is said of the model as a whole: test records drawn at random, and their attributions by one method.

The records of result.json are half mistakes, for people to look at; what matters overall is told by others.

Shapes: N records, Q positions, channels of positions or columns (see `explanation.subject`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.data.splits import SplitName
from lightloop.explanation.attributing import attribute
from lightloop.explanation.findings import Findings
from lightloop.explanation.methods import METHODS
from lightloop.explanation.subject import Subject, build_subject
from lightloop.tasks.checkpoint import Model

# Baselines of each record, where a pass through the network is no matter of microseconds, as it is with tables.
DRAWS = 32


@dataclass(frozen=True)
class Population:
    """Records drawn at random, and what was found about them.

    Attributes:
        model: whose answers are explained.
        subject: the records, prepared.
        records: the same as they were read, a row each.
        predictions: about them.
        method: by which attributions were made.
        trusted: whether it passed its checks.
        maps_NQ: the attributions.
        answer: the class whose logit is explained of every record; None where it is the predicted one, or a number.
        seed: of all that is drawn.
    """

    model: Model
    subject: Subject
    records: pa.Table
    predictions: pa.Table
    method: str
    trusted: bool
    maps_NQ: Tensor
    answer: str | None
    seed: int

    @property
    def config(self) -> Config:
        return self.model.config


def choose_method(found: Findings) -> str | None:
    """The first method that is to be trusted; without one, the first that could be computed; None without any."""
    trusted = [name for name in found.maps if found.methods[name]["trusted"]]
    return next(iter([*trusted, *found.maps]), None)


def draw_population(
    config: Config,
    model: Model,
    tables: Mapping[SplitName, pa.Table],
    predictions: pa.Table,
    method: str,
    *,
    trusted: bool,
) -> Population:
    """Draw test records and attribute their answers.

    Of two classes the logit of one is explained in all records, so that signs can be compared.

    Args:
        config: of the run.
        model: the trained one.
        tables: the splits.
        predictions: of the test split.
        method: name of the attribution method.
        trusted: whether it passed its checks.
    """
    drawn = np.random.default_rng(config.seed).permutation(len(predictions))[: config.explain.global_records]
    rows = np.sort(drawn)
    records, sample = tables["test"].take(rows), predictions.take(rows)
    asked = config.model_copy(update={"explain": config.explain.model_copy(update={"methods": (method,)})})
    subject = build_subject(asked, model, records, sample, tables["train"])
    subject = subject.part(len(rows), len(subject.reference.baselines_SDP))
    answer = told_class(config)
    if answer is not None:
        place = config.data.classes.index(answer)
        subject = replace(subject, targets_N=torch.full_like(subject.targets_N, place))
    return Population(
        model=model,
        subject=subject,
        records=records,
        predictions=sample,
        method=method,
        trusted=trusted,
        maps_NQ=attribute_all(method, subject),
        answer=answer,
        seed=config.seed,
    )


def attribute_all(method: str, subject: Subject) -> Tensor:
    """Attributions (N, Q) of many records.

    Of tables each record is compared with all drawn baselines. Of others each is compared with `DRAWS` of them, and not
    all with the same, so that what is peculiar to a few baselines does not stay in the means over records.
    """
    baselines_SDP = subject.reference.baselines_SDP
    parts = [baselines_SDP] if subject.noun == "columns" else list(baselines_SDP.split(DRAWS))
    maps_NQ = torch.zeros(subject.present_NQ.shape)
    for place, part_SDP in enumerate(parts):
        rows = torch.arange(place, len(maps_NQ), len(parts))
        if len(rows):
            some = replace(subject.take(rows), reference=replace(subject.reference, baselines_SDP=part_SDP))
            maps_NQ[rows] = attribute(METHODS[method], some)
    return maps_NQ


def told_class(config: Config) -> str | None:
    """Of two classes the one that attributions speak for: the favourable one, else the second; None of others.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> told_class(compose_config(Project.find(), ["experiment=loans"]))
        'approved'
    """
    classes = config.data.classes
    if config.data.problem != "classification" or len(classes) != 2:
        return None
    return config.data.favourable or classes[1]
