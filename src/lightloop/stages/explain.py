"""The explain stage: what the predictions rest on, and whether to believe it.

Shapes: N records, Q positions (see `explanation.subject`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from rich.progress import track

from lightloop.config.schema import Config
from lightloop.data.splits import SplitName, read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import read_predictions
from lightloop.explanation.counterfactuals import counterfactuals_content
from lightloop.explanation.curves import fractions
from lightloop.explanation.evidence import (
    channel_importance,
    columns_of,
    importance,
    over_channels,
    record_rows,
    write_attributions,
    write_records,
)
from lightloop.explanation.findings import Findings, find
from lightloop.explanation.influence import influence_content
from lightloop.explanation.sample import Sample, draw_sample
from lightloop.explanation.subject import Subject, build_subject
from lightloop.explanation.whole import GENERATED, PARTS, whole_model
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, load_model
from lightloop.tasks.processor import tune_allocator


def explain(config: Config, project: Project) -> None:
    """Attribute a sample of the test predictions, check the attributions, draw them.

    Explained is the logit of the class that is answered, over the temperature of the calibration; of numbers the answer
    itself in its unit, of a forecast its mean over the horizon. What was generated is explained by what lies near it.

    Writes `artifacts/explanation/`: `attributions.npz` (`ids`, and (N, Q) a method), `images/`, `result.json`;
    of the model as a whole `global.json`, `concepts.json` and `versions.json`; `influence.json` with the pictures
    `influence/`; `counterfactuals.json`.

    Raises:
        LightloopError: the checkpoint, the predictions or the data are missing, damaged, or do not fit each other.
    """
    tune_allocator()
    # The fast path of attention is 2.4 times slower on a processor, and does not run the layers one by one.
    torch.backends.mha.set_fastpath_enabled(False)
    model = load_model(project.checkpoint, project.calibration)
    if config.data.problem == "generation":
        from lightloop.explanation.samples import explain_samples

        explain_samples(config, project, model)
        for name in PARTS:
            write_json(project.explanation / f"{name}.json", GENERATED)
        _beside(config, project, model, {}, Sample(np.zeros(0, dtype=np.int64), ()))
        return
    tables = read_splits(config.data, project.root, config.seed)
    predictions = read_predictions(project.predictions)
    if predictions.column("id").to_pylist() != tables["test"].column("id").to_pylist():
        raise LightloopError(
            f"{project.predictions} is not about the test records of today: run the evaluate stage again"
        )
    drawn = draw_sample(predictions, config.data.classes, config.explain.records, config.seed)
    sample, records = predictions.take(drawn.rows), tables["test"].take(drawn.rows)
    subject = build_subject(config, model, records, sample, tables["train"])

    def tracked(names: Iterable[str]) -> Iterable[str]:
        return track(list(names), description="Explaining", transient=True)

    found = find(subject, config.explain.methods, config.explain, tracked)
    _rank(found, model, subject, config.seed)
    write_attributions(project.attributions, sample.column("id").to_pylist(), found.maps, half=subject.noun == "pixels")
    write_records(project.explanation_images, model, records, subject, found.maps)
    write_json(project.explanation_result, _result(config, project, subject, sample=sample, drawn=drawn, found=found))
    whole = whole_model(config, project, model, tables, predictions, subject=subject, found=found)
    for name, content in whole.items():
        write_json(project.explanation / f"{name}.json", content)
    _beside(config, project, model, tables, drawn)


def _beside(
    config: Config, project: Project, model: Model, tables: Mapping[SplitName, pa.Table], drawn: Sample
) -> None:
    """What explains answers in other ways than by parts of the record: training records, and other records."""
    write_json(project.influence, influence_content(config, model, tables, drawn, project.influence_images))
    write_json(project.counterfactuals, counterfactuals_content(config, model, tables, drawn))


def _result(
    config: Config, project: Project, subject: Subject, *, sample: pa.Table, drawn: Sample, found: Findings
) -> dict[str, Any]:
    folder = project.explanation_images.name if subject.noun == "pixels" else ""
    return {
        "n": len(sample),
        "noun": subject.noun,
        "score": "probability" if subject.probability else "answer",
        "records": record_rows(sample, drawn.kinds, config.data.classes, list(found.maps), folder),
        "methods": found.methods,
        "skipped": found.skipped,
        "agreement": found.agreement,
        "control": found.control,
        "curves": {
            "fractions": fractions().tolist(),
            **{
                kind: {name: curve[kind].mean(0).tolist() for name, curve in found.curves.items()}
                for kind in ("deletion", "insertion")
            },
        },
    }


def _rank(found: Findings, model: Model, subject: Subject, seed: int) -> None:
    """Write the importance of columns, or of steps and their channels, beside each method that found it."""
    names = fixed_names(model, subject)
    for name, map_NQ in found.maps.items():
        if names:
            found.methods[name]["importance"] = importance(names, over_channels(map_NQ, subject), seed)
        if subject.reference.by_channel:
            found.methods[name]["channels"] = channel_importance(model, subject, map_NQ, seed)


def fixed_names(model: Model, subject: Subject) -> list[str]:
    """Names of what attributions are about where all records have the same: columns, or steps, the last one being 0."""
    if subject.noun == "columns":
        return columns_of(model, subject)
    steps = subject.x_NDP.shape[-1]
    return [str(step) for step in range(1 - steps, 1)] if subject.noun == "steps" else []
