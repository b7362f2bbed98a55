"""The DataModule: splits, fitting on the training split alone, batches by index tensor, augmentation."""

import numpy as np
import pytest
import torch

from lightloop.config.schema import Config
from lightloop.data.batches import BatchRows
from lightloop.data.module import RecordsModule, build_data
from lightloop.project import Project


@pytest.fixture
def data(project: Project, small_config: Config) -> RecordsModule:
    module = build_data(small_config, project.root)
    module.setup()
    return module


def test_every_record_comes_once_an_epoch_in_another_order(data: RecordsModule):
    loader = data.train_dataloader()
    orders = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        batches = [batch.inputs[0] for batch in loader]
        sizes, records = [len(batch) for batch in batches], len(data.splits["train"])
        assert sizes == [50] * (records // 50) + [records % 50], "else the split is one that this can't tell"
        orders.append(torch.cat(batches))
    whole = data.splits["train"].inputs[0]
    for order in orders:
        assert np.array_equal(np.sort(order.flatten(1).sum(1)), np.sort(whole.flatten(1).sum(1)))
    assert not torch.equal(*orders)


def test_the_order_depends_on_seed_and_epoch_alone():
    rows = BatchRows(100, 32, shuffle_seed=5)
    rows.set_epoch(3)
    first = torch.cat([chosen.rows for chosen in rows])
    again = BatchRows(100, 32, shuffle_seed=5)
    again.set_epoch(3)
    assert torch.equal(first, torch.cat([chosen.rows for chosen in again]))
    assert [chosen.seed for chosen in rows] == [chosen.seed for chosen in again]
    assert len({chosen.seed for chosen in rows}) == 4
    assert len(rows) == len(list(rows)) == 4


@pytest.mark.parametrize("lengths", [None, torch.arange(41) % 7])
def test_a_lone_last_record_joins_the_batch_before(lengths: torch.Tensor | None):
    rows = BatchRows(41, 10, shuffle_seed=1, lengths=lengths)
    batches = [chosen.rows for chosen in rows]
    assert sorted(map(len, batches)) == [10, 10, 10, 11]
    assert len(rows) == 4
    assert sorted(torch.cat(batches).tolist()) == list(range(41))
    assert [len(chosen.rows) for chosen in BatchRows(41, 10)] == [10, 10, 10, 10, 1]
    assert len(BatchRows(1, 10, shuffle_seed=1)) == len(list(BatchRows(1, 10, shuffle_seed=1))) == 1
