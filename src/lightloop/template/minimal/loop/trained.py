"""The trained network, as the stages after `train` read it back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lightloop.errors import LightloopError
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.data import Preprocessor, Splits, read_table, split
from lightloop.template.minimal.loop.network import MLP
from lightloop.template.minimal.loop.paths import Project


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, with the preprocessing that it was trained on."""

    network: MLP
    preprocessor: Preprocessor

    def tensors(self, table: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
        numbers_NF, codes_NC = self.preprocessor.encode(table)
        return torch.from_numpy(numbers_NF), torch.from_numpy(codes_NC)

    def probabilities(self, table: pd.DataFrame) -> NDArray[np.float32]:
        """Of the positive class, (N,)."""
        with torch.inference_mode():
            probabilities_N: NDArray[np.float32] = torch.sigmoid(self.network(*self.tensors(table))).numpy()
        return probabilities_N


def load(project: Project) -> Trained:
    """Read the checkpoint.

    Raises:
        LightloopError: there is none.
    """
    if not project.checkpoint.exists():
        raise LightloopError(f"{project.checkpoint} is missing: `lightloop train` makes it")
    content = torch.load(project.checkpoint, weights_only=True)
    network = MLP(
        content["network"].pop("numbers"),
        content["network"].pop("sizes"),
        **content["network"],
    )
    network.load_state_dict(content["weights"])
    return Trained(network.eval(), Preprocessor(**content["preprocessor"]))


def read_splits(config: Config, project: Project) -> Splits:
    """The splits that the network was trained on."""
    return split(read_table(project.root / config.data.path, config.data), config.data, config.seed)
