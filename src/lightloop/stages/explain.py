"""The explain stage: which pixels the predictions rest on, and whether to believe it.

Shapes: N records, H height, W width.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.progress import track
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import read_predictions
from lightloop.explanation.checks import Curves, attribute, control_checks, doubts, method_checks, order_curves, peers
from lightloop.explanation.curves import fractions
from lightloop.explanation.methods import CONTROLS, METHODS
from lightloop.explanation.pictures import picture_name, save_pictures
from lightloop.explanation.sample import draw_sample
from lightloop.explanation.subject import build_subject
from lightloop.files import replacing, write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model


def explain(config: Config, project: Project) -> None:
    """Attribute a sample of the test predictions, check the attributions, draw them.

    Writes `artifacts/explanation/`: `attributions.npz` (`ids`, and float16 (N, H, W) a method), `images/`,
    `result.json`.

    Raises:
        LightloopError: the checkpoint, the predictions or the data are missing, damaged, or do not fit each other.
    """
    model = load_model(project.checkpoint)
    tables = read_splits(config.data, project.root, config.seed)
    predictions = read_predictions(project.predictions)
    if predictions.column("id").to_pylist() != tables["test"].column("id").to_pylist():
        raise LightloopError(
            f"{project.predictions} is not about the test records of today: run the evaluate stage again"
        )
    rows = draw_sample(predictions, config.data.classes, config.explain.records, config.seed)
    sample = predictions.take(rows)
    subject = build_subject(config, model, tables["test"].take(rows), sample, tables["train"])

    chosen = {name: METHODS[name] for name in config.explain.methods}
    random = peers(subject, chosen.values())
    maps: dict[str, Tensor] = {}
    curves: dict[str, Curves] = {}
    methods: dict[str, Any] = {}
    for name, method in track(chosen.items(), description="Explaining", transient=True):
        maps[name] = attribute(method, subject)
        curves[name] = order_curves(subject, maps[name])
        peer = random[subject.grid(method)]
        checks = method_checks(method, subject, maps[name], own=curves[name], peer=peer, limits=config.explain)
        reasons = doubts(checks)
        methods[name] = {"trusted": not reasons, "reasons": reasons, "checks": checks}
    control = {name: control_checks(method, subject, config.explain) for name, method in CONTROLS.items()}
    curves |= {"random" if grid == subject.size else "random_blocks": curve for grid, curve in random.items()}

    _write_attributions(project.attributions, sample, maps)
    with replacing(project.explanation_images) as temporary:
        temporary.mkdir()
        save_pictures(temporary, subject.pixels_NCHW.numpy(), {name: map_NHW.numpy() for name, map_NHW in maps.items()})
    write_json(
        project.explanation_result,
        {
            "n": len(sample),
            "records": _records(sample, config, project.explanation_images.name),
            "methods": methods,
            "control": control,
            "curves": {
                "fractions": fractions().tolist(),
                "deletion": {name: curve["deletion"].mean(0).tolist() for name, curve in curves.items()},
                "insertion": {name: curve["insertion"].mean(0).tolist() for name, curve in curves.items()},
            },
        },
    )


def _write_attributions(path: Path, sample: pa.Table, maps: Mapping[str, Tensor]) -> None:
    arrays: dict[str, Any] = {name: map_NHW.half().numpy() for name, map_NHW in maps.items()}
    with replacing(path) as temporary:
        # NumPy dates every member 1980, so the same attributions are the same bytes.
        np.savez_compressed(temporary, ids=np.array(sample.column("id").to_pylist()), **arrays)


def _records(sample: pa.Table, config: Config, folder: str) -> list[dict[str, Any]]:
    """What the evidence says about each record, with the files of its pictures."""
    return [
        {
            "id": record["id"],
            "label": record["label"],
            "prediction": record["prediction"],
            "probability": record["probabilities"][config.data.classes.index(record["prediction"])],
            "input": f"{folder}/{picture_name(number, 'input')}",
            "overlays": {name: f"{folder}/{picture_name(number, name)}" for name in config.explain.methods},
        }
        for number, record in enumerate(sample.to_pylist())
    ]
