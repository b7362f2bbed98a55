"""How far a model's parts lie apart: its members, or itself with dropout switched on (arXiv:1506.02142, 1612.01474).

Shapes: N records, S answers to the same record, M numbers of an answer, B batch, O outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightloop.networks._ensemble import Ensemble
from lightloop.tasks.checkpoint import Model

BATCH = 512


@dataclass(frozen=True)
class Disagreement:
    """Several answers to the same records.

    Attributes:
        source: where they come from.
        answers_SNM: probabilities of classes, or numbers in the target's unit.
        rows: of the table, that were asked for.
    """

    source: Literal["ensemble", "dropout"]
    answers_SNM: NDArray[np.float32]
    rows: NDArray[np.int64]


def measure_disagreement(
    model: Model, table: pa.Table, *, samples: int, records: int, seed: int
) -> Disagreement | None:
    """Ask an ensemble's members, or a network with dropout `samples` times; None where neither is there.

    Args:
        model: in evaluation mode; left as it was.
        table: raw records.
        samples: with dropout; 0 asks none.
        records: at most so many, evenly spaced.
        seed: of the dropout.
    """
    network = model.network
    dropping = [module for module in network.modules() if drops(module)]
    if not isinstance(network, Ensemble) and not (samples and dropping):
        return None
    rows = np.unique(np.linspace(0, len(table) - 1, min(records, len(table))).round().astype(np.int64))
    encoded = model.preprocessor.encode(table.take(rows))
    if isinstance(network, Ensemble):
        return Disagreement(
            "ensemble", np.concatenate([_answers(model, one, encoded) for one in network.members]), rows
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            for module in dropping:
                module.training = True
            return Disagreement("dropout", _dropped(model, dropping, encoded, samples), rows)
        finally:
            network.eval()


def drops(module: nn.Module) -> bool:
    """Whether a module drops something in training by itself, and not only what it holds."""
    rate = module.p if isinstance(module, nn.modules.dropout._DropoutNd) else getattr(module, "dropout", 0.0)
    return isinstance(rate, float) and rate > 0


def _dropped(model: Model, dropping: list[nn.Module], encoded: Sequence[Tensor], samples: int) -> NDArray[Any]:
    """Answers (S, N, M) with dropout; what lies before the first dropout is computed once where that can be."""
    network = _Repeated(model.network, dropping, samples)
    try:
        return _answers(model, network, encoded, samples)
    except RuntimeError:
        # A shortcut around the dropout meets what is there so many times: then the whole network is.
        return np.concatenate([_answers(model, model.network, encoded) for _ in range(samples)])
    finally:
        network.remove()


class _Repeated(nn.Module):
    """A network whose first module that drops something sees a batch S times, one after the other: (S * B, O) come out.

    Raises:
        RuntimeError: what follows is not made for so many records.
    """

    def __init__(self, network: nn.Module, dropping: list[nn.Module], samples: int) -> None:
        super().__init__()
        self.network = network
        self.samples = samples
        self.started = False
        self.hooks = [module.register_forward_pre_hook(self._repeat) for module in dropping]

    def forward(self, *features: Tensor) -> Tensor:
        self.started = False
        records = len(features[0])
        # One record would be spread over many without an error.
        if records == 1:
            return torch.cat([self._alone(*features) for _ in range(self.samples)])
        outputs: Tensor = self.network(*features)
        if len(outputs) != records * self.samples:
            raise RuntimeError(f"{records * self.samples} answers were expected, but {len(outputs)} came")
        return outputs

    def remove(self) -> None:
        """Leave the network as it was."""
        for hook in self.hooks:
            hook.remove()

    def _alone(self, *features: Tensor) -> Tensor:
        self.started = True
        outputs: Tensor = self.network(*features)
        return outputs

    def _repeat(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        first, *others = inputs
        if not self.started:
            first = first.repeat(self.samples, *[1] * (first.ndim - 1))
        self.started = True
        return (first, *others)


@torch.no_grad()
def _answers(model: Model, network: nn.Module, encoded: Sequence[Tensor], samples: int = 1) -> NDArray[Any]:
    """What one of the parts answers (S, N, M) to encoded records; of a network that repeats its batches, each time."""
    answer = model.answer()
    judged = answer.names.index("probabilities" if "probabilities" in answer.names else "prediction")
    parts: list[Tensor] = []
    for chunk in zip(*(part.split(BATCH) for part in encoded), strict=True):
        outputs_SBO = network(*model.preprocessor(*chunk)).float().unflatten(0, (samples, -1))
        restored = [model.preprocessor.restore(outputs_BO, *chunk) for outputs_BO in outputs_SBO]
        parts.append(torch.stack([answer(outputs_BO)[judged] for outputs_BO in restored]))
    found: NDArray[Any] = torch.cat(parts, dim=1).numpy()
    return found
