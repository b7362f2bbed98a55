"""The DataModule of tables.

Shapes: B batch, F numbers, C codes.
"""

import torch
from torch import Tensor

from lightloop.config.tabular import TabularAugment
from lightloop.data.batches import Batch
from lightloop.data.module import RecordsModule


class TabularModule(RecordsModule):
    """Tables, encoded once and held as two tensors: numbers and codes."""

    def augment(self, batch: Batch, random: torch.Generator) -> Batch:
        settings = self.config.augment
        assert isinstance(settings, TabularAugment)
        return batch._replace(inputs=augment_columns(batch.inputs, settings, random))


def augment_columns(
    inputs: tuple[Tensor, ...], settings: TabularAugment, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Swap single values between the records of a batch, then add noise to the numbers.

    Args:
        inputs: numbers (B, F) and codes (B, C); a value is swapped for one of the same column.
        settings: how often, how strong.
        generator: of every random number, on the device of the batch.

    Source of the swap: Bahri et al. 2022, SCARF, arXiv:2106.15147.

    Examples:
        >>> numbers, codes = torch.zeros(4, 2), torch.arange(4)[:, None]
        >>> swapped = augment_columns((numbers, codes), TabularAugment(name="tabular", swap=0.5), torch.Generator())
        >>> set(swapped[1].flatten().tolist()) <= {0, 1, 2, 3}
        True
    """
    if settings.swap:
        inputs = tuple(_swap(part, settings.swap, generator) for part in inputs)
    if settings.noise:
        numbers_BF, *rest = inputs
        noise_BF = torch.randn(numbers_BF.shape, generator=generator, device=numbers_BF.device)
        inputs = (numbers_BF + settings.noise * noise_BF, *rest)
    return inputs


def _swap(values_BF: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    shape, device = values_BF.shape, values_BF.device
    donors_BF = torch.randint(len(values_BF), shape, generator=generator, device=device)
    swapped_BF = torch.rand(shape, generator=generator, device=device) < probability
    return torch.where(swapped_BF, values_BF.gather(0, donors_BF), values_BF)
