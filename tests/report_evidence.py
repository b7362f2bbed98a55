"""Evidence as the stages write it, made up: a project in a folder that the report stage can read.

The figures hold together (counts match predictions) but come from no model.
"""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from report_audit import audit_contents

from lightloop.config.compose import compose_config, write_params
from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.evaluation.calibration import NAMES, judged
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.project import Project

ROOT = Path(__file__).resolve().parent.parent
FASHION = ("ankle-boot", "bag", "coat", "dress", "pullover", "sandal", "shirt", "sneaker", "t-shirt", "trouser")
METHODS = ("grad_cam", "gradient_shap", "integrated_gradients")


@dataclass(frozen=True)
class Story:
    """What kind of run to tell of."""

    classes: tuple[str, ...] = FASHION
    per_class: int = 20
    channels: int = 1
    size: int = 28
    error: float = 0.12
    accepted: bool = True
    champion: bool = False
    violations: int = 0
    trusted: tuple[str, ...] = METHODS
    epochs: int = 20
    without: tuple[str, ...] = field(default=())
    seed: int = 7


def tell(root: Path, story: Story | None = None) -> tuple[Config, Project]:
    """Write a whole project of evidence below `root`."""
    story = story or Story()
    project = Project(root)
    config = _config(story)
    write_params(project, config)
    generator = np.random.default_rng(story.seed)
    labels = [label for label in story.classes for _ in range(story.per_class)]
    _write_data(root, story, labels, generator)
    predictions, probabilities = _predict(story, labels, generator)
    ids = [f"test/{row}" for row in range(len(labels))]
    _write(project.gate, _gate(story, len(labels)))
    _write(project.validation_result, _validation(story, len(labels)))
    _write(project.training_summary, _summary(config, len(labels)))
    _write(project.history, _history(story.epochs))
    _write(project.metrics, _metrics(labels, predictions))
    _write(project.classes, _classes(story, labels, predictions))
    _write(project.mistakes, _mistakes(story, ids, labels, predictions, probabilities))
    answers = pa.array(list(probabilities.astype(np.float32)), pa.list_(pa.float32()))
    columns = {"id": ids, "label": labels, "prediction": predictions}
    columns |= {"probabilities": answers, "baseline_probabilities": answers}
    pq.write_table(pa.table(columns), project.predictions)
    codes = label_codes(labels, story.classes)
    metrics = WeightedMetrics(codes, probabilities, NAMES)
    measured = judged(metrics, probabilities, Resampling(confidence=0.95, resamples=100, seed=0))
    _write(project.calibration_evidence, {"applies": True, "after": measured})
    if "profile" not in story.without:
        _write(project.profile, _profile(story, labels))
    if "explanation" not in story.without:
        _write(
            project.explanation_result, _explanation(project, story, ids, labels, predictions, probabilities, generator)
        )
    if "audit" not in story.without:
        for name, content in audit_contents(story.classes, len(labels)).items():
            _write(project.audit / f"{name}.json", content)
    if "parity" not in story.without:
        parity = {"n": len(labels), "max_difference": 2.4e-7, "different_predictions": 0}
        _write(project.parity, {**parity, "opset": 20, "onnx_bytes": 470_000, "bundle_bytes": 940_000})
    if "bundle" not in story.without:
        libraries = {"torch": "2.15.0", "onnx": "1.23.2"}
        _write(
            project.bundle / "bundle.json",
            {"data_version": "91cd90116014a3fbb14dd8ff0b53722f.dir", "libraries": libraries},
        )
    if "docs" not in story.without:
        project.data_docs.mkdir(parents=True)
        (project.data_docs / "index.html").write_text("<!doctype html><title>Data Docs</title><p>Data Docs</p>")
    return config, project


def _config(story: Story) -> Config:
    config = compose_config(Project(ROOT), ["tracking=none"])
    data = config.data.model_copy(
        update={"classes": story.classes, "channels": story.channels, "size": (story.size, story.size)}
    )
    return config.model_copy(update={"data": data})


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, allow_nan=False))


