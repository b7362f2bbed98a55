"""What can be said of a record before anybody answers it: columns of tables, and simple properties of the others.

Shapes: N records, F traits, C channels, H height, W width, T time steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.image import ImageSpec
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.config.tabular import TabularSpec
from lightloop.config.text import TextSpec
from lightloop.data.grouping import absent
from lightloop.data.image.records import decode_images

Numbers = NDArray[np.float64]
MOST_VALUES = 12  # of a column of words: more are no group


@dataclass(frozen=True)
class Traits:
    """Records as columns that a tree can divide.

    Attributes:
        columns: by name (N,): numbers, NaN where missing, or 0 and 1 of "is this value".
        values: of the columns that say "is this value": (column, value) by the name of the column.
    """

    columns: Mapping[str, Numbers]
    values: Mapping[str, tuple[str, str]]

    def matrix(self, known: NDArray[np.int64]) -> Numbers:
        """All columns (N, F); what is missing is the median of the records `known`."""
        filled = []
        for column in self.columns.values():
            there = column[known][~np.isnan(column[known])]
            filled.append(np.where(np.isnan(column), np.median(there) if len(there) else 0.0, column))
        return np.stack(filled, axis=1)

    def rule(self, trait: int, low: float, high: float) -> str:
        """That a trait lies above `low` and not above `high`, in words."""
        name = list(self.columns)[trait]
        if name in self.values:
            column, value = self.values[name]
            return f"{column} is {value}" if low > -np.inf else f"{column} is not {value}"
        if low > -np.inf and high < np.inf:
            return f"{low:.4g} < {name} ≤ {high:.4g}"
        return f"{name} > {low:.4g}" if low > -np.inf else f"{name} ≤ {high:.4g}"


def traits_of(spec: AnySpec, records: pa.Table, predictions: pa.Table) -> Traits:
    """Traits of records: what is known of them without their label, and without a model's answer.

    Args:
        spec: of the data set.
        records: as they lie on disk.
        predictions: of the same records; their sensitive and slice columns are traits too.
    """
    columns: dict[str, Numbers] = {}
    values: dict[str, tuple[str, str]] = {}
    carried = [name for name in spec.with_role("sensitive", "slice") if name in predictions.column_names]
    match spec:
        case TabularSpec():
            sources = {name: records.column(name).to_pylist() for name in spec.features}
            categories = {name for name in spec.features if spec.columns[name].kind == "category"}
        case ImageSpec():
            sources, categories = {}, set()
            columns |= _of_images(decode_images(records.column("image").to_pylist(), spec.size, spec.channels))
        case SeriesSpec():
            sources, categories = {}, set()
            columns |= _of_series(records.column(spec.known).to_pylist())
        case TextSpec():
            sources, categories = {}, set()
            columns |= _of_texts(records.column("text").to_pylist())
    sources |= {name: predictions.column(name).to_pylist() for name in carried}
    for name, column in sources.items():
        _add(name, column, columns, values, category=name in categories)
    return Traits(columns, values)


def _add(
    name: str,
    source: list[Any],
    columns: dict[str, Numbers],
    values: dict[str, tuple[str, str]],
    *,
    category: bool,
) -> None:
    """A column of numbers as it is, with one that says what is missing; of words a column a value."""
    known = [value for value in source if not absent(value)]
    numeric = not category and all(isinstance(value, int | float) for value in known)
    if len(known) < len(source):
        columns[f"{name} missing"] = np.array([float(absent(value)) for value in source])
        values[f"{name} missing"] = (name, "missing")
    if numeric:
        columns[name] = np.array([np.nan if absent(value) else float(value) for value in source])
        return
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in source]
    shown = sorted({word for word, value in zip(words, source, strict=True) if not absent(value)})
    for word in shown if len(shown) <= MOST_VALUES else ():
        columns[f"{name}={word}"] = np.array([float(other == word) for other in words])
        values[f"{name}={word}"] = (name, word)


def _of_images(pixels_NCHW: NDArray[np.uint8]) -> dict[str, Numbers]:
    grey_NHW = pixels_NCHW.astype(np.float32).mean(1) / 255
    edges_N = np.abs(np.diff(grey_NHW, axis=1)).mean((1, 2)) + np.abs(np.diff(grey_NHW, axis=2)).mean((1, 2))
    symmetry_N = 1 - np.abs(grey_NHW - grey_NHW[:, :, ::-1]).mean((1, 2))
    upper_NHW, lower_NHW = np.array_split(grey_NHW, 2, axis=1)
    found = {
        "brightness": grey_NHW.mean((1, 2)),
        "contrast": grey_NHW.std((1, 2)),
        "edges": edges_N,
        "mirror symmetry": symmetry_N,
        "brightness of the upper half": upper_NHW.mean((1, 2)),
        "brightness of the lower half": lower_NHW.mean((1, 2)),
    }
    return {name: values_N.astype(np.float64) for name, values_N in found.items()}


def _of_texts(texts: list[str | None]) -> dict[str, Numbers]:
    said = [text or "" for text in texts]
    lengths_N = np.array([max(1, len(text)) for text in said], dtype=np.float64)

    def share(kind: Any) -> Numbers:
        return np.array([sum(map(kind, text)) for text in said], dtype=np.float64) / lengths_N

    return {
        "characters": np.array([float(len(text)) for text in said]),
        "words": np.array([float(len(text.split())) for text in said]),
        "share of capitals": share(str.isupper),
        "share of digits": share(str.isdigit),
        "share of letters": share(str.isalpha),
        "links": np.array([float(text.lower().count("http")) for text in said]),
        "exclamation marks": np.array([float(text.count("!")) for text in said]),
    }


def _of_series(series: list[list[float | None]]) -> dict[str, Numbers]:
    known = [np.array([value for value in one if not absent(value)]) for one in series]
    lengths_N = np.array([max(1, len(one)) for one in series], dtype=np.float64)

    def of(rule: Any) -> Numbers:
        return np.array([float(rule(one)) if len(one) > 1 else np.nan for one in known])

    return {
        "mean": of(np.mean),
        "deviation": of(np.std),
        "change from first to last": of(lambda one_T: one_T[-1] - one_T[0]),
        "last step": of(lambda one_T: one_T[-1] - one_T[-2]),
        "share of missing steps": 1 - np.array([len(one) for one in known]) / lengths_N,
    }
