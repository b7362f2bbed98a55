"""The simpler model for images: logistic regression on pixels.

Shapes: N records, C channels, H height, W width, D features, K classes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_images, reduced_size
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName

# More positions cost time and add little to a linear model: larger images are scaled down to as many.
POSITIONS = 32 * 32
# Of C in 0.01, 0.1 and 1, the best on the validation split of the demo data: log loss 0.46 (0.53 and 0.51).
INVERSE_REGULARISATION = 0.1
# Stops after some 90 steps instead of 200 at scikit-learn's 0.0001, with the same validation log loss.
TOLERANCE = 1e-3


TITLE = "logistic regression"


def answers(config: Config, splits: Mapping[SplitName, pa.Table], questions: pa.Table) -> dict[str, NDArray[Any]]:
    """See `evaluation.baseline.baseline_answers`."""
    spec = config.data
    assert isinstance(spec, ImageSpec)
    size = baseline_size(spec.size)
    train, asked = (
        decode_images(table["image"].to_pylist(), size, spec.channels) for table in (splits["train"], questions)
    )
    labels_N = label_codes(splits["train"]["label"].to_pylist(), spec.classes)
    return {"probabilities": baseline_probabilities(train, labels_N, asked, len(spec.classes))}


def baseline_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which the baseline sees images of `size`: scaled, in proportion, to at most POSITIONS.

    Examples:
        >>> baseline_size((28, 28)), baseline_size((128, 64))
        ((28, 28), (45, 22))
    """
    return reduced_size(size, POSITIONS)


def baseline_probabilities(
    train_NCHW: NDArray[np.uint8], labels_N: NDArray[np.int64], test_NCHW: NDArray[np.uint8], classes: int
) -> NDArray[np.float32]:
    """Train logistic regression on some records and answer others.

    On Fashion-MNIST with all 60,000 images the best one published reaches an accuracy of 0.842 (arXiv:1708.07747).

    Args:
        train_NCHW: pixels to train on, uint8.
        labels_N: their classes, 0 to `classes` - 1. A class without a record gets probability 0.
        test_NCHW: pixels to answer, uint8; as many of them as there are.
        classes: K.

    Returns:
        Probabilities of the test records, (N, K), float32. The same input gives the same answer.
    """
    present = np.unique(labels_N)
    probabilities_NK = np.zeros((len(test_NCHW), classes), dtype=np.float32)
    if len(present) == 1:  # nothing to tell apart
        probabilities_NK[:, present] = 1.0
        return probabilities_NK
    model = LogisticRegression(C=INVERSE_REGULARISATION, tol=TOLERANCE, max_iter=1000)
    model.fit(_features(train_NCHW), labels_N)
    probabilities_NK[:, present] = model.predict_proba(_features(test_NCHW))
    return probabilities_NK


def _features(pixels_NCHW: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels as rows (N, D), 0 to 1. One scale for all, so that edges that are nearly always empty stay small."""
    return pixels_NCHW.reshape(len(pixels_NCHW), -1).astype(np.float32) / np.float32(255)