def _picture(story: Story, generator: np.random.Generator, scale: int = 1) -> bytes:
    side = story.size * scale
    pixels = generator.integers(0, 256, (side, side) if story.channels == 1 else (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write_data(root: Path, story: Story, labels: list[str], generator: np.random.Generator) -> None:
    folder = root / "data" / "fashion"
    folder.mkdir(parents=True)
    for part, names in (("train", [label for label in story.classes for _ in range(2)]), ("test", labels)):
        images = [_picture(story, generator) for _ in names]
        pq.write_table(pa.table({"image": images, "label": names}), folder / f"{part}.parquet")


def _predict(story: Story, labels: list[str], generator: np.random.Generator) -> tuple[list[str], np.ndarray]:
    truth = np.array([story.classes.index(label) for label in labels])
    answer = truth.copy()
    wrong = generator.permutation(len(labels))[: round(story.error * len(labels))]
    answer[wrong] = (truth[wrong] + 1 + generator.integers(0, min(3, len(story.classes) - 1), len(wrong))) % len(
        story.classes
    )
    top = generator.beta(6, 1.2, len(labels)).clip(1 / len(story.classes) + 0.05, 0.999)
    rest = generator.dirichlet(np.ones(len(story.classes) - 1), len(labels)) * (1 - top)[:, None] * 0.999
    rest = np.minimum(rest, top[:, None] * 0.9)
    probabilities = np.empty((len(labels), len(story.classes)))
    for row, code in enumerate(answer):
        probabilities[row] = np.insert(rest[row], code, top[row])
    probabilities /= probabilities.sum(1, keepdims=True)
    return [story.classes[code] for code in answer], probabilities


def _estimate(value: float | None, half: float) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if value is None else value - half,
        "high": None if value is None else value + half,
    }


def _metrics(labels: list[str], predictions: list[str]) -> dict[str, Any]:
    accuracy = float(np.mean([a == b for a, b in zip(labels, predictions, strict=True)]))
    model = {
        "accuracy": accuracy,
        "macro_f1": accuracy - 0.002,
        "auroc": 0.991,
        "log_loss": 0.287,
        "brier": 0.128,
        "ece": 0.021,
    }
    baseline = {"accuracy": 0.815, "macro_f1": 0.814, "auroc": 0.975, "log_loss": 0.561, "brier": 0.267, "ece": 0.043}
    return {
        "n": len(labels),
        "confidence": 0.95,
        "resamples": 1000,
        "metrics": {name: _estimate(value, 0.0125) for name, value in model.items()},
        "baseline": {name: _estimate(value, 0.016) for name, value in baseline.items()},
        "better_than_baseline": {"metric": "accuracy", "value": accuracy - 0.815, "low": 0.05, "high": 0.08},
    }


def _classes(story: Story, labels: list[str], predictions: list[str]) -> list[dict[str, Any]]:
    rows = []
    for label in story.classes:
        hits = sum(a == b == label for a, b in zip(labels, predictions, strict=True))
        answered = predictions.count(label)
        precision = hits / answered if answered else None
        recall = hits / labels.count(label)
        f1 = 2 * hits / (answered + labels.count(label))
        figures = {"precision": precision, "recall": recall, "f1": f1}
        rows.append(
            {"label": label, "n": labels.count(label)} | {name: _bounded(value) for name, value in figures.items()}
        )
    return rows


def _bounded(value: float | None) -> dict[str, float | None]:
    if value is None:
        return _estimate(None, 0)
    return {"value": value, "low": max(0.0, value - 0.06), "high": min(1.0, value + 0.05)}


def _mistakes(
    story: Story, ids: list[str], labels: list[str], predictions: list[str], probabilities: np.ndarray
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "id": ids[row],
            "label": labels[row],
            "prediction": predictions[row],
            "confidence": float(probabilities[row].max()),
            "probability_of_label": float(probabilities[row, story.classes.index(labels[row])]),
        }
        for row in range(len(ids))
        if labels[row] != predictions[row]
    ]
    return sorted(rows, key=lambda row: -row["confidence"])[:24]


