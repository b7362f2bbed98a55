"""What is explained: a sample of records, the trained network, and what both are compared with.

Shapes: N records, S drawn baselines, C channels, H height, W width.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from lightloop.config.schema import Config
from lightloop.explanation.methods import Method, Reference, frozen
from lightloop.tasks.checkpoint import Model, build_network

# Training images whose mean is the baseline: enough for a mean that one more image does not change.
BASELINE_RECORDS = 1000


@dataclass(frozen=True)
class Subject:
    """What is explained, and with what.

    Attributes:
        network: trained and frozen (`methods.frozen`).
        fresh: the same architecture with random weights, frozen; not those that training started from: a trained
            head still resembles them (maps correlate up to 0.96 with those of a head that was put back).
        pixels_NCHW: the records, uint8.
        x_NCHW: the same, preprocessed, float32.
        targets_N: the class that is explained: the predicted one, int64.
        reference: what records are compared with.
    """

    network: nn.Module
    fresh: nn.Module
    pixels_NCHW: Tensor
    x_NCHW: Tensor
    targets_N: Tensor
    reference: Reference

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.x_NCHW.shape[2:]
        return height, width

    def grid(self, method: Method) -> tuple[int, int]:
        """The resolution at which a method sees: that of the pixels, or of the network's feature maps."""
        return feature_size(self.network, self.x_NCHW) if method.coarse else self.size

    def part(self, records: int, draws: int) -> "Subject":
        """At most `records` of it, evenly spaced, with at most `draws` baselines."""
        rows = torch.linspace(0, len(self.x_NCHW) - 1, min(records, len(self.x_NCHW))).round().long()
        return replace(
            self,
            pixels_NCHW=self.pixels_NCHW[rows],
            x_NCHW=self.x_NCHW[rows],
            targets_N=self.targets_N[rows],
            reference=replace(self.reference, baselines_SCHW=self.reference.baselines_SCHW[:draws]),
        )


@torch.no_grad()
def feature_size(network: nn.Module, x_NCHW: Tensor) -> tuple[int, int]:
    """Height and width of what `network.feature_maps` puts out."""
    assert isinstance(network.feature_maps, nn.Module)
    seen: list[tuple[int, int]] = []
    hook = network.feature_maps.register_forward_hook(lambda _, __, out: seen.append((out.shape[2], out.shape[3])))
    try:
        network(x_NCHW[:1])
    finally:
        hook.remove()
    return seen[0]


def build_subject(config: Config, model: Model, test: pa.Table, predictions: pa.Table, train: pa.Table) -> Subject:
    """Decode the sampled records and some training images, and freeze the networks.

    Args:
        config: of the run.
        model: the trained one.
        test: the sampled records, with `image`.
        predictions: of the same records, with `prediction`.
        train: the training split: baselines are drawn from it.

    Raises:
        RefusedError: an image does not decode.
    """
    pixels_NCHW = _pixels(model, test)
    drawn = np.random.default_rng(config.seed).permutation(len(train))[: max(BASELINE_RECORDS, config.explain.samples)]
    train_NCHW = _pixels(model, train.take(drawn))
    classes = model.config.data.classes
    with torch.random.fork_rng(devices=[]):
        # Not the seed of the run, with which training started.
        torch.manual_seed(config.seed + 1)
        fresh = build_network(model.config, model.preprocessor.inputs)
    return Subject(
        network=frozen(model.network),
        fresh=frozen(fresh),
        pixels_NCHW=pixels_NCHW,
        x_NCHW=model.preprocessor(pixels_NCHW)[0],
        targets_N=torch.tensor([classes.index(name) for name in predictions.column("prediction").to_pylist()]),
        reference=Reference(
            baseline_CHW=model.preprocessor(train_NCHW.float().mean(0, keepdim=True))[0][0],
            baselines_SCHW=model.preprocessor(train_NCHW[: config.explain.samples])[0],
            steps=config.explain.steps,
            seed=config.seed,
        ),
    )


def _pixels(model: Model, table: pa.Table) -> Tensor:
    (pixels_NCHW,) = model.preprocessor.encode(table)
    return pixels_NCHW
