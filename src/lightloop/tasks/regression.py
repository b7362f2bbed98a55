"""Predicting numbers: one of a record, or the steps that follow a series.

Shapes: B batch, O outputs, H numbers of one answer, Q quantiles.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection

from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.preprocessor import Preprocessor
from lightloop.tasks.answers import NumberAnswer, build_answer
from lightloop.tasks.supervised import Supervised


class Regression(Supervised):
    """Numbers: the loss of the config on differences that do not depend on the target's unit.

    Outputs and targets are divided by `preprocessor.target_scale` before the loss, where the preprocessing has one, so
    that rates and a Huber loss's delta mean the same for parts per million as for millions.

    Args:
        config: of the run; `loss` says what is minimised.
        network: answers outputs (B, H * Q) for preprocessed records; Q is 1 but with loss=quantile.
        preprocessor: fitted; turns encoded records into what the network takes, and outputs into the target's units.
        channels_last: whether image batches are laid out for it (see `training.speed`).
    """

    problems: ClassVar = ("regression", "forecasting")

    def __init__(self, config: Config, network: nn.Module, preprocessor: Preprocessor, channels_last: bool) -> None:
        super().__init__(config, network, preprocessor, channels_last)
        answer = build_answer(config)
        assert isinstance(answer, NumberAnswer)
        self.answer = answer
        scale = getattr(preprocessor, "target_scale", torch.tensor(1.0))
        self.register_buffer("scale", scale.detach().clone(), persistent=False)

    scale: Tensor

    def metrics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        error = MeanAbsoluteError()
        return {"mae": error}, {"mae": error.clone(), "rmse": MeanSquaredError(squared=False)}

    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        own_BO = outputs_BO[:, : self.answer.outputs]
        loss: Tensor = self.loss(own_BO / self.scale, batch.targets / self.scale)
        return loss

    def update(self, metrics: MetricCollection, outputs_BO: Tensor, targets: Tensor) -> None:
        metrics.update(self.answer(outputs_BO)[0].contiguous(), targets)
