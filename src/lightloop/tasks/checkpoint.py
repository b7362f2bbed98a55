"""A trained model as a checkpoint holds it: loading needs the file alone, and no Lightning.

Shapes: N records, K classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightloop.config.compose import validate_config
from lightloop.config.schema import Config
from lightloop.config.signature import components
from lightloop.data.preprocess import ImagePreprocessor
from lightloop.errors import LightloopError

# The place of our config in Lightning's checkpoint, written by `training.fit`.
CONFIG_KEY = "lightloop_config"


@dataclass(frozen=True)
class Model:
    """A network with the preprocessing that was fitted for it, and the config of the run that made both.

    Attributes:
        config: of that run; `config.data.classes` are the label names in the order of the outputs.
        preprocessor: raw records to what the network takes; pixels (N, C, H, W), uint8, to float32.
        network: preprocessed records to logits (N, K), float32.
    """

    config: Config
    preprocessor: nn.Module
    network: nn.Module

    @torch.no_grad()
    def logits(self, records_N: Tensor, batch_size: int = 512) -> Tensor:
        """Logits (N, K), float32, of raw records, in evaluation mode and full precision."""
        parts = [self.network(self.preprocessor(part)) for part in records_N.split(batch_size)]
        return torch.cat(parts)


def build_network(config: Config) -> nn.Module:
    """The network that a config names, with fresh weights from torch's generator."""
    spec = config.data
    build = components("networks")[config.network.name].load()
    network: nn.Module = build((spec.channels, *spec.size), len(spec.classes), **config.network.arguments())
    return network


def load_model(path: Path) -> Model:
    """Read a checkpoint of the train stage, in evaluation mode, on the CPU.

    Raises:
        LightloopError: the file is missing, damaged, or not one of ours.
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
    preprocessor = ImagePreprocessor(config.data.channels)
    network = build_network(config)
    preprocessor.load_state_dict(_part(content["state_dict"], "preprocessor."))
    network.load_state_dict(_part(content["state_dict"], "network."))
    return Model(config, preprocessor.eval(), network.eval())


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
