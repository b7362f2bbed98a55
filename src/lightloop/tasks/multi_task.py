"""Choosing a class, and beside it predicting further columns: several heads on one trunk.

Shapes: B batch, O outputs of all heads, K classes.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.targets import MISSING
from lightloop.tasks.answers import auxiliary_outputs
from lightloop.tasks.classification import Classification


class MultiTask(Classification):
    """A classifier whose trunk also learns the columns with the role auxiliary; it is released without those heads.

    The network's outputs are the logits of the classes, then those of each auxiliary column: one number, or a logit for
    each of its classes. What is missing in an auxiliary column is passed over. The best epoch has the lowest loss of
    the classes alone.

    Args:
        config: of the run.
        network: answers outputs (B, O) for preprocessed records.
        preprocessor: fitted; turns encoded records into what the network takes.
        channels_last: whether image batches are laid out for it.
        weight: of the mean of the auxiliary losses: squared errors of standardised numbers, cross-entropies of classes.

    Source: Caruana, Multitask Learning (Machine Learning 28, 1997).
    """

    problems: ClassVar = ("classification",)

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        preprocessor: Preprocessor,
        channels_last: bool,
        *,
        weight: float = 0.3,
    ) -> None:
        super().__init__(config, network, preprocessor, channels_last)
        self.weight = weight
        self.sizes = (len(config.data.classes), *auxiliary_outputs(config))

    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        logits_BK, *others = outputs_BO.split(self.sizes, dim=1)
        loss: Tensor = self.loss(logits_BK, batch.targets)
        auxiliary = torch.stack(
            [head_loss(outputs, targets) for outputs, targets in zip(others, batch.auxiliary, strict=True)]
        ).mean()
        if self.training:
            return loss + self.weight * auxiliary
        self.log("validation/auxiliary_loss", auxiliary, batch_size=len(batch.targets))
        return loss

    def update(self, metrics: MetricCollection, outputs_BO: Tensor, targets: Tensor) -> None:
        super().update(metrics, outputs_BO[:, : self.sizes[0]], targets)


def head_loss(outputs_BO: Tensor, targets_B: Tensor) -> Tensor:
    """Mean squared error of one output for numbers; cross-entropy for classes, or for shares of them (B, K).

    NaN among numbers and shares, and MISSING among classes, are passed over.

    Examples:
        >>> head_loss(torch.tensor([[2.0], [5.0]]), torch.tensor([1.0, torch.nan])).item()
        1.0
    """
    if targets_B.ndim > 1:
        known_B = ~targets_B.isnan().any(1)
        losses_B = nn.functional.cross_entropy(outputs_BO, targets_B.nan_to_num(), reduction="none") * known_B
    elif targets_B.is_floating_point():
        known_B = ~targets_B.isnan()
        losses_B = (outputs_BO[:, 0] - targets_B.nan_to_num()).square() * known_B
    else:
        known_B = targets_B != MISSING
        losses_B = nn.functional.cross_entropy(outputs_BO, targets_B, ignore_index=MISSING, reduction="none")
    return losses_B.sum() / known_B.sum().clamp_min(1)
