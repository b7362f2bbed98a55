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

import torch
from _common import find_project, read_words, those_there
from _speed import batches, ours, timed
from _throughput_gan import raw_gan

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.module import RecordsModule, build_data
from lightloop.tasks.checkpoint import build_network
from lightloop.tasks.losses import build_loss
from lightloop.tasks.optimize import build_optimizer, build_schedule
from lightloop.tasks.processor import tune_allocator
from lightloop.training.speed import Speed, choose_speed

# Epochs of a round: enough for about two seconds.
EPOCHS = {"fashion": 3, "loans": 20, "spam": 3, "co2": 20, "fashion-gan": 2}


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


def main() -> None:
    own = read_words(sys.argv[1:], "rounds", "only").own
    rounds, project = int(own.get("rounds", "5")), find_project()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    tune_allocator()
    print(f"records a second, median of {rounds} rounds, {torch.get_num_threads()} threads")
    for name in those_there(project, EPOCHS):
        if own.get("only", name) != name:
            continue
        short = [f"trainer.max_epochs={EPOCHS[name]}", f"trainer.patience={EPOCHS[name]}", "tracking.mode=offline"]
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
