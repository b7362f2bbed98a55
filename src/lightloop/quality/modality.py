"""The data check by modality: what is known of each record, what good data looks like, and a profile in numbers."""

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from lightloop.config.schema import AnySpec
from lightloop.quality.suite import Suite


def read_metadata(spec: AnySpec, root: Path) -> pd.DataFrame:
    """What is known of each record without training on it: a row a record, that the expectations are about.

    The columns `id`, `part` and `label` are there for every modality.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    table: pd.DataFrame = _module(spec, "metadata").read_metadata(spec, root)
    return table


def suite_for(spec: AnySpec, metadata: pd.DataFrame) -> Suite:
    """A suite that good data of this kind meets: what the spec says, and what `metadata` shows, with slack."""
    suite: Suite = _module(spec, "suite").suite_for(spec, metadata)
    return suite


def profile_of(spec: AnySpec, metadata: pd.DataFrame) -> dict[str, Any]:
    """The data set in numbers; `records` (by part) is there for every modality."""
    profile: dict[str, Any] = _module(spec, "profile").profile_of(metadata)
    return profile


def clues_of(spec: AnySpec, train: pd.DataFrame, root: Path) -> dict[str, float | None]:
    """How well each thing about a record that should not tell the target does so alone, by what it is.

    Args:
        spec: the data set.
        train: rows of `read_metadata` of the training file, whose index is the row number in that file; of a forecast
            all rows.
        root: the project's folder.

    Returns:
        As `quality.leakage.predictiveness`; None where it can't be said.
    """
    clues: dict[str, float | None] = _module(spec, "clues").clues(spec, train, root)
    return clues


def describe_part(spec: AnySpec, part: str, records: pa.Table) -> pd.DataFrame:
    """The metadata of some records, but for how they stand to others; of a forecast there is none.

    Args:
        spec: the data set.
        part: that they are of.
        records: with `id`, `label` (null where it is not known) and the features.
    """
    found: pd.DataFrame = _module(spec, "metadata").describe_part(spec, part, records)
    return found


def _module(spec: AnySpec, name: str) -> Any:
    return importlib.import_module(f"lightloop.quality.{spec.modality}.{name}")
