"""The simpler model of images: a normal distribution over their principal components.

Shapes: N records, Z latent numbers, C channels, H height, W width, D components.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_images
from lightloop.data.splits import SplitName

# Of 10, 30, 100 and 300 the best on the demo data (Fréchet distances 16, 18, 20 and 22): more add noise.
COMPONENTS = 10
# Enough for so many components; more would only take time.
RECORDS = 10_000

TITLE = "normal distribution over principal components"


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`; the answer is `image`, pixels (N, C, H, W), uint8."""
    spec = config.data
    assert isinstance(spec, ImageSpec)
    train = splits["train"]
    rows = np.sort(np.random.default_rng(config.seed).permutation(len(train))[:RECORDS])
    train_NCHW = decode_images(train["image"].take(pa.array(rows)).to_pylist(), spec.size, spec.channels)
    return {"image": sampled_images(train_NCHW, len(questions), config.seed)}


def sampled_images(train_NCHW: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.uint8]:
    """Draw images from the normal distribution with the training images' mean and principal components.

    Args:
        train_NCHW: pixels to learn from, uint8.
        count: how many to draw.
        seed: the same input and seed give the same images.

    Returns:
        Pixels (count, C, H, W), uint8.

    Examples:
        >>> sampled_images(np.full((4, 1, 2, 2), 7, dtype=np.uint8), 1, seed=0).tolist()
        [[[[7, 7], [7, 7]]]]
    """
    flat_ND = train_NCHW.reshape(len(train_NCHW), -1).astype(np.float32)
    most = min(COMPONENTS, *flat_ND.shape)
    model = PCA(most, svd_solver="randomized" if most < min(flat_ND.shape) // 2 else "full", random_state=seed)
    # Equal images have no variance, of which PCA would take shares.
    with np.errstate(invalid="ignore"):
        model.fit(flat_ND)
    drawn = np.random.default_rng(seed).standard_normal((count, most)) * np.sqrt(model.explained_variance_)
    levels = np.rint(drawn @ model.components_ + model.mean_)
    return np.clip(levels, 0, 255).astype(np.uint8).reshape(count, *train_NCHW.shape[1:])
