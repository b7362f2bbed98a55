"""Augmentation of batches of tables."""

import torch

from lightloop.config.tabular import TabularAugment
from lightloop.data.tabular.module import augment_columns

NUMBERS = torch.arange(4000.0).reshape(1000, 4)
CODES = torch.arange(2000).reshape(1000, 2)


def augmented(seed: int = 0, **settings: float) -> tuple[torch.Tensor, ...]:
    said = TabularAugment(name="tabular", **settings)
    return augment_columns((NUMBERS, CODES), said, torch.Generator().manual_seed(seed))


def test_noise_has_the_deviation_asked_for_and_leaves_codes_alone():
    numbers, codes = augmented(noise=0.5)
    assert abs((numbers - NUMBERS).std().item() - 0.5) < 0.02
    assert codes.equal(CODES)


def test_swapped_values_come_from_the_same_column():
    numbers, codes = augmented(swap=0.3)
    for before, after in ((NUMBERS, numbers), (CODES, codes)):
        assert 0.25 < (before != after).float().mean().item() < 0.35
        for column in range(before.shape[1]):
            assert torch.isin(after[:, column], before[:, column]).all()


def test_the_same_seed_draws_the_same():
    first, second, other = (
        augmented(1, noise=1, swap=0.5),
        augmented(1, noise=1, swap=0.5),
        augmented(2, noise=1, swap=0.5),
    )
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert not first[0].equal(other[0])
    assert augmented()[0].equal(NUMBERS)
