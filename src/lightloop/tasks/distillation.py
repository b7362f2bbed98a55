"""Learning from a teacher's answers beside the labels: the same tasks with another loss.

Shapes: B batch, O outputs, K classes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lightloop.data.batches import Batch
from lightloop.tasks.classification import Classification
from lightloop.tasks.regression import Regression

# The teacher's outputs (B, O), without gradient, for the records of a batch.
Teach = Callable[[Batch], Tensor]


class DistilledClasses(Classification):
    """A classifier whose loss is a mix of the labels' and of how far it is from the teacher.

    The distance is the Kullback-Leibler divergence of the two softmaxes at a temperature, times its square, so that
    gradients are as large as those of the labels (Hinton, Vinyals & Dean 2015, arXiv:1503.02531). In validation the
    loss is that of the labels alone: by it the best epoch is chosen.

    Args:
        arguments: of `Supervised`.
        teach: the teacher.
        temperature: of both softmaxes.
        alpha: share of the teacher in the loss.
    """

    def __init__(self, *arguments: Any, teach: Teach, temperature: float, alpha: float) -> None:
        super().__init__(*arguments)
        self.teach = teach
        self.temperature = temperature
        self.alpha = alpha
        self.divergence = nn.KLDivLoss(reduction="batchmean", log_target=True)

    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        labels = super().loss_of(outputs_BO, batch)
        if not self.training:
            return labels
        classes = outputs_BO.shape[1]
        taught_BK = (self.teach(batch)[:, :classes] / self.temperature).log_softmax(1)
        own_BK = (outputs_BO / self.temperature).log_softmax(1)
        distance = self.temperature**2 * self.divergence(own_BK, taught_BK)
        mixed: Tensor = self.alpha * distance + (1 - self.alpha) * labels
        return mixed


class DistilledNumbers(Regression):
    """Numbers whose loss is a mix of the labels' and of the squared distance from the teacher's outputs.

    Args:
        arguments: of `Supervised`.
        teach: the teacher.
        temperature: not looked at, since numbers have none.
        alpha: share of the teacher in the loss.
    """

    def __init__(self, *arguments: Any, teach: Teach, temperature: float, alpha: float) -> None:
        super().__init__(*arguments)
        del temperature
        self.teach = teach
        self.alpha = alpha

    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        labels = super().loss_of(outputs_BO, batch)
        if not self.training:
            return labels
        taught_BO = self.teach(batch)[:, : outputs_BO.shape[1]]
        distance = nn.functional.mse_loss(outputs_BO / self.scale, taught_BO / self.scale)
        mixed: Tensor = self.alpha * distance + (1 - self.alpha) * labels
        return mixed


def torch_teacher(preprocessor: nn.Module, network: nn.Module) -> Teach:
    """A network of torch, in evaluation mode, asked about the very records of each batch, as augmented as they are."""
    preprocessor.eval()
    network.eval()

    @torch.no_grad()
    def teach(batch: Batch) -> Tensor:
        outputs: Tensor = network(*preprocessor(*batch.inputs)).float()
        return preprocessor.restore(outputs, *batch.inputs)  # type: ignore[operator]

    return teach


def noted_teacher(batch: Batch) -> Tensor:
    """A teacher who answered all training records before: its outputs are the batch's last auxiliary target."""
    return batch.auxiliary[-1]
