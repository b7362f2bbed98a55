"""A bundle of every kind of record in milliseconds: graphs written by hand, golden records of their own answers."""

import base64
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image

from lightloop.config.text import TextPreprocess
from lightloop.data.text.tokenizer import FILE, train_tokenizer
from lightloop.serving.background import packed
from lightloop.serving.golden import make_golden
from lightloop.serving.manifest import EXPLANATION, FORMAT, GOLDEN, GRAPH, HASHES, MANIFEST, WEIGHTS, hash_files
from lightloop.serving.predictor import Predictor

SIZE = (4, 6)
KINDS = ("tabular", "image", "text", "series", "noise")
# Tests that look at no kind in particular rest on the first that the project has.
PLAIN = KINDS[0]
NAME = f"tiny-{PLAIN}"
LABELS = {"tabular": ("no", "yes"), "image": ("dark", "light"), "text": ("short", "long")}
FLOAT, TEXT = TensorProto.FLOAT, TensorProto.STRING


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of pixels (H, W) or (H, W, 3)."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def grey(level: int, size: tuple[int, int] = SIZE) -> bytes:
    """A grey image, encoded."""
    return png(np.full(size, level, dtype=np.uint8))


def image_record(level: int = 90) -> dict[str, Any]:
    return {"image": base64.b64encode(grey(level)).decode()}


def plain_record(number: int = 20) -> dict[str, Any]:
    """A record of the plain kind: each number from 0 to 255 is another one, those up to 40 of the first class."""
    return NUMBERED[PLAIN](number)


def secret_record() -> dict[str, Any]:
    """A record of the plain kind whose values can be looked for."""
    return SECRETS[PLAIN]


