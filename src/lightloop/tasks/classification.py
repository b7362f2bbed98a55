"""Choosing one class of several.

Shapes: B batch, O outputs, K classes.
"""

from typing import Any, ClassVar

from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.preprocessor import Preprocessor
from lightloop.tasks.supervised import Supervised


class Classification(Supervised):
    """A classifier: cross-entropy with label smoothing on preprocessed records.

    Args:
        config: of the run.
        network: answers logits (B, K) for preprocessed records.
        preprocessor: fitted; turns encoded records into what the network takes.
        channels_last: whether image batches are laid out for it (see `training.speed`).
        label_smoothing: share of the target that is spread over all classes.
    """

    problems: ClassVar = ("classification",)

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        preprocessor: Preprocessor,
        channels_last: bool,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(config, network, preprocessor, channels_last)
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def metrics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        classes = len(self.config.data.classes)
        accuracy = MulticlassAccuracy(classes, average="micro")
        return {"accuracy": accuracy}, {
            "accuracy": accuracy.clone(),
            "f1": MulticlassF1Score(classes, average="macro"),
        }

    def loss_of(self, outputs_BO: Tensor, batch: Batch) -> Tensor:
        loss: Tensor = self.loss(outputs_BO, batch.targets)
        return loss

    def update(self, metrics: MetricCollection, outputs_BO: Tensor, targets: Tensor) -> None:
        # Augmentation may have mixed classes: then the larger share counts.
        metrics.update(outputs_BO, targets.argmax(1) if targets.is_floating_point() else targets)
