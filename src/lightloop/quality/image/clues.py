"""What of an image must not tell its class alone: its file, its size, its brightness, what stands in a corner.

Images of one class that come from another camera, scanner or site differ in these, and a network learns that instead.
"""

from pathlib import Path

import pandas as pd

from lightloop.config.image import ImageSpec
from lightloop.quality.image.metadata import CORNERS
from lightloop.quality.leakage import predictiveness

LOOKED_AT = {
    "bytes": "size of the file",
    "width": "width",
    "height": "height",
    "mode": "mode",
    "mean": "mean of the pixels",
    "std": "deviation of the pixels",
    **{name: f"{name.replace('_', ' ')} corner" for name in CORNERS},
}


def clues(spec: ImageSpec, train: pd.DataFrame, root: Path) -> dict[str, float | None]:
    """See `quality.modality.clues_of`."""
    del spec, root
    return {name: predictiveness(train[column], train["label"], classes=True) for column, name in LOOKED_AT.items()}
