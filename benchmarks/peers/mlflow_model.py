"""The same graph as a model of MLflow: made by the first line, served by the second, in an environment with MLflow.

python benchmarks/peers/mlflow_model.py BUNDLE FOLDER
mlflow models serve -m FOLDER --env-manager local -p PORT
"""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np


class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """ONNX Runtime behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        import onnxruntime as ort

        folder = Path(context.artifacts["bundle"])
        self.manifest = json.loads((folder / "bundle.json").read_text())
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        from PIL import Image

        schema, classes = self.manifest["input"], self.manifest["classes"]
        if schema["kind"] == "image":
            opened = (Image.open(io.BytesIO(base64.b64decode(one))).convert("L") for one in model_input["image"])
            feeds = {"image": np.stack([np.asarray(image, dtype=np.uint8)[None] for image in opened])}
        else:
            feeds = {}
            for feature in schema["features"]:
                values = model_input[feature["name"]].to_numpy()
                if feature["kind"] == "number":
                    feeds[feature["name"]] = values.astype(np.float32)[:, None]
                else:
                    texts = [value if isinstance(value, str) else "" for value in values]
                    feeds[feature["name"]] = np.array(texts, dtype=object)[:, None]
        p_NK = self.session.run(["probabilities"], feeds)[0]
        return [
            {"label": classes[int(row.argmax())], "probability": float(row.max()), "probabilities": row.tolist()}
            for row in p_NK
        ]


if __name__ == "__main__":
    mlflow.pyfunc.save_model(
        sys.argv[2],
        python_model=Served(),
        artifacts={"bundle": sys.argv[1]},
        pip_requirements=["onnxruntime", "pillow"],
    )
