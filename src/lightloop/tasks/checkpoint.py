"""A trained model as a checkpoint holds it: loading needs the file alone, and no Lightning.

Shapes: N records, B batch, O outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightloop.calibration.rules import Calibration, read_calibration
from lightloop.config.compose import validate_config
from lightloop.config.schema import AFTER_TRAINING, Config
from lightloop.config.search import NoEnsemble, count_members
from lightloop.config.signature import components
from lightloop.data.preprocessor import Preprocessor, build_preprocessor
from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing
from lightloop.networks._ensemble import Ensemble
from lightloop.networks._inputs import Inputs
from lightloop.networks._transfer import UNTRAINED
from lightloop.tasks.answers import Answer, build_answer, count_outputs

# The places of our config and files in Lightning's checkpoint, written by `training.fit`.
CONFIG_KEY = "lightloop_config"
FILES_KEY = "lightloop_files"


@dataclass(frozen=True)
class Model:
    """A network with the preprocessing that was fitted for it, and the config of the run that made both.

    Attributes:
        config: of that run; `config.data.classes` are the label names in the order of the outputs.
        preprocessor: raw records to what the network takes.
        network: preprocessed records to outputs (N, O), float32.
        calibration: what is done with its answers; by default nothing.
    """

    config: Config
    preprocessor: Preprocessor
    network: nn.Module
    calibration: Calibration = field(default_factory=Calibration)

    def answer(self) -> Answer:
        """From outputs to named answers; probabilities are calibrated."""
        return build_answer(self.config, self.calibration.scaling)

    def graph(self) -> "Graph":
        """All of it that is arithmetic, from encoded records to named answers."""
        return Graph(self.preprocessor, self.network, self.answer())

    @torch.no_grad()
    def answers(self, table: pa.Table, batch_size: int = 512) -> dict[str, NDArray[Any]]:
        """The answers to raw records by name, (N, ...) each, in evaluation mode and full precision.

        The names are those of the exported graph: `probabilities` of classes, `prediction` of numbers.
        """
        graph = self.graph().eval()
        encoded = self.preprocessor.encode(table)
        parts = [graph(*chunk) for chunk in zip(*(part.split(batch_size) for part in encoded), strict=True)]
        named = zip(graph.answer.names, zip(*parts, strict=True), strict=True)
        return {name: np.concatenate([part.numpy() for part in chunks]) for name, chunks in named}


class Graph(nn.Module):
    """Encoded records (B, ...) to answers, in the order of `answer.names`: what becomes the exported graph."""

    def __init__(self, preprocessor: Preprocessor, network: nn.Module, answer: Answer) -> None:
        super().__init__()
        self.preprocessor = preprocessor
        self.network = network
        self.answer = answer

    def forward(self, *encoded: Tensor) -> tuple[Tensor, ...]:
        outputs_BO = self.preprocessor.restore(self.network(*self.preprocessor(*encoded)), *encoded)
        answers: tuple[Tensor, ...] = self.answer(outputs_BO)
        return answers


def build_network(config: Config, inputs: Inputs, *, pretrained: bool = False) -> nn.Module:
    """The network that a config names, with fresh weights from torch's generator; of an ensemble all its members.

    Args:
        config: of the run; read are `network`, `data` and `ensemble`.
        inputs: what the network is given.
        pretrained: take the pretrained weights that `config.network` names: where training starts, and nowhere else.

    Raises:
        UsageError: the sizes do not fit each other, or pretrained weights do not fit.
    """
    if config.ensemble.name != "none":
        one = config.model_copy(update={"ensemble": NoEnsemble()})
        members = [build_network(one, inputs, pretrained=pretrained) for _ in range(count_members(config))]
        rule = "mean" if config.ensemble.name == "snapshots" else config.ensemble.name
        classes = len(config.data.classes) if config.data.problem == "classification" else 0
        return Ensemble(members, rule=rule, classes=classes, seeds=config.seeds)
    build = components("networks")[config.network.name].load()
    arguments = config.network.arguments()
    if not pretrained:
        arguments |= {key: value for key, value in UNTRAINED.items() if key in arguments}
    try:
        network: nn.Module = build(inputs, count_outputs(config), **arguments)
    except ValueError as error:
        raise UsageError(f"network={config.network.name}: {error}") from error
    return network


def checkpoint_extras(config: Config, preprocessor: Preprocessor) -> dict[str, Any]:
    """What a checkpoint holds beside the state of the modules; no pickled object of ours among it."""
    files = {
        name: torch.frombuffer(bytearray(content), dtype=torch.uint8) for name, content in preprocessor.files().items()
    }
    # How a model is served, watched and signed is no property of it.
    return {CONFIG_KEY: config.model_dump(mode="json", exclude=set(AFTER_TRAINING)), FILES_KEY: files}


def save_tensors(content: Mapping[str, Any], path: Path) -> None:
    """Write tensors and plain values whole or not at all, to be read with `weights_only`.

    Raises:
        OSError: the disk is full, for one; given a path, `torch.save` would raise an error without a number.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(dict(content), file)


def load_model(path: Path, calibration: Path | None = None) -> Model:
    """Read a checkpoint of the train stage, in evaluation mode, on the CPU.

    Args:
        path: of the checkpoint.
        calibration: of what the calibrate stage wrote about it. Without it, or where nothing applies, probabilities
            are the softmax of the logits and the most probable class is the answer.

    Raises:
        LightloopError: the file is missing, damaged, or not one of ours; or the calibration is of another model.
    """
    if not path.exists():
        raise LightloopError(f"{path} is missing: run `lightloop run`, whose train stage makes it")
    try:
        # weights_only refuses everything but tensors and plain data: no code runs on loading.
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise LightloopError(f"{path} is not a whole checkpoint ({reason}): run the train stage again") from error
    if CONFIG_KEY not in content:
        raise LightloopError(f"{path} was not written by Lightloop: it has no {CONFIG_KEY}")
    config = validate_config(content[CONFIG_KEY])
    preprocessor = build_preprocessor(config)
    preprocessor.load_files({name: bytes(file.numpy()) for name, file in content.get(FILES_KEY, {}).items()})
    preprocessor.load_state_dict(_part(content["state_dict"], "preprocessor."))
    network = build_network(config, preprocessor.inputs)
    network.load_state_dict(_part(content["state_dict"], "network."))
    rules = read_calibration(calibration) if calibration else Calibration()
    curves, classes = len(rules.scaling.curves), len(config.data.classes)
    if curves and curves != classes:
        raise LightloopError(f"{calibration} is of {curves} classes, and {path} of {classes}: run `lightloop run`")
    return Model(config, preprocessor.eval(), network.eval(), rules)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
