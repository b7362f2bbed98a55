"""Images as the DataModule gives them: standardised by the training split alone, from a file or from class folders."""

import pytest
import torch

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
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


def test_a_batch_holds_levels_and_codes_of_classes(data: RecordsModule):
    batch = next(iter(data.val_dataloader()))
    assert (batch.inputs[0].shape[1:], batch.inputs[0].dtype) == ((1, 28, 28), torch.uint8)
    assert batch.targets.dtype == torch.int64


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
