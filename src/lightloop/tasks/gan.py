"""Making images like those of the data set: a generator and a discriminator that learn from each other.

Shapes: B batch, Z latent numbers, C channels, H height, W width.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import relu, softplus
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.image.fid import FrechetInceptionDistance

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.image.generation import GenerationPreprocessor
from lightloop.data.preprocessor import Preprocessor
from lightloop.errors import LightloopError
from lightloop.networks.dcgan import Discriminator
from lightloop.project import Project
from lightloop.tasks.answers import ImageAnswer
from lightloop.tasks.checkpoint import checkpoint_extras
from lightloop.tasks.judge import read_judge
from lightloop.tasks.optimize import build_optimizer, build_schedule

# Steps between two updates of the training figures, as in `supervised`.
FLUSH = 50
# Of the pictures that show how the samples changed: as many rows, evenly over the epochs, of so many samples.
PROGRESS_ROWS = 12
PROGRESS_SAMPLES = 12
# Of each logged grid: samples along each side.
GRID = 8

# Losses of scores, of which the discriminator makes those of real images high. By name: of the discriminator, from the
# scores of real images and of fakes; and of the generator, from those of fakes.
DISCRIMINATOR_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    # Cross-entropy (arXiv:1406.2661).
    "logistic": lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
    # arXiv:1802.05957, equations 16 and 17.
    "hinge": lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
    # arXiv:1701.07875; it needs a penalty, or the spectral norm, to keep the scores from growing without end.
    "wasserstein": lambda real, fake: fake.mean() - real.mean(),
}
GENERATOR_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    # The form that does not saturate.
    "logistic": lambda fake: softplus(-fake).mean(),
    "hinge": lambda fake: -fake.mean(),
    "wasserstein": lambda fake: -fake.mean(),
}


class Gan(pl.LightningModule):
    """A generative adversarial network: two networks, two optimizers, one step of each for every batch.

    The released generator is the moving average of the trained one's weights. After each epoch it is held against the
    validation images by the Fréchet distance of features of the project's own classifier (`tasks.judge`), and the epoch
    with the lowest distance is kept.

    Args:
        config: of the run; `optimizer` and `scheduler` are those of both networks, `optimizer.lr` the generator's rate.
        network: the generator: noise (B, Z) to images (B, C, H, W), -1 to 1.
        preprocessor: `GenerationPreprocessor`.
        channels_last: whether image batches are laid out for it (see `training.speed`).
        loss: "logistic" (cross-entropy, not saturating), "hinge" or "wasserstein".
        discriminator_channels: width of each stage of the discriminator; each halves the resolution.
        discriminator_lr: its rate; None is the generator's.
        norm: of the discriminator: "spectral", "batch" or "none".
        penalty: on the discriminator's gradient: "r1" at real images (arXiv:1801.04406), "gradient" towards length 1
            between real images and fakes (WGAN-GP, arXiv:1704.00028), or "none".
        penalty_weight: factor of the penalty.
        penalty_every: steps between two of them; the penalty is scaled up by as much (arXiv:1912.04958, section 3.1).
        decay: of the moving average, a step. It rises to this value as (1 + steps) / (10 + steps).
    """

    problems: ClassVar = ("generation",)
    # What `training.fit` chooses the checkpoint by.
    monitor: ClassVar = "validation/frechet"

    progress: Tensor
    steps: Tensor

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        preprocessor: Preprocessor,
        channels_last: bool,
        *,
        loss: Literal["logistic", "hinge", "wasserstein"] = "logistic",
        discriminator_channels: tuple[int, ...] = (64, 128),
        discriminator_lr: float | None = None,
        norm: Literal["spectral", "batch", "none"] = "batch",
        penalty: Literal["none", "r1", "gradient"] = "none",
        penalty_weight: float = 1.0,
        penalty_every: int = 4,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        assert isinstance(preprocessor, GenerationPreprocessor)
        self.automatic_optimization = False
        self.config = config
        self.preprocessor = preprocessor
        self.channels_last = channels_last
        self.generator = network
        self.discriminator = Discriminator(preprocessor.inputs, channels=discriminator_channels, norm=norm)
        self.network = deepcopy(network).requires_grad_(False)
        self.answer = ImageAnswer()
        self.loss, self.discriminator_lr, self.decay = loss, discriminator_lr, decay
        self.penalty, self.penalty_weight, self.penalty_every = penalty, penalty_weight, penalty_every
        if channels_last:
            for part in (self.generator, self.discriminator, self.network):
                part.to(memory_format=torch.channels_last)
        self.train_loss = MeanMetric()
        names = ("discriminator_loss", "real_score", "fake_score")
        self.train_metrics = MetricCollection(
            {name: MeanMetric() for name in names}, prefix="train/", compute_groups=False
        )
        inputs = preprocessor.inputs
        shape = (PROGRESS_ROWS, PROGRESS_SAMPLES, inputs.channels, inputs.height, inputs.width)
        self.register_buffer("progress", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        # Not a part of this module: it is of the data set, and not of the checkpoint.
        self._frechet: list[FrechetInceptionDistance] = []
        self._pending: list[Tensor] = []

    def setup(self, stage: str) -> None:
        """Train the judge, or read it where it was trained before."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        spec = self.config.data
        assert isinstance(spec, ImageSpec)
        judge = read_judge(spec, [data.tables["train"], data.tables["validation"]], Project(data.root).scratch)
        self._frechet = [FrechetInceptionDistance(feature=judge)]

    def forward(self, *encoded: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8, of noise (B, Z), by the averaged generator."""
        outputs = self.network(*self.preprocessor(*encoded)).float()
        (pixels_BCHW,) = self.answer(self.preprocessor.restore(outputs, *encoded))
        images: Tensor = pixels_BCHW
        return images

    @cached_property
    def _extras(self) -> dict[str, Any]:
        # Once a training: writing what scikit-learn fitted takes longer than an epoch of a small table.
        return checkpoint_extras(self.config, self.preprocessor)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= self._extras

    def configure_optimizers(self) -> Any:
        settings = self.config.optimizer
        rate = self.discriminator_lr or settings.lr
        optimizers = [
            build_optimizer(self.generator, settings),
            build_optimizer(self.discriminator, settings.model_copy(update={"lr": rate})),
        ]
        steps = int(self.trainer.estimated_stepping_batches)
        return optimizers, [build_schedule(optimizer, self.config.scheduler, steps) for optimizer in optimizers]

    def noise(self, count: int, seed: int) -> Tensor:
        """Noise (count, Z) that depends on the seed alone."""
        random = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(count, self.preprocessor.latent, generator=random, device=self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        real_BCHW = self.preprocessor.scale(batch.inputs[0])
        if self.channels_last:
            real_BCHW = real_BCHW.contiguous(memory_format=torch.channels_last)
        optimizers: Any = self.optimizers()
        generator_optimizer, discriminator_optimizer = optimizers
        # The same fakes for both steps: making them anew would cost a third of the time.
        fake_BCHW = self.generator(self.noise(len(real_BCHW), batch.seed))

        self.discriminator.requires_grad_(True)
        real_B = self.discriminator(real_BCHW).float()
        fake_B = self.discriminator(fake_BCHW.detach()).float()
        discriminator_loss = DISCRIMINATOR_LOSSES[self.loss](real_B, fake_B)
        penalty = self._penalty(real_BCHW, fake_BCHW.detach().float(), batch.seed, batch_idx)
        discriminator_optimizer.zero_grad()
        self.manual_backward(discriminator_loss + penalty)
        discriminator_optimizer.step()

        self.discriminator.requires_grad_(False)
        generator_loss = GENERATOR_LOSSES[self.loss](self.discriminator(fake_BCHW).float())
        generator_optimizer.zero_grad()
        self.manual_backward(generator_loss)
        generator_optimizer.step()

        schedules: Any = self.lr_schedulers()
        for schedule in schedules:
            schedule.step()
        self._average()
        self._remember(generator_loss, discriminator_loss, real_B.mean(), fake_B.mean(), batch_idx)

    def _penalty(self, real_BCHW: Tensor, fake_BCHW: Tensor, seed: int, batch_idx: int) -> Tensor:
        """The penalty on the discriminator's gradient, in full precision; 0 in the steps between."""
        if self.penalty == "none" or batch_idx % self.penalty_every:
            return torch.zeros((), device=real_BCHW.device)
        at_BCHW = real_BCHW.float()
        if self.penalty == "gradient":
            # Another draw than the noise.
            random = torch.Generator(self.device).manual_seed(seed + 1)
            share_B111 = torch.rand(len(at_BCHW), 1, 1, 1, generator=random, device=self.device)
            at_BCHW = torch.lerp(fake_BCHW, at_BCHW, share_B111)
        at_BCHW = at_BCHW.detach().requires_grad_(True)
        with torch.autocast(self.device.type, enabled=False):
            score = self.discriminator(at_BCHW).sum()
        (slope_BCHW,) = torch.autograd.grad(score, at_BCHW, create_graph=True)
        squared_B = slope_BCHW.flatten(1).square().sum(1)
        size = squared_B.mean() / 2 if self.penalty == "r1" else (squared_B.add(1e-12).sqrt() - 1).square().mean()
        return self.penalty_weight * self.penalty_every * size

    def _average(self) -> None:
        """Move the released generator towards the trained one, norms' statistics included."""
        self.steps += 1
        done = int(self.steps)
        update = get_ema_multi_avg_fn(min(self.decay, (1 + done) / (10 + done)))
        mine, theirs = _floats(self.network), _floats(self.generator)
        update(mine, theirs, None)

    def _remember(self, generator_loss: Tensor, *figures: Tensor | int) -> None:
        *values, batch_idx = figures
        row = torch.stack([generator_loss, *(value for value in values if isinstance(value, Tensor))]).detach()
        if not torch.isfinite(row).all():
            raise LightloopError(
                f"the training loss became infinite or NaN in epoch {self.current_epoch}, step {batch_idx}: lower "
                f"optimizer.lr (now {self.config.optimizer.lr}), or say task.norm=spectral"
            )
        self._pending.append(row)
        if len(self._pending) >= FLUSH:
            self.flush()

    def flush(self) -> None:
        """Bring the training figures up to date."""
        if not self._pending:
            return
        rows = torch.stack(self._pending)
        self._pending.clear()
        self.train_loss.update(rows[:, 0])
        for metric, column in zip(self._figures(), rows[:, 1:].unbind(1), strict=True):
            metric.update(column)

    def _figures(self) -> list[MeanMetric]:
        found = [self.train_metrics[name] for name in ("discriminator_loss", "real_score", "fake_score")]
        return [metric for metric in found if isinstance(metric, MeanMetric)]

    def on_train_epoch_end(self) -> None:
        self.flush()
        self.log_dict(self.train_metrics.compute() | {"train/loss_epoch": self.train_loss.compute()})
        self.train_metrics.reset()
        self.train_loss.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (frechet,) = self._frechet
        frechet.to(self.device)
        # In full precision, as the released generator answers.
        with torch.autocast(self.device.type, enabled=False):
            frechet.update(batch.inputs[0], real=True)
            frechet.update(self(self.noise(len(batch.inputs[0]), self.config.seed + batch_idx)), real=False)

    def on_validation_epoch_end(self) -> None:
        (frechet,) = self._frechet
        distance = frechet.compute()
        frechet.reset()
        self.log("validation/frechet", distance, prog_bar=True)
        pixels = self(self.noise(GRID * GRID, self.config.seed))
        row = self.current_epoch * PROGRESS_ROWS // max(self.config.trainer.max_epochs, PROGRESS_ROWS)
        self.progress[min(row, PROGRESS_ROWS - 1)] = pixels[:PROGRESS_SAMPLES]
        if self.logger is not None and hasattr(self.logger, "log_image"):
            self.logger.log_image("validation/samples", [_grid(pixels.cpu().numpy())])


def _floats(module: nn.Module) -> list[Tensor]:
    """Parameters and statistics; not counters."""
    tensors: Iterable[Tensor] = [*module.parameters(), *module.buffers()]
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]


def _grid(pixels_NCHW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Square of images (GRID * H, GRID * W, C)."""
    _, channels, height, width = pixels_NCHW.shape
    rows = pixels_NCHW.reshape(GRID, GRID, channels, height, width).transpose(0, 3, 1, 4, 2)
    return rows.reshape(GRID * height, GRID * width, channels)
