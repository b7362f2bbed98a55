"""Everything that the report is made of, read once from the files that the other stages wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lightloop.config.metrics import Metric
from lightloop.config.schema import Config
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import file_size, read_json
from lightloop.project import Project


@dataclass(frozen=True)
class Evidence:
    """The evidence files as they are, None where an optional one is missing.

    Attributes:
        config: of the run.
        specs: title, direction, unit and meaning of each metric, in display order.
        gate: verdict and checks.
        validation: result of the data check.
        profile: records by part and class.
        training: summary of the training.
        history: a row an epoch.
        metrics: of model and baseline, with intervals.
        classes: a row a class.
        mistakes: the most wrong records.
        predictions: a row a test record.
        explanation: methods, their checks, the sample.
        parity: exported graph against PyTorch.
        bundle: manifest of the deployable.
        bundle_bytes: its size.
    """

    config: Config
    specs: Mapping[str, Metric]
    gate: dict[str, Any]
    validation: dict[str, Any]
    profile: dict[str, Any] | None
    training: dict[str, Any]
    history: list[dict[str, Any]]
    metrics: dict[str, Any]
    classes: list[dict[str, Any]]
    mistakes: list[dict[str, Any]]
    predictions: pa.Table
    explanation: dict[str, Any] | None
    parity: dict[str, Any] | None
    bundle: dict[str, Any] | None
    bundle_bytes: int | None

    @property
    def accepted(self) -> bool:
        return bool(self.gate["verdict"] == "accepted")

    @property
    def data_version(self) -> str | None:
        """The content hash of the data, as the bundle records it."""
        return self.bundle.get("data_version") if self.bundle else None


def read_evidence(config: Config, project: Project, specs: Mapping[str, Metric]) -> Evidence:
    """Read what the stages before the report wrote.

    Raises:
        LightloopError: a file without which there is nothing to report is missing or damaged.
    """
    return Evidence(
        config=config,
        specs=specs,
        gate=read_json(project.gate),
        validation=read_json(project.validation_result),
        profile=_optional(project.profile),
        training=read_json(project.training_summary),
        history=read_json(project.history),
        metrics=read_json(project.metrics),
        classes=read_json(project.classes),
        mistakes=read_json(project.mistakes),
        predictions=read_predictions(project.predictions),
        explanation=_optional(project.explanation_result),
        parity=_optional(project.parity),
        bundle=_optional(project.bundle / "bundle.json"),
        bundle_bytes=file_size(project.bundle) if project.bundle.is_dir() else None,
    )


def _optional(path: Path) -> Any:
    return read_json(path) if path.exists() else None
