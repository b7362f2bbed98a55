"""Each way to a smaller bundle, from the trained network to a bundle that answers; and the network itself, "float".

Shapes: N records.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.calibration.answers import fitted
from lightloop.calibration.rules import Calibration
from lightloop.compression import quantise
from lightloop.compression.graphs import InapplicableError, network_part, with_scaling
from lightloop.compression.scaling import scaling_graph
from lightloop.config.compression import TRAINING, Distil, DynamicInt8, Float16, StaticInt8, Step
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.files import file_size
from lightloop.project import Project
from lightloop.release.variant import write_variant
from lightloop.serving.manifest import GRAPH
from lightloop.serving.predictor import Predictor

FLOAT = "float"
# Ensembles whose members saw the validation records: nothing can be fitted to what they answer there.
SAW_VALIDATION = ("mean", "weighted", "voting", "stacking")


@dataclass(frozen=True)
class Candidate:
    """A bundle that was made, or why it was not.

    Attributes:
        name: in the config.
        steps: what was done.
        why: it was not made; None where it was.
        folder: of the bundle.
        parameters: of the network; zeros count.
        calibrated: the content of a calibration.json for it.
    """

    name: str
    steps: tuple[Step, ...]
    why: str | None = None
    folder: Path = Path()
    parameters: int = 0
    calibrated: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor.load(self.folder)

    def sizes(self) -> dict[str, int]:
        """Bytes of the graph, of the graph when packed (deflate), and of the whole bundle."""
        graph = self.folder / GRAPH
        return {
            "graph": file_size(graph),
            "packed": len(zlib.compress(graph.read_bytes(), 9)),
            "bundle": file_size(self.folder),
        }


@dataclass
class Bench:
    """Makes candidates.

    Attributes:
        config: of the run.
        project: of it.
        folder: where bundles are written.
    """

    config: Config
    project: Project
    folder: Path

    @cached_property
    def splits(self) -> dict[Any, pa.Table]:
        return dict(read_splits(self.config.data, self.project.root, self.config.seed))

    @cached_property
    def exported(self) -> Predictor:
        return Predictor.load(self.project.exported)

    @cached_property
    def workshop(self) -> Any:
        """Where networks are trained: torch is imported only where a way needs it."""
        from lightloop.compression.networks import Workshop
        from lightloop.tasks.checkpoint import load_model

        return Workshop(self.config, self.project, load_model(self.project.checkpoint))

    def float_candidate(self) -> Candidate:
        """What was exported."""
        manifest = self.exported.manifest
        return Candidate(FLOAT, (), None, self.project.exported, manifest.parameters)

    def candidate(self, name: str, steps: Sequence[Step]) -> Candidate:
        """The bundle of a way; where it does not apply, why.

        Raises:
            UsageError: a teacher is not there.
            LightloopError: a training failed.
        """
        try:
            graph, parameters = self._graph(steps)
            return self._calibrated(_Made(name, tuple(steps), graph, parameters))
        except InapplicableError as why:
            return Candidate(name, tuple(steps), str(why))

    def _graph(self, steps: Sequence[Step]) -> tuple[onnx.ModelProto, int]:
        """The network's part of the graph after all steps, and how many weights the network has."""
        training = [step for step in steps if step.name in TRAINING]
        if training:
            from lightloop.release.bundle import export_graph

            model = self.workshop.model_of(training)
            graph = network_part(export_graph(model))
            parameters = sum(weights.numel() for weights in model.network.parameters())
        else:
            graph = network_part(onnx.load(self.project.exported / GRAPH))
            parameters = self.exported.manifest.parameters
        match steps[-1]:
            case DynamicInt8() as step:
                graph = quantise.dynamic_int8(graph, step)
            case StaticInt8() as step:
                graph = quantise.static_int8(graph, step, self._records(step.records))
            case Float16() as step:
                graph = quantise.float16(graph, step)
        return graph, parameters

    def _records(self, count: int) -> dict[str, NDArray[Any]]:
        """Encoded training records, drawn by the run's seed."""
        train = self.splits["train"]
        rows = np.random.default_rng(self.config.seed).permutation(len(train))[:count]
        return self.exported.manifest.input.encode(train.take(np.sort(rows)), self.exported.files)

    def _calibrated(self, made: "_Made") -> Candidate:
        """The bundle of a graph, its calibration fitted anew, since other logits are other probabilities."""
        classes = len(self.config.data.classes) if self.exported.classes else 0

        def whole(calibration: Calibration) -> onnx.ModelProto:
            return with_scaling(made.graph, scaling_graph(calibration.scaling, classes)) if classes else made.graph

        folder = self.folder / f"{made.name} raw"
        self._write(made, folder, whole(Calibration()), Calibration(), complete=False)
        answers = Predictor.load(folder).answers(self.splits["validation"])
        _check_finite(answers)
        content, calibration = self._calibration(made, answers)
        folder = self.folder / made.name
        self._write(made, folder, whole(calibration), calibration)
        return Candidate(made.name, made.steps, None, folder, made.parameters, content)

    def _calibration(self, made: "_Made", answers: dict[str, NDArray[Any]]) -> tuple[dict[str, Any], Calibration]:
        """By the validation split; the network's own where that would be no fair judge."""
        taught = any(isinstance(step, Distil) for step in made.steps)
        if self.config.ensemble.name in SAW_VALIDATION and not taught:
            why = "the ensemble's own is kept, fitted to what its members had not seen"
            return {"applies": False, "why": why}, self.exported.manifest.rules
        content = fitted(self.config, self.splits["validation"], answers)
        return content, Calibration.model_validate(content["released"]) if content["applies"] else Calibration()

    def _write(
        self, made: "_Made", folder: Path, graph: onnx.ModelProto, calibration: Calibration, *, complete: bool = True
    ) -> None:
        records = {name: self.splits[name] for name in ("train", "validation", "test")} if complete else {}
        write_variant(
            self.project.exported,
            folder,
            graph,
            calibration=calibration,
            parameters=made.parameters,
            steps=[step.model_dump(mode="json") for step in made.steps],
            seed=self.config.seed,
            **records,
        )


@dataclass(frozen=True)
class _Made:
    """A network's part of a graph, and what it is of."""

    name: str
    steps: tuple[Step, ...]
    graph: onnx.ModelProto
    parameters: int


def _check_finite(answers: dict[str, NDArray[Any]]) -> None:
    for name, values in answers.items():
        wrong = int((~np.isfinite(values)).reshape(len(values), -1).any(1).sum())
        if wrong:
            raise InapplicableError(
                f"the {name} of {wrong} of {len(values)} validation records are no numbers: on the way to them there "
                "are numbers that are too large for it"
            )