def _summary(config: Config, tested: int) -> dict[str, Any]:
    return {
        "network": config.network.name,
        "parameters": 111_946,
        "records": {"train": 10_800, "validation": 1_200, "test": tested},
        "epochs": 20,
        "best_epoch": 18,
        "precision": "bf16-mixed",
        "channels_last": True,
        "reason": "the processor has bf16 arithmetic",
    }


def _history(epochs: int) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 0.45 + 0.8 * 0.8**epoch,
            "train_accuracy": 0.93 - 0.25 * 0.8**epoch,
            "validation_loss": 0.5 + 0.6 * 0.8**epoch + 0.02 * (epoch % 3),
            "validation_accuracy": 0.91 - 0.2 * 0.8**epoch - 0.004 * (epoch % 3),
            "lr": 0.004 * max(0.01, 1 - abs(epoch - 6) / 14),
        }
        for epoch in range(epochs)
    ]


def _profile(story: Story, labels: list[str]) -> dict[str, Any]:
    train = dict.fromkeys(sorted(story.classes), 1200)
    return {
        "records": {"train": sum(train.values()), "test": len(labels)},
        "classes": {"train": train, "test": {label: labels.count(label) for label in sorted(story.classes)}},
        "pixels": {"mean": 72.9, "std": 90.0},
        "duplicates": {"train": 0, "test": 0, "across_parts": 0},
        "width": {"min": story.size, "max": story.size},
        "height": {"min": story.size, "max": story.size},
        "bytes": {"min": 180, "max": 912},
        "modes": {"L": 14000},
        "missing": {"image": 0, "label": 0, "undecodable": 0},
    }


def _validation(story: Story, tested: int) -> dict[str, Any]:
    names = (
        ("expect_table_columns_to_match_set", None, "A column that comes or goes changes what is learnt."),
        ("expect_column_values_to_not_be_null", "label", "A record without a label teaches nothing."),
        ("expect_column_values_to_be_in_set", "label", "An unknown label is a typing error or a new class."),
        ("expect_column_values_to_be_between", "width", "Images of another size would be scaled without a word."),
        ("expect_column_values_to_be_between", "mean", "A black or white image shows nothing."),
        ("expect_column_values_to_be_in_set", "in_other_part", "A record in both parts makes the test look too good."),
        ("expect_column_proportion_of_unique_values_to_be_between", "hash", "Repeated images count twice."),
        ("expect_table_row_count_to_be_between", None, "Half the data is missing when this fails."),
    )
    checks = [
        {
            "name": name,
            "column": column,
            "severity": "warning" if number < story.violations else "critical",
            "success": number >= story.violations,
            "expected": {"min_value": 28, "max_value": 28} if column else {"value": 14000},
            "observed": {"min": 28, "max": 28} if column else 14000,
            "unexpected": None if column is None else 2 if number < story.violations else 0,
            "examples": [{"id": "train/17", "label": story.classes[0], "value": 31.5}]
            if number < story.violations
            else [],
            "why": why,
        }
        for number, (name, column, why) in enumerate(names)
    ]
    return {"success": True, "suite": "fashion", "rows": {"train": 12_000, "test": tested}, "checks": checks}


def _gate(story: Story, tested: int) -> dict[str, Any]:
    value = 0.88 if story.accepted else 0.82
    bound = {"value": value, "low": value - 0.01, "high": value + 0.01}
    trusted = {"methods": 3, "trusted": len(story.trusted)}
    parity = {"max_difference": 2.4e-7, "different_predictions": 0, "n": tested}
    difference = {"metric": "accuracy", "value": 0.065, "low": 0.05, "high": 0.08}
    checks = [
        _check("data", True, {"expectations": 8, "failed": 0}, None, "configs/expectations/fashion.json"),
        _check("parity", True, parity, 1e-4, "config gate.max_parity_difference"),
        _check("bounds.accuracy", story.accepted, bound, 0.86, "config gate.bounds.accuracy"),
        _check("baseline", True, difference, 0.0, "rule: without a champion, better than the baseline"),
        _check("explanation", bool(story.trusted), trusted, 1, "rule: at least one method is to be trusted"),
    ]
    champion = {"version": "v0.1.0", "tag": "model@v0.1.0", "commit": "0" * 40} if story.champion else None
    verdict = "accepted" if all(check["passed"] for check in checks) else "refused"
    return {"verdict": verdict, "champion": champion, "bundle_digest": "ab" * 32, "checks": checks}


