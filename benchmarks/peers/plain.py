"""FastAPI and ONNX Runtime as their manuals show it, on one bundle: no keys, limits, logs, metrics, nothing else.

BUNDLE=artifacts/bundle python benchmarks/peers/plain.py PORT WORKERS
"""

import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel, ConfigDict, create_model

FOLDER = Path(os.environ["BUNDLE"])
MANIFEST = json.loads((FOLDER / "bundle.json").read_text())
INPUT, CLASSES = MANIFEST["input"], MANIFEST["classes"]


class Answer(BaseModel):
    label: str
    probability: float
    probabilities: dict[str, float]


class ImageRecord(BaseModel):
    model_config = ConfigDict(extra="forbid")

    image: str


def load() -> ort.InferenceSession:
    """With the same options as ours."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(FOLDER / "model.onnx"), options, providers=["CPUExecutionProvider"])


def pixels(record: Any) -> dict[str, Any]:
    """An encoded image as the graph takes it."""
    image = Image.open(io.BytesIO(base64.b64decode(record.image))).convert("L" if INPUT["channels"] == 1 else "RGB")
    height, width = INPUT["size"]
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(image, dtype=np.uint8)
    return {"image": (values[None] if values.ndim == 2 else values.transpose(2, 0, 1))[None]}


def columns(record: Any) -> dict[str, Any]:
    """A row as the graph takes it."""
    found = {}
    for feature in INPUT["features"]:
        value = getattr(record, feature["name"])
        if feature["kind"] == "number":
            found[feature["name"]] = np.array([[np.nan if value is None else value]], dtype=np.float32)
        else:
            found[feature["name"]] = np.array([[value or ""]], dtype=object)
    return found


app = FastAPI()
session = load()
if INPUT["kind"] == "image":
    Record: Any = ImageRecord
    encode = pixels
else:
    kinds = {one["name"]: (float if one["kind"] == "number" else str) | None for one in INPUT["features"]}
    Record = create_model("Record", **{name: (kind, None) for name, kind in kinds.items()})  # type: ignore[call-overload]
    encode = columns


@app.post("/v1/predict")
async def predict(record: Record) -> Answer:
    p_K = session.run(["probabilities"], encode(record))[0][0]
    code = int(p_K.argmax())
    probabilities = dict(zip(CLASSES, map(float, p_K), strict=True))
    return Answer(label=CLASSES[code], probability=float(p_K[code]), probabilities=probabilities)


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    uvicorn.run(
        "plain:app",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
    )
