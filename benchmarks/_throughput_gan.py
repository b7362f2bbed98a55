"""A raw loop of a generator and its discriminator, for `throughput.py`."""

from copy import deepcopy

import torch
from _speed import batches, timed
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lightloop.config.schema import Config
from lightloop.data.batches import Batch
from lightloop.data.image.generation import GenerationPreprocessor
from lightloop.data.module import RecordsModule
from lightloop.networks.dcgan import Discriminator
from lightloop.tasks.checkpoint import build_network
from lightloop.tasks.optimize import build_optimizer, build_schedule
from lightloop.training.speed import Speed


def raw_gan(config: Config, data: RecordsModule, speed: Speed) -> float:
    """Records a second of two networks and the moving average of one, as `tasks.gan` trains them by default."""
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
