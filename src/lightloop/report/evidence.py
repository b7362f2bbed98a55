"""Everything that the report is made of, read once from the files that the other stages wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lightloop.config.audit import PARTS
from lightloop.config.metrics import Metric
from lightloop.config.schema import Config
from lightloop.evaluation.baseline import baseline_title
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import file_size, read_json, read_json_or
from lightloop.project import Project

# What the explain stage writes beside its methods and their checks.
FURTHER = ("global", "concepts", "versions", "influence", "counterfactuals")


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
        classes: a row a class; empty where nothing is classified.
        mistakes: the most wrong records.
        horizons: of a forecast a row a step ahead, with metrics.
        slices: parts of the test records.
        fairness: who is given the favourable class, by sensitive column.
        comparison: with the champion.
        calibration: how far the confidence of the test answers can be believed.
        uncertainty: conformal sets or intervals, abstaining, disagreement.
        released: what is done with the network's answers before they are released (artifacts/calibration.json).
        predictions: a row a test record.
        explanation: methods, their checks, the sample.
        further: other files of the explanation by name, of FURTHER; those that were not written are not in it.
        parts: by record what its attributions are about and what they are; empty for images.
        folds: what came of folds and seeds.
        simpler: what the baseline is, for people.
        parity: exported graph against PyTorch.
        compression: ways to a smaller bundle, and which was taken.
        compression_speed: how long each takes.
        audit: the files of the audit by name; empty where it has not run.
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
    horizons: list[dict[str, Any]]
    slices: dict[str, Any] | None
    fairness: dict[str, Any] | None
    comparison: dict[str, Any] | None
    calibration: dict[str, Any] | None
    uncertainty: dict[str, Any] | None
    released: dict[str, Any] | None
    predictions: pa.Table
    explanation: dict[str, Any] | None
    further: dict[str, dict[str, Any]]
    parts: dict[str, dict[str, Any]]
    folds: dict[str, Any] | None
    simpler: str
    parity: dict[str, Any] | None
    audit: dict[str, dict[str, Any]]
    bundle: dict[str, Any] | None
    bundle_bytes: int | None
    compression: dict[str, Any] | None = None
    compression_speed: dict[str, Any] | None = None

    @property
    def accepted(self) -> bool:
        return bool(self.gate["verdict"] == "accepted")

    @property
    def classifies(self) -> bool:
        return self.config.data.problem == "classification"

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
        profile=read_json_or(project.profile),
        training=read_json(project.training_summary),
        history=read_json(project.history),
        metrics=read_json(project.metrics),
        classes=read_json(project.classes),
        mistakes=read_json(project.mistakes),
        horizons=read_json_or(project.horizons) or [],
        slices=read_json_or(project.slices),
        fairness=read_json_or(project.fairness),
        comparison=read_json_or(project.comparison),
        calibration=read_json_or(project.calibration_evidence),
        uncertainty=read_json_or(project.uncertainty),
        released=read_json_or(project.calibration),
        predictions=read_predictions(project.predictions),
        explanation=read_json_or(project.explanation_result),
        further={
            name: content
            for name in FURTHER
            if (content := read_json_or(project.explanation / f"{name}.json")) is not None
        },
        parts={row["id"]: row for row in read_json_or(project.explanation_images / "records.json") or []},
        # Written empty where nothing was asked for.
        folds=_folds(read_json_or(project.folds_result)),
        simpler=baseline_title(config.data),
        parity=read_json_or(project.parity),
        audit={name: content for name in PARTS if (content := read_json_or(project.audit / f"{name}.json"))},
        compression=read_json_or(project.compression),
        compression_speed=read_json_or(project.compression_speed),
        bundle=read_json_or(project.bundle / "bundle.json"),
        bundle_bytes=file_size(project.bundle) if project.bundle.is_dir() else None,
    )


def _folds(content: dict[str, Any] | None) -> dict[str, Any] | None:
    """What came of several trainings; None where there was one."""
    return content if content and content["members"] else None
