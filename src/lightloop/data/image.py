"""The DataModule of images: decoded once, held as one tensor, fetched a whole batch at a time.

Shapes: N records, B batch, C channels, H height, W width.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lightloop.config.schema import Config, ImageAugment
from lightloop.data.augment import augment_images
from lightloop.data.preprocess import ImagePreprocessor
from lightloop.data.records import decode_images, label_codes
from lightloop.data.splits import SplitName, read_splits

Batch = tuple[Tensor, Tensor]


class TensorBatches(Dataset[Batch]):
    """Records in memory, fetched by an index tensor: no per-record Python in the hot loop.

    Args:
        pixels_NCHW: uint8.
        labels_N: int64.
    """

    def __init__(self, pixels_NCHW: Tensor, labels_N: Tensor) -> None:
        self.pixels_NCHW = pixels_NCHW
        self.labels_N = labels_N

    def __len__(self) -> int:
        return len(self.labels_N)

    def __getitem__(self, rows_B: Tensor) -> Batch:
        return self.pixels_NCHW[rows_B], self.labels_N[rows_B]


class BatchRows(Sampler[Tensor]):
    """Row numbers of each batch, shuffled by seed and epoch alone: a resumed run sees the same order.

    Attributes:
        random: the epoch's generator for what else is drawn for its batches, such as augmentation. Lightning fetches
            the first batch before it says that the epoch starts, so the global generator would not do.
    """

    def __init__(self, rows: int, batch_size: int, *, shuffle_seed: int | None = None) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.epoch = 0
        self.random = torch.Generator()

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        if self.shuffle_seed is None:
            order = torch.arange(self.rows)
        else:
            self.random.manual_seed(self.shuffle_seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.rows, generator=self.random)
        yield from order.split(self.batch_size)


class ImageDataModule(pl.LightningDataModule):
    """Reads the images of a data set, divides them, fits the preprocessing on the training split alone.

    Args:
        config: of the run; read are `data`, `augment`, `trainer.batch_size` and `seed`.
        root: the project's folder.

    Attributes:
        preprocessor: fitted by `setup`; it belongs to the model and is saved with it.
        tables: the records of each split as they lie on disk: `id`, `image`, `label`.
        splits: the same records as tensors.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> project = Project.find()
        >>> data = ImageDataModule(compose_config(project), project.root)
        >>> data.setup()
        >>> pixels, labels = next(iter(data.val_dataloader()))
        >>> pixels.shape, labels.dtype
        (torch.Size([128, 1, 28, 28]), torch.int64)
    """

    def __init__(self, config: Config, root: Path) -> None:
        super().__init__()
        self.config = config
        self.root = root
        self.preprocessor = ImagePreprocessor(config.data.channels)
        self.train_rows: BatchRows | None = None
        self.tables: dict[SplitName, pa.Table] = {}
        self.splits: dict[SplitName, TensorBatches] = {}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one preprocessed record."""
        return (self.config.data.channels, *self.config.data.size)

    def setup(self, stage: str | None = None) -> None:
        """Read, divide, decode and fit, once, whatever `stage` Lightning asks for.

        Raises:
            LightloopError: a file is missing or not readable.
            RefusedError: a record is not as the spec says.
        """
        if self.splits:
            return
        spec = self.config.data
        self.tables = read_splits(spec, self.root, self.config.seed)
        self.splits = {split: self._tensors(table) for split, table in self.tables.items()}
        self.preprocessor.fit(self.splits["train"].pixels_NCHW)

    def _tensors(self, table: pa.Table) -> TensorBatches:
        spec = self.config.data
        pixels = decode_images(table.column("image").to_pylist(), spec.size, spec.channels)
        codes = label_codes(table.column("label").to_pylist(), spec.classes)
        return TensorBatches(torch.from_numpy(pixels), torch.from_numpy(codes))

    def train_dataloader(self) -> DataLoader[Batch]:
        batch_size = self.config.trainer.batch_size
        self.train_rows = BatchRows(len(self.splits["train"]), batch_size, shuffle_seed=self.config.seed)
        return self._loader("train", self.train_rows)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def _loader(self, split: SplitName, rows: BatchRows | None = None) -> DataLoader[Batch]:
        records = self.splits[split]
        rows = rows or BatchRows(len(records), self.config.trainer.batch_size)
        # The sampler yields whole batches, so `batch_size=None`; one process, since there is nothing to overlap. A
        # generator of its own, since a loader draws a number that it does not need from the global one.
        return DataLoader(records, sampler=rows, batch_size=None, num_workers=0, generator=torch.Generator())

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment training batches where they are going to be used, on the device."""
        pixels_BCHW, labels_B = batch
        augment = self.config.augment
        if self.trainer and self.trainer.training and self.train_rows and isinstance(augment, ImageAugment):
            pixels_BCHW = augment_images(pixels_BCHW, augment, self._random_on(pixels_BCHW.device))
        return pixels_BCHW, labels_B

    def _random_on(self, device: torch.device) -> torch.Generator:
        """The epoch's generator, or one on another device seeded from it."""
        assert self.train_rows
        random = self.train_rows.random
        if device.type == "cpu":
            return random
        return torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=random)))
