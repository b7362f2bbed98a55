"""Features of images by the project's own classifier, an ONNX graph that `tasks.judge` made. No torch.

Shapes: N images, C channels, H height, W width, D features, K classes.
"""

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

BATCH = 500
WARNINGS_OFF = 3


@dataclass(frozen=True)
class Judge:
    """The classifier by whose features images are compared.

    Attributes:
        graph: the content of its ONNX file: `image`, uint8, to `features` and `logits`.
    """

    graph: bytes

    def features(self, pixels_NCHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, D) of images."""
        return self.judged(pixels_NCHW)[0]

    def judged(self, pixels_NCHW: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Features (N, D) of images, and the classes (N,) that they look like."""
        options = ort.SessionOptions()
        # One thread: the same sums in the same order on every machine of a kind.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = WARNINGS_OFF
        session = ort.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])
        parts = [
            session.run(["features", "logits"], {"image": np.ascontiguousarray(pixels_NCHW[start : start + BATCH])})
            for start in range(0, max(len(pixels_NCHW), 1), BATCH)
        ]
        features_ND, logits_NK = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        return features_ND, logits_NK.argmax(1)
