"""The table: reading, splitting, and the preprocessing that the model carries with it. No torch: the predictor uses it.

Shapes: N records, F numbers, C categories.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from lightloop.errors import UsageError
from lightloop.template.minimal.loop.config import DataConfig

Numbers = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Preprocessor:
    """What was learned of the training records about each column; plain data, so that a bundle holds it as JSON.

    Attributes:
        numbers: columns that are filled with their median, then brought to mean 0 and deviation 1.
        categories: columns of which each known value is a code from 1; 0 is missing or new.
        medians, means, deviations: a value for each of `numbers`.
        levels: the known values of each of `categories`, as text.
    """

    numbers: list[str]
    categories: list[str]
    medians: list[float]
    means: list[float]
    deviations: list[float]
    levels: list[list[str]]

    @classmethod
    def fit(cls, table: pd.DataFrame, config: DataConfig) -> "Preprocessor":
        """Learn from training records alone."""
        values_NF = table[config.numbers].astype("float64")
        medians = values_NF.median().fillna(0.0)
        filled_NF = values_NF.fillna(medians)
        deviations = filled_NF.std(ddof=0).replace(0.0, 1.0)
        levels = [sorted(set(_text(table[name]).dropna())) for name in config.categories]
        return cls(
            numbers=config.numbers,
            categories=config.categories,
            medians=medians.tolist(),
            means=filled_NF.mean().tolist(),
            deviations=deviations.tolist(),
            levels=levels,
        )

    def encode(self, table: pd.DataFrame) -> tuple[Numbers, Codes]:
        """Numbers (N, F), float32, and codes (N, C), int64, of records in any order of columns.

        Raises:
            UsageError: a column is missing, or a number is none.

        Examples:
            >>> fitted = Preprocessor(["a"], ["b"], [1.0], [2.0], [0.5], [["x", "y"]])
            >>> numbers_NF, codes_NC = fitted.encode(pd.DataFrame({"b": ["y", "new"], "a": [3.0, None]}))
            >>> numbers_NF.tolist(), codes_NC.tolist()
            ([[2.0], [-2.0]], [[2], [0]])
        """
        missing = [name for name in (*self.numbers, *self.categories) if name not in table.columns]
        if missing:
            raise UsageError(f"the records lack {', '.join(missing)}: give every column that the model was trained on")
        columns = []
        for name, median, mean, deviation in zip(self.numbers, self.medians, self.means, self.deviations, strict=True):
            try:
                values_N = pd.to_numeric(table[name]).astype("float64").fillna(median)
            except (ValueError, TypeError):
                raise UsageError(f"{name} holds something that is no number: send numbers, or leave it empty") from None
            columns.append(((values_N - mean) / deviation).to_numpy(np.float32))
        codes = [
            _text(table[name]).map({level: code for code, level in enumerate(levels, 1)}).fillna(0).to_numpy(np.int64)
            for name, levels in zip(self.categories, self.levels, strict=True)
        ]
        numbers_NF = np.stack(columns, 1) if columns else np.zeros((len(table), 0), np.float32)
        return numbers_NF, np.stack(codes, 1) if codes else np.zeros((len(table), 0), np.int64)

    @property
    def sizes(self) -> list[int]:
        """How many codes each category has, with that of what is missing or new."""
        return [len(levels) + 1 for levels in self.levels]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Splits:
    """The records of each split; the same data, config and seed give the same ones."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def read_table(path: Path, config: DataConfig) -> pd.DataFrame:
    """The columns that the config names, and no others.

    Raises:
        UsageError: the file or a column is missing.
    """
    if not path.exists():
        raise UsageError(f"{path} is missing: `dvc pull data.dvc` gets it")
    table = pd.read_parquet(path)
    wanted = [config.id, config.target, *config.features]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise UsageError(f"{config.path} has no column {missing[0]}: name in params.yaml those that it has")
    return table[wanted]


def split(table: pd.DataFrame, config: DataConfig, seed: int) -> Splits:
    """Split at random, with the same share of the positive class in each part."""
    rest, test = train_test_split(table, test_size=config.test, random_state=seed, stratify=table[config.target])
    train, validation = train_test_split(
        rest, test_size=config.validation, random_state=seed, stratify=rest[config.target]
    )
    return Splits(*(part.sort_values(config.id).reset_index(drop=True) for part in (train, validation, test)))


def labels(table: pd.DataFrame, config: DataConfig) -> Codes:
    """1 where the target is `positive`, else 0: (N,), int64."""
    return np.asarray(table[config.target] == config.positive, dtype=np.int64)


def _text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Categories as text, so that 1, 1.0 and "1" are one; missing ones stay missing."""
    known = column.dropna()
    numbers = pd.to_numeric(known, errors="coerce")
    whole = numbers.notna() & (numbers == numbers.round())
    text = known.astype("string").where(~whole, numbers.where(whole).astype("Int64").astype("string"))
    return text.reindex(column.index)
