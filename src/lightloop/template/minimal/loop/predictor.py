"""Answers of a bundle, by NumPy, pandas and ONNX Runtime: no torch.

python -m lightloop.predictor artifacts/bundle records.csv answers.csv
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
from numpy.typing import NDArray

from lightloop.errors import LightloopError, UsageError
from lightloop.template.minimal.loop.data import Preprocessor

FORMAT = 1


class Predictor:
    """A bundle that answers.

    Args:
        folder: of the bundle.

    Raises:
        UsageError: there is no bundle, or one of another format.
        LightloopError: a file is not the one that was exported.
    """

    def __init__(self, folder: Path) -> None:
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{folder} holds no bundle: `lightloop run` makes artifacts/bundle") from None
        if manifest["format"] != FORMAT:
            raise UsageError(f"{folder} has format {manifest['format']}, and this reads {FORMAT}: export it anew")
        for name, expected in manifest["sha256"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
                raise LightloopError(f"{folder / name} is not the file that was exported: get the bundle again")
        self.positive: str = manifest["positive"]
        self.preprocessor = Preprocessor(**manifest["preprocessor"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums in the same order, on every machine
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def probabilities(self, table: pd.DataFrame) -> NDArray[np.float32]:
        """Of the positive class, (N,), of raw records with the columns of training, in any order."""
        numbers_NF, codes_NC = self.preprocessor.encode(table)
        [answer_N] = self._session.run(["probability"], {"numbers": numbers_NF, "codes": codes_NC})
        return np.asarray(answer_N, dtype=np.float32)


def predict(bundle: Path, source: Path, output: Path) -> int:
    """Answer every record of a CSV or Parquet file; the answers are a CSV file. Return how many there are.

    Raises:
        UsageError: the file can't be read, or lacks columns.
    """
    predictor = Predictor(bundle)
    try:
        table = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{source} can't be read ({' '.join(str(error).split())}): give a .csv or .parquet file"
        ) from None
    table.insert(0, f"probability of {predictor.positive}", predictor.probabilities(table))
    table.to_csv(output, index=False)
    return len(table)


if __name__ == "__main__":
    print(predict(*(Path(word) for word in sys.argv[1:4])))
