"""What the benchmarks of quality share: their words on the command line, training as the train stage trains, intervals.

Each seed draws a split of its own (where the data set does not come divided) and an initialisation. Shapes: J seeds.
"""

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.splits import SplitName, read_splits
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, load_model
from lightloop.training.comparison import compare_pairs, summarise
from lightloop.training.member import train_member

SEEDS = (42, 43, 44, 45, 46)


@dataclass(frozen=True)
class Words:
    """The command line.

    Attributes:
        seeds: of `seeds=42,43`, by default five.
        split: which one answers: "test", or with `split=validation` the one that choices are made by.
        own: other `name=value` words that the benchmark itself knows.
        overrides: all the rest, for the config.
    """

    seeds: tuple[int, ...] = SEEDS
    split: SplitName = "test"
    own: dict[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()


def read_words(words: Sequence[str], *own: str) -> Words:
    """Divide the words of a command line.

    Examples:
        >>> read_words(["seeds=1,2", "only=weekly", "network=mlp"], "only").own
        {'only': 'weekly'}
    """
    named = dict(word.split("=", 1) for word in words if word.split("=")[0] in ("seeds", "split", *own))
    overrides = tuple(word for word in words if word.split("=")[0] not in named)
    seeds = tuple(int(seed) for seed in named["seeds"].split(",")) if "seeds" in named else SEEDS
    split: SplitName = "validation" if named.get("split") == "validation" else "test"
    return Words(seeds, split, {name: named[name] for name in own if name in named}, overrides)


def find_project() -> Project:
    """The project that this folder is a part of."""
    return Project.find(Path(__file__).parent)


def those_there(project: Project, names: Iterable[str]) -> list[str]:
    """Of the template's experiments those that the project still has."""
    return [name for name in names if (project.root / f"configs/experiment/{name}.yaml").exists()]


@dataclass(frozen=True)
class Trained:
    """A network, its config, the records that it was trained on and is asked about, and the seconds it took."""

    config: Config
    model: Model
    splits: Mapping[SplitName, pa.Table]
    summary: Mapping[str, Any]
    seconds: float


def train(project: Project, seed: int, overrides: Sequence[str]) -> Trained:
    """Compose a config and train its network as the train stage does, in a folder that is removed."""
    config = compose_config(project, [*overrides, "tracking=none", f"seed={seed}"])
    splits = read_splits(config.data, project.root, config.seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        member = train_member(config, project, scratch=Path(scratch), tables=splits, lines=False)
        seconds = time.perf_counter() - started
        return Trained(config, load_model(member.checkpoint), splits, member.summary, seconds)


def overlap(trained: Trained, split: SplitName = "test") -> float:
    """Held-out records a training record, which corrects intervals over splits that overlap (`training.comparison`)."""
    return len(trained.splits[split]) / len(trained.splits["train"])


def interval(values_J: Sequence[float], ratio: float = 0.0, digits: int = 3) -> str:
    """Mean and 95 % interval by Student's t.

    Args:
        values_J: one a seed.
        ratio: of `overlap` where each seed draws a split of its own; 0 where the test records are the same.
        digits: behind the point.

    Examples:
        >>> interval([0.8, 0.9])
        '0.850 [0.215, 1.485]'
    """
    found = summarise(np.asarray(values_J, dtype=np.float64), ratio)
    if found.low is None or found.high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def print_differences(scores: Mapping[str, Sequence[float]], ratio: float, digits: int = 3) -> None:
    """Every pair of models on the same splits, by the corrected resampled t-test."""
    if min(len(values_J) for values_J in scores.values()) < 2:
        return
    arrays = {name: np.asarray(values_J, dtype=np.float64) for name, values_J in scores.items()}
    for pair in compare_pairs(arrays, ratio):
        print(
            f"  {pair.second} - {pair.first}: {pair.value:+.{digits}f} [{pair.low:+.{digits}f}, "
            f"{pair.high:+.{digits}f}], p {pair.p:.2f}"
        )
