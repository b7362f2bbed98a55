"""Who teaches a student: the run's own model, or a released bundle.

Shapes: N records, O outputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.errors import LightloopError, UsageError
from lightloop.explanation.rebuilt import model_of_bundle
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.release.fetched import fetch_bundle
from lightloop.release.history import find, releases
from lightloop.serving.manifest import Manifest
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model


@dataclass(frozen=True)
class Teacher:
    """One of the two.

    Attributes:
        model: asked about the very batches that the student sees.
        outputs: asked about raw records (N, O), where the bundle has another preprocessing, or its graph alone is left.
    """

    model: Model | None
    outputs: Callable[[pa.Table], NDArray[np.floating]] | None = None


def find_teacher(project: Project, name: str, model: Model, config: Config) -> Teacher:
    """The teacher of a name.

    Args:
        project: whose registry is asked, and relative to which a folder is.
        name: `model`, a version, or the folder of a bundle.
        model: of this run.
        config: of the student.

    Raises:
        UsageError: there is no such version or folder, or the bundle answers something else.
        LightloopError: the bundle can't be fetched, or is not whole.
    """
    if name == "model":
        return Teacher(model)
    folder = project.root / name
    if not folder.is_dir():
        if "/" in name or name.startswith("."):
            raise UsageError(
                f"the teacher {name} is no folder: name that of a bundle, a version such as v1.2.0, or model"
            )
        folder = _fetched(project, name)
    predictor = Predictor.load(folder)
    _check(predictor.manifest, name, config)
    try:
        taught = model_of_bundle(folder)
    except LightloopError:
        return Teacher(None, lambda table: _outputs(predictor, table))
    same = (
        taught.preprocessor.input == model.preprocessor.input
        and taught.preprocessor.files() == model.preprocessor.files()
    )
    return Teacher(taught) if same else Teacher(None, lambda table: _outputs(predictor, table))


def _outputs(predictor: Predictor, table: pa.Table) -> NDArray[np.floating]:
    answers = predictor.answers(table)
    if "quantiles" in answers:
        return answers["quantiles"].reshape(len(table), -1)
    return answers["logits" if predictor.classes else "prediction"]


def _check(manifest: Manifest, name: str, config: Config) -> None:
    ours = (config.data.modality, config.data.problem)
    theirs = (manifest.modality, manifest.problem)
    if ours != theirs:
        raise UsageError(f"the teacher {name} solves {' '.join(theirs)}, not {' '.join(ours)}: name another one")
    if config.data.problem == "classification" and manifest.classes != config.data.classes:
        raise UsageError(
            f"the teacher {name} knows {', '.join(manifest.classes)}, and the student is to know "
            f"{', '.join(config.data.classes)}: name another one"
        )


def _fetched(project: Project, version: str) -> Path:
    """The bundle of a registered version, as its tag has it."""
    release = find(releases(project), version)
    folder = project.scratch / "teachers" / release.version
    if not folder.is_dir():
        with replacing(folder) as temporary:
            fetch_bundle(project, release, temporary, "the teacher")
    return folder
