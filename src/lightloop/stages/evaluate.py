"""evaluate: the trained model and a simpler one on the test split, the only time that it is looked at."""

import numpy as np
import torch
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.data.records import decode_images, label_codes
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.baseline import baseline_probabilities, baseline_size
from lightloop.evaluation.evidence import (
    Answers,
    Resampling,
    classes_content,
    metrics_content,
    mistakes_content,
    write_confusion,
    write_predictions,
)
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, load_model


def evaluate(config: Config, project: Project) -> None:
    """Write predictions, metrics with intervals, classes, confusion and mistakes of the test split.

    Args:
        config: of the run; read are `data`, `seed`, and of `gate` the metric, confidence and resamples.
        project: where to read and write.

    Raises:
        LightloopError: a file is missing or not readable; the checkpoint is of other classes or answers no numbers.
        RefusedError: a record is not as the data spec says.
    """
    spec = config.data
    model = load_model(project.checkpoint)
    if model.config.data.classes != spec.classes:
        raise LightloopError(
            f"{project.relative(project.checkpoint)} was trained for the classes "
            f"{', '.join(model.config.data.classes)}, but the config has {', '.join(spec.classes)}: run `lightloop run`"
        )
    splits = read_splits(spec, project.root, config.seed)
    train, test = splits["train"], splits["test"]
    if not len(test):
        raise LightloopError(f"the test split of {spec.name} has no record: give it some, or say data.split.test=0.2")

    pixels_NCHW = decode_images(test["image"].to_pylist(), spec.size, spec.channels)
    model_NK = _probabilities(model, pixels_NCHW)

    small = baseline_size(spec.size)
    baseline_NK = baseline_probabilities(
        decode_images(train["image"].to_pylist(), small, spec.channels),
        label_codes(train["label"].to_pylist(), spec.classes),
        pixels_NCHW if small == spec.size else decode_images(test["image"].to_pylist(), small, spec.channels),
        len(spec.classes),
    )

    labels_N = label_codes(test["label"].to_pylist(), spec.classes)
    answers = Answers(test["id"].to_pylist(), spec.classes, labels_N, model_NK, baseline_NK)
    how = Resampling(config.gate.confidence, config.gate.resamples, config.seed)
    write_predictions(project.predictions, answers)
    write_json(project.metrics, metrics_content(answers, config.gate.metric, how))
    write_json(project.classes, classes_content(answers, how))
    write_confusion(project.confusion, answers)
    write_json(project.mistakes, mistakes_content(answers))


def _probabilities(model: Model, pixels_NCHW: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (N, K), float32, of raw pixels."""
    logits_NK = model.logits(torch.from_numpy(pixels_NCHW))
    if not torch.isfinite(logits_NK).all():
        raise LightloopError(
            "the model answers NaN or infinity on test records: train it again with a lower optimizer.lr"
        )
    probabilities_NK: NDArray[np.float32] = logits_NK.float().softmax(1).numpy()
    return probabilities_NK
