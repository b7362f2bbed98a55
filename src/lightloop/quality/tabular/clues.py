"""What of a table must not tell the target alone: each of its features."""

from pathlib import Path

import pandas as pd

from lightloop.config.tabular import TabularSpec
from lightloop.quality.leakage import predictiveness


def clues(spec: TabularSpec, train: pd.DataFrame, root: Path) -> dict[str, float | None]:
    """See `quality.modality.clues_of`."""
    del root
    classes = spec.problem == "classification"
    return {name: predictiveness(train[name], train["label"], classes=classes) for name in spec.features}