def tiny_bundle(kind: str, folder: Path, *, bias: float = 0.0, golden: bool = True) -> Path:
    """Write a bundle.

    Args:
        kind: of `KINDS`.
        folder: to write.
        bias: of its answers, so that two bundles differ.
        golden: whether it holds golden records.
    """
    content, nodes, constants, questions = MAKERS[kind](bias)
    folder.mkdir(parents=True, exist_ok=True)
    feeds, outputs = content.pop("feeds"), content.pop("outputs")
    files: dict[str, bytes] = content.pop("preprocessing", {})
    arrays = content.pop("arrays", None)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, dtype, ["batch", *shape]) for name, dtype, shape in feeds],
        [helper.make_tensor_value_info(name, dtype, ["batch", *shape]) for name, dtype, shape in outputs],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / GRAPH)
    (folder / WEIGHTS).write_bytes(f"weights {bias}".encode())
    for name, file in files.items():
        (folder / "preprocessing").mkdir(exist_ok=True)
        (folder / "preprocessing" / name).write_bytes(file)
    if arrays is not None:
        (folder / EXPLANATION).write_bytes(packed(arrays))
    manifest = {
        "format": FORMAT,
        "name": f"tiny-{kind}",
        "files": list(files),
        "outputs": [
            {"name": name, "dtype": helper.tensor_dtype_to_np_dtype(dtype).name, "shape": [None, *shape]}
            for name, dtype, shape in outputs
        ],
        "parameters": 3,
        "data_version": None,
        "opset": 20,
        "libraries": {},
        "config": {},
        **content,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    seal(folder)
    if golden:
        found = make_golden(Predictor.load(folder), questions)
        (folder / GOLDEN).write_text(json.dumps(found.model_dump(mode="json")))
        seal(folder)
    return folder


def asked(kind: str = PLAIN) -> pa.Table:
    """The records that golden records of such bundles are made of."""
    return MAKERS[kind](0.0)[3]


def seal(folder: Path) -> None:
    (folder / HASHES).write_text(json.dumps(hash_files(folder)))


Made = tuple[dict[str, Any], list[NodeProto], dict[str, NDArray[Any]], pa.Table]
LEVELS = [{"level": 0.9, "quantiles": [0.6]}]
SETS = {"conformal": {"score": "lac", "n": [99], "levels": LEVELS}, "abstain": {"name": "set"}}


def _classes(values: str, bias: float) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Logits and probabilities of one value (N, 1): of the second class the value, of the first nought."""
    nodes = [
        helper.make_node("Gemm", [values, "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    return nodes, {"weights": np.array([[0, 1]], np.float32), "bias": np.array([0, bias], np.float32)}


def _tabular(bias: float) -> Made:
    """Columns with awkward names; the answer is the age over ten, less five, and two more in Oslo."""
    nodes, constants = _classes("sum", bias)
    nodes = [
        helper.make_node("IsNaN", ["the age"], ["absent"]),
        helper.make_node("Where", ["absent", "fifty", "the age"], ["known"]),
        helper.make_node("Div", ["known", "ten"], ["tenth"]),
        helper.make_node("Sub", ["tenth", "five"], ["centred"]),
        helper.make_node(
            "LabelEncoder",
            ["class"],
            ["town"],
            domain="ai.onnx.ml",
            keys_strings=["Oslo", "Rome"],
            values_floats=[2.0, 0.0],
            default_float=0.0,
        ),
        helper.make_node("Mul", ["income €/a", "nought"], ["unused"]),
        helper.make_node("IsNaN", ["unused"], ["unknown"]),
        helper.make_node("Where", ["unknown", "nought", "unused"], ["nothing"]),
        helper.make_node("Sum", ["centred", "town", "nothing"], ["sum"]),
        *nodes,
    ]
    constants |= {
        name: np.array([[value]], np.float32)
        for name, value in (("fifty", 50), ("ten", 10), ("five", 5), ("nought", 0))
    }
    features = [
        {"name": "the age", "kind": "number", "low": 18, "high": 90},
        {"name": "income €/a", "kind": "number", "low": -5.5, "high": 1e6, "missing": True},
        {"name": "class", "kind": "category", "values": ["Oslo", "Rome"], "missing": True},
    ]
    content = {
        "modality": "tabular",
        "problem": "classification",
        "classes": list(LABELS["tabular"]),
        "answer": "probabilities",
        "calibration": SETS,
        "input": {"kind": "tabular", "features": features},
        "feeds": [("the age", FLOAT, [1]), ("income €/a", FLOAT, [1]), ("class", TEXT, [1])],
        "outputs": [("logits", FLOAT, [2]), ("probabilities", FLOAT, [2])],
        "explaining": {"noun": "columns", "units": 3, "records": 2, "file": EXPLANATION},
        "arrays": {
            "0": np.array([30, 60], np.float32),
            "1": np.array([1, 2], np.float32),
            "2": np.array(["Oslo", "Rome"]),
        },
    }
    rows = {"the age": [20.0, 50.0, 80.0], "income €/a": [1000.0, None, 0.0], "class": ["Oslo", "Rome", None]}
    return content, nodes, constants, pa.table(rows)


def _image(bias: float) -> Made:
    """Light where the mean level is above 100."""
    nodes, constants = _classes("level", bias)
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "hundred"], ["above"]),
        helper.make_node("Div", ["above", "ten"], ["level"]),
        *nodes,
    ]
    constants |= {
        "axes": np.array([2, 3], np.int64),
        "hundred": np.array(100, np.float32),
        "ten": np.array(10, np.float32),
    }
    content = {
        "modality": "image",
        "problem": "classification",
        "classes": list(LABELS["image"]),
        "answer": "probabilities",
        "calibration": SETS,
        "input": {"kind": "image", "channels": 1, "size": SIZE},
        "feeds": [("image", TensorProto.UINT8, [1, *SIZE])],
        "outputs": [("logits", FLOAT, [2]), ("probabilities", FLOAT, [2])],
        "explaining": {"noun": "pixels", "units": 24, "file": EXPLANATION},
        "arrays": {"typical": np.full((1, *SIZE), 100, np.uint8)},
    }
    images = pa.array([grey(level) for level in (60, 110, 200)], pa.large_binary())
    return content, nodes, constants, pa.table({"image": images})


def _text(bias: float) -> Made:
    """Long where there are more than three tokens."""
    nodes, constants = _classes("more", bias)
    nodes = [
        helper.make_node("Cast", ["ids"], ["numbers"], to=FLOAT),
        helper.make_node("Sign", ["numbers"], ["ones"]),
        helper.make_node("ReduceSum", ["ones", "axes"], ["count"], keepdims=1),
        helper.make_node("Sub", ["count", "three"], ["more"]),
        *nodes,
    ]
    constants |= {"axes": np.array([1], np.int64), "three": np.array(3, np.float32)}
    words = ["one two three four five six seven", "one two"]
    content = {
        "modality": "text",
        "problem": "classification",
        "classes": list(LABELS["text"]),
        "answer": "probabilities",
        "calibration": SETS,
        "input": {"kind": "text", "max_length": 8},
        "preprocessing": {FILE: train_tokenizer(TextPreprocess(name="text", min_count=1), words)},
        "feeds": [("ids", TensorProto.INT64, [None])],
        "outputs": [("logits", FLOAT, [2]), ("probabilities", FLOAT, [2])],
        "explaining": {"noun": "tokens", "units": 4},
    }
    return content, nodes, constants, pa.table({"text": pa.array(words, pa.large_string())})


def _series(bias: float) -> Made:
    """The mean of the known values, and one more."""
    nodes = [
        helper.make_node("IsNaN", ["series"], ["absent"]),
        helper.make_node("Where", ["absent", "nought", "series"], ["known"]),
        helper.make_node("ReduceMean", ["known", "axes"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "steps"], ["prediction"]),
    ]
    constants = {
        "nought": np.array(0, np.float32),
        "axes": np.array([1], np.int64),
        "steps": np.array([[bias, bias + 1]], np.float32),
    }
    levels = [{"level": 0.9, "quantiles": [0.5, 1.5]}]
    content = {
        "modality": "series",
        "problem": "forecasting",
        "classes": [],
        "answer": "prediction",
        "calibration": {"conformal": {"score": "residual", "n": [99], "levels": levels}},
        "input": {"kind": "series", "column": "load", "window": 4, "time": "day"},
        "feeds": [("series", FLOAT, [4, 1])],
        "outputs": [("prediction", FLOAT, [2])],
        "explaining": {"noun": "steps", "units": 4, "file": EXPLANATION},
        "arrays": {"typical": np.zeros(4, np.float32)},
    }
    rows = {
        "load": pa.array([[1.0, 2.0, 3.0, 4.0], [0.0, None, 1.0, 1.0]], pa.list_(pa.float32())),
        "day": pa.array([datetime(2026, 1, 4), datetime(2026, 1, 5)], pa.timestamp("s")),
    }
    return content, nodes, constants, pa.table(rows)


def _noise(bias: float) -> Made:
    """An image of one pixel for each of four numbers."""
    nodes = [
        helper.make_node("Mul", ["noise", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "nought", "most"], ["levels"]),
        helper.make_node("Reshape", ["levels", "shape"], ["pixels"]),
        helper.make_node("Cast", ["pixels"], ["image"], to=TensorProto.UINT8),
    ]
    constants = {
        "scale": np.array(100 + bias, np.float32),
        "nought": np.array(0, np.float32),
        "most": np.array(255, np.float32),
        "shape": np.array([-1, 1, 2, 2], np.int64),
    }
    content = {
        "modality": "image",
        "problem": "generation",
        "classes": [],
        "answer": "image",
        "input": {"kind": "noise", "size": 4},
        "feeds": [("noise", FLOAT, [4])],
        "outputs": [("image", TensorProto.UINT8, [1, 2, 2])],
    }
    return content, nodes, constants, pa.table({"noise": [[0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]})


NUMBERED: dict[str, Callable[[int], dict[str, Any]]] = {
    "tabular": lambda number: {"the age": number},
    "image": image_record,
    "text": lambda number: {"text": str(number)},
    "series": lambda number: {"load": [number, 2, 3, 4], "day": "2026-01-04"},
    "noise": lambda number: {"noise": [number, 1, 2, 3]},
}
SECRETS: dict[str, dict[str, Any]] = {
    "tabular": {"class": "a very secret town"},
    "image": image_record(77),
    "text": {"text": "a very secret text"},
    "series": {"load": [98765.4, 2, 3, 4], "day": "2026-01-04"},
    "noise": {"noise": [98765.4, 1, 2, 3]},
}
MAKERS: dict[str, Callable[[float], Made]] = {
    "tabular": _tabular,
    "image": _image,
    "text": _text,
    "series": _series,
    "noise": _noise,
}
