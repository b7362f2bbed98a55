"""The explain stage: what the predictions rest on, and whether to believe it.

Shapes: N records, Q positions (see `explanation.subject`).
"""

from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import read_predictions
from lightloop.explanation.checks import Curves, attribute, control_checks, doubts, method_checks, order_curves, peers
from lightloop.explanation.curves import fractions
from lightloop.explanation.evidence import (
    columns_of,
    importance,
    record_rows,
    write_attributions,
    write_records,
)
from lightloop.explanation.methods import CONTROLS, METHODS, Method
from lightloop.explanation.sample import draw_sample
from lightloop.explanation.subject import Subject, build_subject
from lightloop.files import write_json
from lightloop.networks._ensemble import Ensemble
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, load_model


def explain(config: Config, project: Project) -> None:
    """Attribute a sample of the test predictions, check the attributions, draw them.

    Explained is the logit of the predicted class; of numbers the answer itself in its unit, of a forecast its mean
    over the horizon. What was generated is explained by what lies near it.

    Writes `artifacts/explanation/`: `attributions.npz` (`ids`, and (N, Q) a method), `images/`, `result.json`.

    Raises:
        LightloopError: the checkpoint, the predictions or the data are missing, damaged, or do not fit each other.
    """
    # The fast path of attention is 2.4 times slower on a processor, and does not run the layers one by one.
    torch.backends.mha.set_fastpath_enabled(False)
    model = load_model(project.checkpoint)
    if config.data.problem == "generation":
        from lightloop.explanation.samples import explain_samples

        explain_samples(config, project, model)
        return
    tables = read_splits(config.data, project.root, config.seed)
    predictions = read_predictions(project.predictions)
    if predictions.column("id").to_pylist() != tables["test"].column("id").to_pylist():
        raise LightloopError(
            f"{project.predictions} is not about the test records of today: run the evaluate stage again"
        )
    rows = draw_sample(predictions, config.data.classes, config.explain.records, config.seed)
    sample, records = predictions.take(rows), tables["test"].take(rows)
    subject = build_subject(config, model, records, sample, tables["train"])

    chosen = {name: METHODS[name] for name in config.explain.methods if fits(METHODS[name], model)}
    random = peers(subject, chosen.values())
    maps: dict[str, Tensor] = {}
    curves: dict[str, Curves] = {}
    methods: dict[str, Any] = {}
    names = fixed_names(model, subject)
    for name, method in track(chosen.items(), description="Explaining", transient=True):
        maps[name] = attribute(method, subject)
        curves[name] = order_curves(subject, maps[name])
        peer = random[subject.grid(method)]
        checks = method_checks(method, subject, maps[name], own=curves[name], peer=peer, limits=config.explain)
        reasons = doubts(checks, subject)
        methods[name] = {"trusted": not reasons, "reasons": reasons, "checks": checks}
        if names:
            methods[name]["importance"] = importance(names, maps[name], config.seed)
    controls = CONTROLS if controllable(subject) else {}
    control = {name: control_checks(method, subject, config.explain) for name, method in controls.items()}
    curves |= {random_name(place, grid == subject.size): curve for place, (grid, curve) in enumerate(random.items())}

    write_attributions(project.attributions, sample.column("id").to_pylist(), maps)
    write_records(project.explanation_images, model, records, subject, maps)
    folder = project.explanation_images.name if subject.noun == "pixels" else ""
    write_json(
        project.explanation_result,
        {
            "n": len(sample),
            "noun": subject.noun,
            "score": "probability" if subject.probability else "answer",
            "records": record_rows(sample, config.data.classes, list(chosen), folder),
            "methods": methods,
            "control": control,
            "curves": {
                "fractions": fractions().tolist(),
                "deletion": {name: curve["deletion"].mean(0).tolist() for name, curve in curves.items()},
                "insertion": {name: curve["insertion"].mean(0).tolist() for name, curve in curves.items()},
            },
        },
    )


def fits(method: Method, model: Model) -> bool:
    """Whether a method can be used: an ensemble has no feature maps, those of its members differ."""
    return method.grain != "feature_maps" or not isinstance(model.network, Ensemble)


def random_name(place: int, fine: bool) -> str:
    """The name of the random orders of one resolution; the first in `place` is the finest.

    Examples:
        >>> random_name(0, fine=True), random_name(1, fine=False), random_name(2, fine=False)
        ('random', 'random_blocks', 'random_blocks_2')
    """
    if fine:
        return "random"
    return "random_blocks" if place <= 1 else f"random_blocks_{place}"


def fixed_names(model: Model, subject: Subject) -> list[str]:
    """Names of what attributions are about where all records have the same: columns, or steps, the last one being 0."""
    if subject.noun == "columns":
        return columns_of(model, subject)
    steps = subject.present_NQ.shape[1]
    return [str(step) for step in range(1 - steps, 1)] if subject.noun == "steps" else []


def controllable(subject: Subject) -> bool:
    """Whether the control says something: guided backpropagation is for images and networks with ReLUs."""
    return subject.noun == "pixels" and any(isinstance(module, torch.nn.ReLU) for module in subject.network.modules())