def _check(name: str, passed: bool, figures: dict[str, Any], threshold: float | None, source: str) -> dict[str, Any]:
    message = f"{name} {'holds' if passed else 'does not hold'} & that < is said"
    return {
        "name": name,
        "passed": passed,
        "figures": figures,
        "threshold": threshold,
        "source": source,
        "message": message,
    }


def _explanation(
    project: Project,
    story: Story,
    ids: list[str],
    labels: list[str],
    predictions: list[str],
    probabilities: np.ndarray,
    generator: np.random.Generator,
) -> dict[str, Any]:
    project.explanation_images.mkdir(parents=True)
    records = []
    for number, row in enumerate(range(0, len(ids), max(1, len(ids) // 30))):
        names = {method: f"images/{number:03}-{method}.png" for method in ("input", *METHODS)}
        for name in names.values():
            (project.explanation / name).write_bytes(_picture(story, generator))
        records.append(
            {
                "id": ids[row],
                "label": labels[row],
                "prediction": predictions[row],
                "probability": float(probabilities[row].max()),
                "input": names.pop("input"),
                "overlays": names,
            }
        )
    layers = [
        {"layer": layer, "correlation": value}
        for layer, value in (("head.3", 0.81), ("stages.2", 0.3), ("stages.0", 0.12))
    ]
    control = [
        {"layer": layer, "correlation": 0.93 - 0.02 * number}
        for number, layer in enumerate(("head.3", "stages.2", "stages.0"))
    ]
    fractions = [step / 20 for step in range(21)]
    methods = {name: _method(name, name in story.trusted, layers) for name in METHODS}
    fall = {
        name: [0.93 * (1 - x) ** power for x in fractions] for name, power in zip(METHODS, (2.5, 4, 5), strict=True)
    }
    rise = {
        name: [0.93 * x**power + 0.05 for x in fractions] for name, power in zip(METHODS, (0.4, 0.3, 0.25), strict=True)
    }
    return {
        "n": len(records),
        "records": records,
        "methods": methods,
        "control": {
            "guided_backpropagation": {
                "checks": {
                    "randomised_correlation": {"value": 0.89, "threshold": 0.6, "passed": False, "by_layer": control}
                },
                "fails_as_expected": True,
            }
        },
        "curves": {
            "fractions": fractions,
            "deletion": {**fall, "random": [0.93 * (1 - x) for x in fractions]},
            "insertion": {**rise, "random": [0.9 * x + 0.05 for x in fractions]},
        },
    }


def _method(name: str, trusted: bool, layers: list[dict[str, Any]]) -> dict[str, Any]:
    complete = name != "grad_cam"
    return {
        "trusted": trusted,
        "reasons": [] if trusted else ["Its attributions hardly change when the network's weights are random."],
        "checks": {
            "completeness_error": {
                "value": 0.018 if complete else None,
                "threshold": 0.1 if complete else None,
                "passed": True if complete else None,
            },
            "deletion_auc": {"value": 0.21, "low": 0.18, "high": 0.24, "random": 0.46, "passed": True},
            "insertion_auc": {"value": 0.71, "low": 0.67, "high": 0.75, "random": 0.5, "passed": True},
            "randomised_correlation": {
                "value": 0.12 if trusted else 0.84, "threshold": 0.6, "passed": trusted, "by_layer": layers
            },
        },
    }  # fmt: skip
