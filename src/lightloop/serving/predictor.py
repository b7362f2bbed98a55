"""A bundle that answers: verified, opened with ONNX Runtime, images in and labels out.

Shapes: N records, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from lightloop.data.records import decode_images
from lightloop.errors import LightloopError
from lightloop.serving.manifest import ANEW, GRAPH, Manifest, read_manifest, verify_bundle

ort.disable_telemetry_events()
WARNINGS_OFF = 3


@dataclass(frozen=True)
class Prediction:
    """The answer for one record.

    Attributes:
        label: the class with the highest probability; of equal ones the first in the order of the classes.
        probability: of that class, 0 to 1.
        probabilities: of every class, in the order of the predictor's `classes`.
    """

    label: str
    probability: float
    probabilities: tuple[float, ...]


class Predictor:
    """A model that answers, made by `Predictor.load`. Safe to be used by several threads at once.

    Attributes:
        manifest: what the bundle says of itself.
        classes: label names in the order of the probabilities.
        digest: SHA-256 that stands for all files of the bundle.
    """

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, digest: str) -> None:
        self._session = session
        self.manifest = manifest
        self.classes = manifest.classes
        self.digest = digest

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> "Predictor":
        """Verify and open a bundle.

        Args:
            folder: of the bundle, as the export stage writes it.
            threads: that work on one batch. With one, many predictors share a machine without getting in each
                other's way; more answer a single large batch faster.

        Raises:
            LightloopError: a file is changed, missing or extra; or the graph is not what the manifest says.
        """
        digest = verify_bundle(folder)
        manifest = read_manifest(folder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = WARNINGS_OFF
        # Waiting threads that spin take the processor from the ones that work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common base
            reason = " ".join(str(error).split())
            raise LightloopError(f"{folder / GRAPH} does not open ({reason}): {ANEW}") from None
        _check_graph(session, manifest, folder)
        return cls(session, manifest, digest)

    def probabilities(self, pixels_NCHW: NDArray[np.uint8], batch_size: int = 256) -> NDArray[np.float32]:
        """Probability of each class for each record.

        Args:
            pixels_NCHW: (N, C, H, W), uint8, levels from 0 to 255, of the size and channels of the manifest's input.
            batch_size: how many records are held as activations at once; it changes speed and memory, not answers
                (but for rounding, about 1e-6).

        Returns:
            (N, K), float32, 0 to 1, each row with the sum 1; (0, K) for no records.

        Raises:
            LightloopError: wrong shape or dtype.
        """
        _, *record = self.manifest.input.shape
        if not isinstance(pixels_NCHW, np.ndarray) or pixels_NCHW.dtype != np.uint8:
            came = getattr(pixels_NCHW, "dtype", type(pixels_NCHW).__name__)
            raise LightloopError(f"pixels are {came}: expected a NumPy array of uint8, levels 0 to 255")
        if pixels_NCHW.ndim != 4 or list(pixels_NCHW.shape[1:]) != record:
            expected = ", ".join(str(length) for length in record)
            raise LightloopError(f"pixels have the shape {pixels_NCHW.shape}: this bundle expects (N, {expected})")
        if batch_size < 1:
            raise LightloopError(f"batch_size is {batch_size}: expected 1 or more")
        answers_NK = np.empty((len(pixels_NCHW), len(self.classes)), dtype=np.float32)
        for start in range(0, len(pixels_NCHW), batch_size):
            rows = slice(start, start + batch_size)
            batch = np.ascontiguousarray(pixels_NCHW[rows])
            (answers_NK[rows],) = self._session.run(["probabilities"], {self.manifest.input.name: batch})
        return answers_NK

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """The answer for each encoded image (PNG, JPEG and whatever else Pillow reads), of any size and colour.

        Raises:
            RefusedError: an image does not decode.
        """
        schema = self.manifest.input
        probabilities_NK = self.probabilities(decode_images(images, schema.size, schema.channels))
        return [self._prediction(row) for row in probabilities_NK.tolist()]

    def _prediction(self, row: list[float]) -> Prediction:
        best = max(range(len(row)), key=row.__getitem__)
        return Prediction(self.classes[best], row[best], tuple(row))


def _check_graph(session: ort.InferenceSession, manifest: Manifest, folder: Path) -> None:
    said = {manifest.input.name: manifest.input.shape[1:]} | {out.name: out.shape[1:] for out in manifest.outputs}
    found = {node.name: tuple(node.shape[1:]) for node in (*session.get_inputs(), *session.get_outputs())}
    if said != found or "probabilities" not in found or manifest.outputs[0].shape[1] != len(manifest.classes):
        raise LightloopError(f"{folder / GRAPH} has {found}, but bundle.json says {said}: {ANEW}")
