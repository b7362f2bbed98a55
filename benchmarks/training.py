"""Images a second in training: a raw PyTorch loop, this project with everything on, a per-sample Lightning pipeline.

    python benchmarks/training.py [ROUNDS]

One run; same network, batch size, data and augmentation; the variants take turns. Timed is training alone, without
validation, after a first epoch that does not count. "Ours" logs to W&B (offline), keeps metrics and writes checkpoints.
"""

import io
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from _common import find_project
from _speed import TrainingTime, ours
from PIL import Image
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms

from lightloop.config.compose import compose_config
from lightloop.config.image import ImageAugment
from lightloop.config.schema import Config
from lightloop.data.batches import BatchRows
from lightloop.data.image.augment import augment_images
from lightloop.data.module import RecordsModule, build_data
from lightloop.networks._inputs import Inputs
from lightloop.tasks.checkpoint import build_network
from lightloop.tasks.losses import build_loss
from lightloop.tasks.optimize import build_optimizer, build_schedule
from lightloop.tasks.processor import tune_allocator
from lightloop.training.speed import Speed, choose_speed

EPOCHS = 3


def raw_loop(config: Config, data: RecordsModule, speed: Speed) -> float:
    """Images a second of the loop that one would write by hand, with the same work in each step."""
    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs).train()
    if speed.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    records = data.splits["train"]
    steps = EPOCHS * len(BatchRows(len(records), config.trainer.batch_size))
    optimizer = build_optimizer(network, config.optimizer)
    schedule = build_schedule(optimizer, config.scheduler, steps)
    loss_of = build_loss(config.loss)
    rows = BatchRows(len(records), config.trainer.batch_size, shuffle_seed=config.seed)
    started = 0.0
    for epoch in range(EPOCHS):
        if epoch == 1:
            started = time.perf_counter()
        rows.set_epoch(epoch)
        for chosen in rows:
            (pixels,), labels, *_ = records[chosen]
            if isinstance(config.augment, ImageAugment):
                pixels = augment_images(pixels, config.augment, torch.Generator().manual_seed(chosen.seed))
            (prepared,) = data.preprocessor(pixels)
            if speed.channels_last:
                prepared = prepared.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=speed.precision == "bf16-mixed"):
                logits = network(prepared)
            loss = loss_of(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return (EPOCHS - 1) * len(records) / (time.perf_counter() - started)


class PerSample(Dataset[tuple[Tensor, int]]):
    """Decoding and transforming one image at a time, as common templates do."""

    def __init__(self, data: RecordsModule) -> None:
        table = data.tables["train"]
        self.images = table.column("image").to_pylist()
        self.labels = data.splits["train"].targets.tolist()
        mean, deviation = float(data.preprocessor.mean), float(data.preprocessor.deviation)
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(28, padding=2),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((mean,), (deviation,)),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.open(io.BytesIO(self.images[row]))), self.labels[row]


class PlainModule(pl.LightningModule):
    """The training step of common templates: metric and log at each step."""

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.network = build_network(config, inputs)
        self.loss = nn.CrossEntropyLoss()
        self.accuracy = MulticlassAccuracy(len(config.data.classes))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        records, labels = batch
        logits = self.network(records)
        loss: Tensor = self.loss(logits, labels)
        self.accuracy(logits, labels)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log("train/accuracy", self.accuracy, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return build_optimizer(self.network, self.config.optimizer)


def per_sample(config: Config, data: RecordsModule, workers: int) -> float:
    """Images a second of a Lightning loop over a per-sample dataset, float32."""
    torch.manual_seed(config.seed)
    clock = TrainingTime()
    loader = DataLoader(
        PerSample(data),
        batch_size=config.trainer.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            logger=CSVLogger(folder),
            callbacks=[clock],
            enable_model_summary=False,
            enable_progress_bar=False,
            default_root_dir=folder,
        )
        trainer.fit(PlainModule(config, data.preprocessor.inputs), loader)
    return (EPOCHS - 1) * len(data.splits["train"]) / clock.seconds


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    project = find_project()
    config = compose_config(project, [f"trainer.max_epochs={EPOCHS}", "tracking.mode=offline"])
    data = build_data(config, project.root)
    data.setup()
    chosen, plain = choose_speed(config.trainer), Speed("32-true", False, "plain")
    # The peers first, on the allocator as it comes; then everything again with the thresholds that ours sets.
    variants: dict[str, Callable[[], float]] = {
        "raw loop, float32": lambda: raw_loop(config, data, plain),
        f"raw loop, {chosen.precision}, channels last {chosen.channels_last}": lambda: raw_loop(config, data, chosen),
        "ours, float32": lambda: ours(config, data, plain),
        f"ours, {chosen.precision}, channels last {chosen.channels_last}": lambda: ours(config, data, chosen),
        "Lightning, per sample, 0 workers": lambda: per_sample(config, data, 0),
        "Lightning, per sample, 2 workers": lambda: per_sample(config, data, 2),
    }
    untuned = {name: variants[name]() for name in ("raw loop, float32", "Lightning, per sample, 0 workers")}
    # What Lightning says of devices and of other products is not what is measured.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    tune_allocator()
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            speeds[name].append(measure())
    names = list(variants)
    for name in names:
        print(f"{name:55} {statistics.median(speeds[name]):8.0f} images/s   rounds {[round(s) for s in speeds[name]]}")
    for name, speed in untuned.items():
        print(f"{name + ', allocator as it comes':55} {speed:8.0f} images/s   (first, one round)")
    # The best round is the one that other work on the machine disturbed least.
    for word, choose in (("median", statistics.median), ("best round", max)):
        found = [choose(speeds[name]) for name in names]
        peer = max(found[4], found[5])
        print(f"{word}: ours : raw loop, both {chosen.precision}  {found[3] / found[1]:.2f}")
        print(f"{word}: ours : raw loop, both float32  {found[2] / found[0]:.2f}")
        print(f"{word}: ours : plain float32 raw loop  {found[3] / found[0]:.2f}")
        print(f"{word}: ours : per-sample Lightning (the better of 0 and 2 workers)  {found[3] / peer:.2f}")


if __name__ == "__main__":
    main()
