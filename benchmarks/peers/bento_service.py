"""The same graph as a service of BentoML. Runs in an environment with BentoML.

BUNDLE=artifacts/bundle bentoml serve benchmarks/peers/bento_service.py:Served --port PORT
"""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import onnxruntime as ort
from PIL import Image


@bentoml.service(workers=int(os.environ.get("WORKERS", "1")))
class Served:
    def __init__(self) -> None:
        folder = Path(os.environ["BUNDLE"])
        self.manifest = json.loads((folder / "bundle.json").read_text())
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    @bentoml.api
    def predict(self, record: dict[str, Any]) -> dict[str, Any]:
        schema, classes = self.manifest["input"], self.manifest["classes"]
        if schema["kind"] == "image":
            image = Image.open(io.BytesIO(base64.b64decode(record["image"]))).convert("L")
            feeds = {"image": np.asarray(image, dtype=np.uint8)[None, None]}
        else:
            feeds = {
                feature["name"]: np.array([[np.nan if value is None else value]], dtype=np.float32)
                if feature["kind"] == "number"
                else np.array([[value or ""]], dtype=object)
                for feature in schema["features"]
                for value in [record.get(feature["name"])]
            }
        p_K = self.session.run(["probabilities"], feeds)[0][0]
        code = int(p_K.argmax())
        probabilities = dict(zip(classes, p_K.tolist(), strict=True))
        return {"label": classes[code], "probability": float(p_K[code]), "probabilities": probabilities}
