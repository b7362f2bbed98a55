"""The network, and the DataModule that feeds it.

Shapes: B batch, F numbers, C categories, D width of an embedding, P = F + C columns.
"""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.data import Preprocessor, Splits, labels

Batch = list[Tensor]


class MLP(nn.Module):
    """Fully connected layers; each code of a category becomes a vector first.

    Examples:
        >>> network = MLP(2, [3], hidden=[8], embedding=4, dropout=0.0)
        >>> network(torch.zeros(5, 2), torch.ones(5, 1, dtype=torch.int64)).shape
        torch.Size([5])
    """

    def __init__(self, numbers: int, sizes: list[int], *, hidden: list[int], embedding: int, dropout: float) -> None:
        super().__init__()
        self.numbers = numbers
        self.codes = nn.ModuleList(nn.Embedding(size, embedding) for size in sizes)
        widths = [numbers + embedding * len(sizes), *hidden]
        layers: list[nn.Module] = []
        for width, following in zip(widths, hidden, strict=False):
            layers += [nn.Linear(width, following), nn.BatchNorm1d(following), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def embed(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        """Numbers and the vectors of the codes side by side, (B, F + C * D): what attributions are made of."""
        vectors = [embedding(codes_BC[:, place]) for place, embedding in enumerate(self.codes)]
        return torch.cat([numbers_BF, *vectors], 1)

    def forward_embedded(self, embedded: Tensor) -> Tensor:
        """Logits (B,) of what `embed` gave."""
        logits_B: Tensor = self.layers(embedded).squeeze(1)
        return logits_B

    def forward(self, numbers_BF: Tensor, codes_BC: Tensor) -> Tensor:
        """Logits (B,), float32, of the positive class."""
        return self.forward_embedded(self.embed(numbers_BF, codes_BC))


class TableModule(pl.LightningDataModule):
    """Splits, and the preprocessing fitted on the training split."""

    def __init__(self, splits: Splits, config: Config) -> None:
        super().__init__()
        self.config = config
        self.preprocessor = Preprocessor.fit(splits.train, config.data)
        self.sets = {name: self._tensors(getattr(splits, name)) for name in ("train", "validation", "test")}

    def _tensors(self, table: "object") -> TensorDataset:
        numbers_NF, codes_NC = self.preprocessor.encode(table)  # type: ignore[arg-type]
        label_N = labels(table, self.config.data)  # type: ignore[arg-type]
        return TensorDataset(*(torch.from_numpy(values) for values in (numbers_NF, codes_NC, label_N)))

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        order = torch.Generator().manual_seed(self.config.seed)
        size = self.config.trainer.batch_size
        # One record alone has no batch statistics.
        return DataLoader(self.sets["train"], batch_size=size, shuffle=True, generator=order, drop_last=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.sets["validation"], batch_size=self.config.trainer.batch_size)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.sets["test"], batch_size=self.config.trainer.batch_size)
