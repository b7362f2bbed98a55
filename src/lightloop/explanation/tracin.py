"""TracIn on the last layer: by how much a gradient step on a training record lowers the loss of another record.

Captum's fast form is exact for the last linear layer: a score is the product of two dot products, of what the layer
takes and of the loss's gradients by what it gives. What the layer takes is computed once for each record, so that
Captum's model is the layer alone, and a further question costs no pass through the network.

Shapes: N and M records, F width of what the last layer takes, O outputs.
Source: Pruthi et al. 2020, arXiv:2002.08484; last layer: its appendix F.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from captum.influence import TracInCPFast
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.data import DataLoader

from lightloop.data.targets import encode_targets
from lightloop.networks._ensemble import Ensemble
from lightloop.tasks.answers import auxiliary_outputs, count_outputs
from lightloop.tasks.checkpoint import Model
from lightloop.tasks.losses import build_loss

CHUNK = 256  # records of one pass through the network
PENALTY = 1e-4  # on a refitted layer's weights, so that there is one best layer
ROUNDS = 25  # of L-BFGS
LOADED = "as it is"  # Captum wants a checkpoint that is not None


@dataclass(frozen=True)
class Taken:
    """What the last layer takes of records, and what they are judged by.

    Attributes:
        x_NF: float32.
        targets: (N,) int64 classes, or (N, H) float32 numbers.
        encoded: what puts numbers back into their unit, (N, ...) each; nothing for classes.
    """

    x_NF: Tensor
    targets: Tensor
    encoded: tuple[Tensor, ...] = ()

    def take(self, rows: Tensor) -> "Taken":
        """Some of the records."""
        return Taken(self.x_NF[rows], self.targets[rows], tuple(part[rows] for part in self.encoded))

    def judged(self, targets: Tensor) -> "Taken":
        """The same records with other targets."""
        return replace(self, targets=targets)

    @property
    def batch(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As Captum takes a batch: what the model takes, and what the loss takes beside its outputs."""
        return self.x_NF, (self.targets, *self.encoded)


class Judging(nn.Module):
    """The training's loss of the last layer's outputs: a mean over records, all of them alike.

    Args:
        model: whose loss it is; class weights of a `balance` are left out, as are further heads.
    """

    reduction = "mean"  # read by Captum

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.loss = build_loss(model.config.loss)
        self.restore = model.preprocessor.restore
        self.outputs = count_outputs(model.config)
        if model.config.data.problem == "classification":
            self.outputs -= sum(auxiliary_outputs(model.config))

    def forward(self, outputs_NO: Tensor, wanted: tuple[Tensor, ...]) -> Tensor:
        targets, *encoded = wanted
        own_NO = outputs_NO[:, : self.outputs]
        loss: Tensor = self.loss(self.restore(own_NO, *encoded) if encoded else own_NO, targets)
        return loss


def last_layer(model: Model, network: nn.Module, table: pa.Table) -> nn.Linear | str:
    """The linear layer whose output is the network's; or why there is none, in a sentence.

    Args:
        model: the trained one.
        network: its network, or a copy of it (`reference.frozen`), whose layer is looked for.
        table: raw records, of which two are asked.
    """
    if isinstance(network, Ensemble):
        return "An ensemble has a last layer in each member, and its answer is none of theirs."
    seen: list[tuple[nn.Linear, Tensor]] = []
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(lambda own, _, out: seen.append((own, out))) for layer in layers]
    try:
        with torch.no_grad():
            outputs_NO = network(*model.preprocessor(*model.preprocessor.encode(table.slice(0, 2))))
    finally:
        for hook in hooks:
            hook.remove()
    for layer, out in reversed(seen):
        if out.shape == outputs_NO.shape and torch.equal(out, outputs_NO):
            return layer
    return f"The answer of network={model.config.network.name} does not come straight from a linear layer."


@torch.no_grad()
def take(model: Model, network: nn.Module, layer: nn.Linear, table: pa.Table) -> Taken:
    """What the last layer of a network takes of raw records, without augmentation.

    Raises:
        RefusedError: a record is not as the data spec says.
    """
    encoded = model.preprocessor.encode(table)
    parts: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: parts.append(given[0]))
    try:
        for chunk in zip(*(part.split(CHUNK) for part in encoded), strict=True):
            network(*model.preprocessor(*chunk))
    finally:
        hook.remove()
    classes = model.config.data.problem == "classification"
    return Taken(torch.cat(parts).float(), encode_targets(table, model.config.data), () if classes else encoded)


def influence(layer: nn.Linear, judging: Judging, asked: Taken, trained: Taken) -> Tensor:
    """By how much the loss of each asked record falls for a step of size 1 on each training record: (N, M), float32.

    To first order, and of steps of the last layer's weights alone.
    """
    scores_NM: Tensor = _captum(layer, judging, trained).influence(asked.batch)
    return scores_NM.detach()


def self_influence(layer: nn.Linear, judging: Judging, trained: Taken) -> Tensor:
    """By how much the loss of each training record falls for a step of size 1 on itself: (M,), float32, at least 0."""
    scores_M: Tensor = _captum(layer, judging, trained).self_influence()
    return scores_M.detach()


def losses(layer: nn.Linear, judging: Judging, asked: Taken) -> Tensor:
    """The loss (N,) of each record by itself."""
    with torch.no_grad():
        rows = [asked.take(torch.tensor([row])) for row in range(len(asked.x_NF))]
        return torch.stack([judging(layer(one.x_NF), (one.targets, *one.encoded)) for one in rows])


def refitted(layer: nn.Linear, judging: Judging, trained: Taken) -> nn.Linear:
    """The best last layer for what it takes of these records, starting from the given one, by L-BFGS."""
    own = deepcopy(layer).requires_grad_(True)
    parameters = list(own.parameters())
    x_NF, wanted = trained.batch

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        vector_to_parameters(torch.from_numpy(flat).float(), parameters)
        loss = judging(own(x_NF), wanted) + PENALTY * own.weight.square().sum()
        slopes = torch.autograd.grad(loss, parameters)
        return float(loss.detach()), parameters_to_vector(slopes).double().numpy()

    start = parameters_to_vector(parameters).detach().double().numpy()
    # Not torch's own L-BFGS: the first optimizer of a process takes a second to load.
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})
    vector_to_parameters(torch.from_numpy(found.x).float(), parameters)
    return own.requires_grad_(False)


def _captum(layer: nn.Linear, judging: Judging, trained: Taken) -> Any:
    own = deepcopy(layer)
    as_it_is: Callable[[Any], Any] = lambda batch: batch  # noqa: E731
    # The loader draws a number that it does not need: from a generator of its own.
    batches: DataLoader[Any] = DataLoader(
        [trained.batch],  # type: ignore[arg-type]
        batch_size=None,
        collate_fn=as_it_is,
        generator=torch.Generator(),
    )
    # One checkpoint, already loaded, with a rate of 1.
    return TracInCPFast(
        own, own, batches, checkpoints=[LOADED], checkpoints_load_func=lambda _, __: 1.0, loss_fn=judging
    )
