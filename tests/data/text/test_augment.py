"""Token dropout and swap: rates, places, and what they leave alone."""

import pytest
import torch

from lightloop.config.text import TextAugment
from lightloop.data.text.augment import augment_ids


def batch() -> torch.Tensor:
    ids_BT = torch.arange(2, 2 + 400 * 25).reshape(400, 25)
    ids_BT[1::2, 11:] = 0
    return ids_BT


def augmented(ids_BT: torch.Tensor, seed: int = 0, **rates: float) -> torch.Tensor:
    return augment_ids(ids_BT, TextAugment(name="text", **rates), torch.Generator().manual_seed(seed))


def test_without_changes_the_batch_is_the_same():
    assert torch.equal(augmented(batch(), dropout=0, swap=0), batch())


def test_dropout_makes_its_share_of_tokens_unknown_and_touches_no_padding():
    found = augmented(batch(), dropout=0.2)
    hit = found != batch()
    assert (found[hit] == 1).all()
    assert not hit[batch() == 0].any()
    assert abs(hit[batch() != 0].float().mean().item() - 0.2) < 0.02


@pytest.mark.parametrize("length", [1, 2, 3, 25])
def test_swap_only_exchanges_neighbours(length):
    ids_BT = batch()[:, :length]
    seen = set()
    for seed in range(4):
        found = augmented(ids_BT, seed, dropout=0, swap=0.5)
        assert torch.equal(found.sort(1).values, ids_BT.sort(1).values)
        assert torch.equal(found == 0, ids_BT == 0)
        places = (found - ids_BT)[::2]
        assert places.abs().max() <= 1
        seen |= set(torch.nonzero(places == 1)[:, 1].tolist())
    assert seen == set(range(length - 1))


def test_the_same_seed_draws_the_same():
    assert torch.equal(augmented(batch(), 5, dropout=0.1, swap=0.3), augmented(batch(), 5, dropout=0.1, swap=0.3))
    assert not torch.equal(augmented(batch(), 5, swap=0.3), augmented(batch(), 6, swap=0.3))
