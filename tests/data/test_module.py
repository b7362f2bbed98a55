"""The DataModule: splits, fitting on the training split alone, batches by index tensor, augmentation."""

import numpy as np
import pytest
import torch

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.batches import BatchRows
from lightloop.data.image.preprocessor import ImagePreprocessor
from lightloop.data.module import RecordsModule, build_data
from lightloop.data.records import read_records
from lightloop.project import Project


@pytest.fixture
def data(project: Project, small_config: Config) -> RecordsModule:
    module = build_data(small_config, project.root)
    module.setup()
    return module


def test_preprocessing_is_fitted_on_the_training_split_alone(data: RecordsModule):
    train = data.splits["train"].inputs[0].double() / 255
    assert torch.allclose(data.preprocessor.mean.double().squeeze(), train.mean(), atol=1e-6)
    assert torch.allclose(data.preprocessor.deviation.double().squeeze(), train.std(unbiased=False), atol=1e-6)


def test_preprocessed_training_pixels_are_standard(data: RecordsModule):
    (standard,) = data.preprocessor(*data.splits["train"].inputs)
    assert abs(standard.mean().item()) < 1e-3
    assert abs(standard.std().item() - 1) < 1e-3


def test_a_constant_channel_stays_finite(config: Config):
    preprocess = ImagePreprocessor(config.model_copy(update={"data": config.data.model_copy(update={"channels": 2})}))
    pixels = torch.full((3, 2, 4, 4), 7, dtype=torch.uint8)
    pixels[:, 1, 0, 0] = 200
    preprocess.fit_pixels(pixels)
    (prepared,) = preprocess(pixels)
    assert torch.isfinite(prepared).all()
    assert (prepared[:, 0] == 0).all()


def test_every_record_comes_once_an_epoch_in_another_order(data: RecordsModule):
    loader = data.train_dataloader()
    orders = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        batches = [batch.inputs[0] for batch in loader]
        assert [len(batch) for batch in batches] == [50] * 5 + [20]
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


def test_a_folder_of_class_folders_is_divided_and_decoded_like_the_parquet_file(project: Project, repository: Project):
    records = read_records(compose_config(repository).data, project.root, "train")
    for row in records.to_pylist():
        file = project.root / "data/pictures/all" / row["label"] / f"{row['id'].replace('/', '-')}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(row["image"])
    overrides = ["data.path=data/pictures", "data.files={train: all}", "data.split.test=0.2", "~data.files.test"]
    module = build_data(compose_config(repository, overrides), project.root)
    module.setup()
    assert {name: len(split) for name, split in module.splits.items()} == {"train": 220, "validation": 20, "test": 60}
    assert module.splits["test"].targets.bincount().tolist() == [6] * 10
