"""The simpler model that a network must beat, by modality and problem."""

import importlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import AnySpec, Config
from lightloop.data.splits import SplitName


def baseline_answers(
    config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table
) -> dict[str, NDArray[Any]]:
    """Train the simpler model and let it answer.

    Args:
        config: of the run.
        splits: tables of `data.splits.read_splits`; it is trained on `train`, and may choose by `validation`.
        questions: what the model is asked (`Problem.questions`).

    Returns:
        Its answers by name, as `tasks.checkpoint.Model.answers` gives the model's. The same input, the same answers.
    """
    answers: dict[str, NDArray[Any]] = _module(config.data).answers(config, splits, questions)
    return answers


def baseline_title(spec: AnySpec) -> str:
    """What the simpler model is, for people."""
    title: str = _module(spec).TITLE
    return title


def _module(spec: AnySpec) -> Any:
    return importlib.import_module(f"lightloop.evaluation.baselines.{spec.modality}_{spec.problem}")
