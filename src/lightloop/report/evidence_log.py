"""The evidence about a model as a run in W&B: what the report shows, beside the runs of other models."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_image
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.tracking import close_run, notice, open_run, send_run

if TYPE_CHECKING:
    import wandb

# Rows with pictures: enough to look through, few enough to load at once in a browser.
MOST_MISTAKES = 100
MOST_CORRECT = 100
CORRECT_OF_A_CLASS = 5
# W&B refuses longer lists of pictures under one key.
MOST_PICTURES = 100


@dataclass(frozen=True)
class Prediction:
    """What the model said about one test record."""

    id: str
    label: str
    prediction: str
    probability: float

    @property
    def correct(self) -> bool:
        return self.label == self.prediction


def log_evidence(config: Config, project: Project) -> None:
    """Log what was found about the model as the run `evidence`, in the group of its training; end the run.

    Logged are the metrics with their intervals and the gate's verdict (summary), the confusion matrix, a table of
    predictions with images, the explanations' pictures, and the bundle as an artifact with the alias `candidate`.
    Whatever W&B does, the report stands: the run is written to disk first, a failure costs one line on stderr, and a
    server that hangs costs `tracking.FINISH_TIMEOUT` seconds.
    """
    try:
        run = open_run(config, project, job="evidence", live=False)
        if run is None:
            return
        try:
            _log(run, config, project)
        finally:
            close_run(run)
        send_run(config, run)
    except LightloopError as error:
        notice(f"W&B got no evidence: {error}")
    # Any fault of a service that the result does not depend on must not take the result away.
    except Exception as error:  # noqa: BLE001
        notice(f"W&B got no evidence: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")


def choose_predictions(predictions: list[Prediction]) -> list[Prediction]:
    """The records to show: mistakes, the most confident first, then correct ones, spread over each class.

    The same predictions give the same choice.

    Examples:
        >>> right, unsure = Prediction("a", "cat", "cat", 0.9), Prediction("b", "cat", "dog", 0.6)
        >>> sure = Prediction("c", "dog", "cat", 0.8)
        >>> [prediction.id for prediction in choose_predictions([right, unsure, sure])]
        ['c', 'b', 'a']
    """
    mistakes = sorted((p for p in predictions if not p.correct), key=lambda p: (-p.probability, p.id))
    correct: list[Prediction] = []
    for label in sorted({p.label for p in predictions}):
        of_class = [p for p in predictions if p.correct and p.label == label]
        # The ends and evenly between: the order of records says nothing, so this is as good as a draw.
        rows = np.linspace(0, len(of_class) - 1, min(CORRECT_OF_A_CLASS, len(of_class))).round().astype(int)
        correct.extend(of_class[row] for row in rows)
    return mistakes[:MOST_MISTAKES] + correct[:MOST_CORRECT]


def _log(run: "wandb.Run", config: Config, project: Project) -> None:
    metrics, gate = read_json(project.metrics), read_json(project.gate)
    rows = read_predictions(project.predictions).to_pylist()
    predictions = [Prediction(row["id"], row["label"], row["prediction"], max(row["probabilities"])) for row in rows]
    run.summary.update(dict(_summary(metrics, gate)))
    run.log(
        {
            "confusion": _confusion(config, predictions),
            "predictions": _predictions_table(config, project, choose_predictions(predictions)),
            **_explanations(project),
        }
    )
    _log_bundle(run, config, project, metrics, gate)


def _summary(metrics: dict[str, Any], gate: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "n", metrics["n"]
    yield "confidence", metrics["confidence"]
    for group in ("metrics", "baseline"):
        for name, interval in metrics[group].items():
            yield f"{group}/{name}", interval["value"]
            yield f"{group}/{name}/low", interval["low"]
            yield f"{group}/{name}/high", interval["high"]
    yield "gate/verdict", gate["verdict"]
    yield "gate/champion", (gate["champion"] or {}).get("version")
    for check in gate["checks"]:
        yield f"gate/{check['name']}", check["passed"]


def _confusion(config: Config, predictions: list[Prediction]) -> Any:
    import wandb

    code = {label: number for number, label in enumerate(config.data.classes)}
    return wandb.plot.confusion_matrix(
        y_true=[code[p.label] for p in predictions],
        preds=[code[p.prediction] for p in predictions],
        class_names=list(config.data.classes),
        title=f"Confusion of {len(predictions)} test records",
    )


def _predictions_table(config: Config, project: Project, chosen: list[Prediction]) -> "wandb.Table":
    import wandb

    spec = config.data
    assert isinstance(spec, ImageSpec)
    test = read_splits(spec, project.root, config.seed)["test"]
    encoded = dict(zip(test.column("id").to_pylist(), test.column("image").to_pylist(), strict=True))
    table = wandb.Table(columns=["id", "image", "label", "prediction", "probability", "correct"])
    for p in chosen:
        pixels_CHW = decode_image(encoded[p.id], spec.size, spec.channels)
        image = Image.fromarray(pixels_CHW[0] if spec.channels == 1 else pixels_CHW.transpose(1, 2, 0))
        table.add_data(p.id, wandb.Image(image), p.label, p.prediction, p.probability, p.correct)
    return table


def _explanations(project: Project) -> dict[str, list[Any]]:
    """By method its overlays, and the inputs that they belong to, in the same order."""
    import wandb

    result = read_json(project.explanation_result)
    pictures: dict[str, list[Any]] = {}
    for record in result["records"][:MOST_PICTURES]:
        caption = f"{record['id']}: {record['label']}, predicted {record['prediction']} ({record['probability']:.2f})"
        for name, file in {"input": record["input"], **record["overlays"]}.items():
            trusted = name == "input" or result["methods"][name]["trusted"]
            image = wandb.Image(
                str(project.explanation / file), caption=caption if trusted else f"{caption}, not trusted"
            )
            pictures.setdefault(f"explanations/{name}", []).append(image)
    return pictures


def _log_bundle(
    run: "wandb.Run", config: Config, project: Project, metrics: dict[str, Any], gate: dict[str, Any]
) -> None:
    import wandb

    artifact = wandb.Artifact(
        # W&B takes these characters alone.
        re.sub(r"[^A-Za-z0-9_.-]", "-", f"{config.name}-model"),
        type="model",
        metadata={
            "digest": gate["bundle_digest"],
            "verdict": gate["verdict"],
            "data_version": project.data_version(),
            "metrics": metrics["metrics"],
        },
    )
    artifact.add_dir(str(project.bundle))
    run.log_artifact(artifact, aliases=["candidate"])
