"""calibrate: from the validation split, how answers are scaled and decided, and how sure they are."""

from typing import Any

import numpy as np

from lightloop.calibration.answers import fitted
from lightloop.calibration.fit import no_calibration
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model

# Rules that combine members trained on folds; snapshots never see the validation split.
OF_FOLDS = ("mean", "weighted")


def calibrate(config: Config, project: Project) -> None:
    """Write `artifacts/calibration.json`: scaling, decision, conformal quantiles, the limit for abstaining.

    The checkpoint was chosen by the validation split too, so that what is promised here is measured on the test split
    by evaluate. Members of an ensemble of folds were trained on validation records: it is calibrated by what each
    member answers to the records that it never saw.

    Args:
        config: of the run.
        project: where to read and write.

    Raises:
        LightloopError: the checkpoint is missing or not readable, or answers no numbers.
        RefusedError: a record is not as the data spec says.
    """
    content = fit(config, project)
    write_json(project.calibration, content)
    for line in said(content):
        print(f"  {line}", flush=True)


def fit(config: Config, project: Project) -> dict[str, Any]:
    """The content of the file."""
    if config.data.problem == "generation":
        return no_calibration("images that were generated have no probability, threshold or interval")
    if config.ensemble.name == "voting":
        return no_calibration("shares of votes are no probabilities that held-out members could stand for")
    if config.ensemble.name == "stacking":
        return no_calibration("the layer over the members was itself fitted on what they answer to held-out records")
    if config.ensemble.name in OF_FOLDS:
        from lightloop.training.held_out import held_out_answers

        table, answers = held_out_answers(config, project)
    else:
        table = read_splits(config.data, project.root, config.seed)["validation"]
        answers = load_model(project.checkpoint).answers(table)
    for name, values in answers.items():
        if not np.isfinite(values).all():
            raise LightloopError(
                f"the model answers {name} that are NaN or infinite on validation records: train it again with a lower "
                "optimizer.lr"
            )
    return fitted(config, table, answers)


def said(content: dict[str, Any]) -> list[str]:
    """What a person should know at once."""
    if not content["applies"]:
        return [f"nothing is calibrated: {content['why']}"]
    lines = []
    losses = {row["name"]: row["log_loss"] for row in content["candidates"]}
    scaling, decision = content["released"]["scaling"], content["decision"]
    if losses:
        name = scaling["name"]
        what = f"temperature {scaling['temperature']:.3f}" if name == "temperature" else f"scaling {name}"
        lines.append(f"{what}: log loss {losses[name]:.4f} in cross-validation, {losses['none']:.4f} without")
    if decision and decision["name"] == "threshold":
        lines.append(f"{decision['positive']} from a probability of {decision['threshold']:.3f} on")
    return [*lines, *content["notes"]]
