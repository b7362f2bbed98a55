"""The DataModule: splits, fitting on the training split alone, batches by index tensor, augmentation."""

import numpy as np
import pytest
import torch

from lightloop.config.compose import compose_config
from lightloop.config.image import ImageAugment
from lightloop.config.schema import Config
from lightloop.data.batches import BatchRows
from lightloop.data.image.augment import augment_images
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


def test_mirror_and_shift_keep_the_content():
    pixels = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    pixels[:, :, 4, 3] = 255
    moved = augment_images(pixels, ImageAugment(name="image", flip=True, shift=2), torch.Generator())
    rows, columns = torch.nonzero(moved[:, 0])[:, 1:].unbind(1)
    assert len(rows) == 200
    assert set(rows.tolist()) == {2, 3, 4, 5, 6}
    # 3 shifted by up to 2, or its mirror image 5 shifted likewise.
    assert set(columns.tolist()) == {1, 2, 3, 4, 5, 6, 7}
    assert moved.dtype == torch.uint8


def test_without_changes_the_batch_is_the_same():
    pixels = torch.randint(0, 256, (8, 3, 6, 5), dtype=torch.uint8)
    assert torch.equal(
        augment_images(pixels, ImageAugment(name="image", flip=False, shift=0), torch.Generator()), pixels
    )


def test_erasing_greys_a_rectangle_in_its_share_of_images():
    settings = ImageAugment(name="image", flip=False, shift=0, erase=0.5)
    erased = augment_images(torch.zeros(400, 1, 28, 28, dtype=torch.uint8), settings, torch.Generator())
    hit = (erased == 128).flatten(1).any(1).float().mean().item()
    assert 0.4 < hit < 0.6
    assert set(erased.unique().tolist()) == {0, 128}


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
