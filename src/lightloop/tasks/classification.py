"""Choosing one class of several.

Shapes: B batch, O outputs, K classes.
"""

from typing import Any, ClassVar

from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from lightloop.tasks.supervised import Supervised


class Classification(Supervised):
    """A classifier of preprocessed records, by the loss that the config names."""

    problems: ClassVar = ("classification",)

    def metrics(self) -> tuple[dict[str, Any], dict[str, Any]]:
        classes = len(self.config.data.classes)
        accuracy = MulticlassAccuracy(classes, average="micro")
        return {"accuracy": accuracy}, {
            "accuracy": accuracy.clone(),
            "f1": MulticlassF1Score(classes, average="macro"),
        }

    def update(self, metrics: MetricCollection, outputs_BO: Tensor, targets: Tensor) -> None:
        # Augmentation may have mixed classes: then the larger share counts.
        metrics.update(outputs_BO, targets.argmax(1) if targets.is_floating_point() else targets)
