"""Records a second in training, one default network a modality: ours with everything on, and a raw PyTorch loop.

    python benchmarks/throughput.py [rounds=5] [only=loans]

Both have the same network, batches, precision, augmentation and optimizer, and take turns in one process. Ours trains
as the train stage does: logging (W&B, offline), metrics and checkpoints on. The raw loop has nothing of that; its data
are tensors, and what preprocessing does the same in each epoch it has done before. Timed is training alone, without
validation, after a first epoch that does not count.
"""

import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from _common import find_project, read_words
from _speed import ours
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.batches import Batch, BatchRows
from lightloop.data.image.generation import GenerationPreprocessor
from lightloop.data.module import RecordsModule, build_data
from lightloop.networks.dcgan import Discriminator
from lightloop.tasks.checkpoint import build_network
from lightloop.tasks.losses import build_loss
from lightloop.tasks.optimize import build_optimizer, build_schedule
from lightloop.tasks.processor import tune_allocator
from lightloop.training.speed import Speed, choose_speed

# Epochs of a round: enough for about two seconds.
EPOCHS = {"fashion": 3, "loans": 20, "spam": 3, "co2": 20, "fashion-gan": 2}


def batches(config: Config, data: RecordsModule) -> BatchRows:
    """The batches that ours takes."""
    records = data.splits["train"]
    lengths = data.lengths(records) if data.by_length else None
    return BatchRows(len(records), config.trainer.batch_size, shuffle_seed=config.seed, lengths=lengths)


def epochs(config: Config, data: RecordsModule) -> Iterator[tuple[int, Batch]]:
    """All batches of a training with the number of their epoch, augmented as the config says."""
    records, rows = data.splits["train"], batches(config, data)
    for epoch in range(config.trainer.max_epochs):
        rows.set_epoch(epoch)
        for chosen in rows:
            batch = records[chosen]
            if config.augment.name != "none":
                random = torch.Generator().manual_seed(batch.seed)
                batch = data.augment(batch, random)
            yield epoch, batch


def timed(config: Config, data: RecordsModule, step: Callable[[Batch], None]) -> float:
    """Records a second of a step over all batches of the epochs after the first."""
    started = 0.0
    for epoch, batch in epochs(config, data):
        if epoch == 1 and not started:
            started = time.perf_counter()
        step(batch)
    return (config.trainer.max_epochs - 1) * len(data.splits["train"]) / (time.perf_counter() - started)


def raw_supervised(config: Config, data: RecordsModule, speed: Speed) -> float:
    """The loop that one would write by hand."""
    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs).train()
    layout = torch.channels_last if speed.channels_last else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = build_optimizer(network, config.optimizer)
    steps = config.trainer.max_epochs * len(batches(config, data))
    schedule = build_schedule(optimizer, config.scheduler, steps)
    loss_of = build_loss(config.loss)
    # Augmented records are prepared in each step, others once.
    prepare = config.augment.name != "none"
    data = data if prepare else prepared(data)

    def step(batch: Batch) -> None:
        inputs = data.preprocessor(*batch.inputs) if prepare else batch.inputs
        if speed.channels_last:
            inputs = tuple(x.contiguous(memory_format=layout) if x.ndim == 4 else x for x in inputs)
        with torch.autocast("cpu", torch.bfloat16, enabled=speed.precision == "bf16-mixed"):
            outputs_BO = network(*inputs)
        loss = loss_of(outputs_BO.float(), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    return timed(config, data, step)


@torch.no_grad()
def prepared(data: RecordsModule) -> RecordsModule:
    """The same data with training records as the network takes them, and targets less what the network answers by 0."""
    records = data.splits["train"]
    inputs, targets = data.preprocessor(*records.inputs), records.targets
    if targets.is_floating_point():
        targets = targets - data.preprocessor.restore(torch.zeros_like(targets), *records.inputs)
    found: RecordsModule = type(data)(data.config, data.root)
    found.preprocessor = data.preprocessor
    found.splits = {"train": type(records)(inputs, targets)}
    return found


def raw_gan(config: Config, data: RecordsModule, speed: Speed) -> float:
    """The same for two networks and the moving average of one, as `tasks.gan` trains them by default."""
    torch.manual_seed(config.seed)
    preprocessor = data.preprocessor
    assert isinstance(preprocessor, GenerationPreprocessor)
    layout = torch.channels_last if speed.channels_last else torch.contiguous_format
    generator = build_network(config, preprocessor.inputs).train()
    task = config.task.arguments()
    discriminator = Discriminator(preprocessor.inputs, channels=task["discriminator_channels"], norm=task["norm"])
    average = deepcopy(generator).requires_grad_(False)
    for network in (generator, discriminator, average):
        network.to(memory_format=layout)  # type: ignore[call-overload]
    optimizers = [build_optimizer(network, config.optimizer) for network in (generator, discriminator)]
    steps = config.trainer.max_epochs * len(batches(config, data))
    schedules = [build_schedule(optimizer, config.scheduler, steps) for optimizer in optimizers]
    update = get_ema_multi_avg_fn(task["decay"])
    mine, theirs = floats(average), floats(generator)
    bf16 = speed.precision == "bf16-mixed"

    def step(batch: Batch) -> None:
        real_BCHW = preprocessor.scale(batch.inputs[0]).contiguous(memory_format=layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            fake_BCHW = generator(torch.randn(len(real_BCHW), preprocessor.latent))
            discriminator.requires_grad_(True)
            real_B, fake_B = discriminator(real_BCHW).float(), discriminator(fake_BCHW.detach()).float()
            loss = softplus(-real_B).mean() + softplus(fake_B).mean()
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        discriminator.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = softplus(-discriminator(fake_BCHW).float()).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        for schedule in schedules:
            schedule.step()
        update(mine, theirs, None)

    return timed(config, data, step)


def floats(module: nn.Module) -> list[Tensor]:
    return [part.detach() for part in [*module.parameters(), *module.buffers()] if part.is_floating_point()]


def main() -> None:
    own = read_words(sys.argv[1:], "rounds", "only").own
    rounds, project = int(own.get("rounds", "5")), find_project()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    tune_allocator()
    print(f"records a second, median of {rounds} rounds, {torch.get_num_threads()} threads")
    for name, count in EPOCHS.items():
        if own.get("only", name) != name:
            continue
        short = [f"trainer.max_epochs={count}", f"trainer.patience={count}", "tracking.mode=offline"]
        config = compose_config(project, [f"experiment={name}", *short])
        data = build_data(config, project.root)
        data.setup()
        speed = choose_speed(config.trainer)
        raw = raw_gan if config.data.problem == "generation" else raw_supervised
        found: list[tuple[float, float]] = [
            (raw(config, data, speed), ours(config, data, speed)) for _ in range(rounds)
        ]
        by_hand, mine = (statistics.median(values) for values in zip(*found, strict=True))
        ratios = sorted(second / first for first, second in found)
        print(
            f"{name}, batches of {config.trainer.batch_size}, {speed.precision}: raw loop {by_hand:,.0f}, ours "
            f"{mine:,.0f}, ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); a step "
            f"{1e3 * config.trainer.batch_size / by_hand:.2f} and {1e3 * config.trainer.batch_size / mine:.2f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
