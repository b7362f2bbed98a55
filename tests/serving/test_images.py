"""A bundle of images made by hand: what it answers is what NumPy answers, however it is asked.

The reader is tested against the format here, not against our writer.
"""

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pictures import probabilities
from PIL import Image

from lightloop.errors import LightloopError, RefusedError
from lightloop.serving.predictor import Predictor

SIZE = (4, 6)
CLASSES = ["dark", "light", "red"]


def write_graph(path: Path, *, classes: int = 3) -> None:
    """Logits: nought, the mean level over all pixels less 100, that of the first channel less that of the others."""
    weights = np.zeros((3, classes), np.float32)
    weights[:, 1] = 1 / 3
    weights[0, 2], weights[1:, 2] = 1, -0.5
    bias = np.zeros(classes, np.float32)
    bias[1] = -100
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["means"], keepdims=0),
        helper.make_node("Gemm", ["means", "weights", "bias"], ["raw"]),
        helper.make_node("Div", ["raw", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "answer",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 3, *SIZE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", classes])
            for name in ("logits", "probabilities")
        ],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.flatten()),
            helper.make_tensor("bias", TensorProto.FLOAT, bias.shape, bias),
            helper.make_tensor("scale", TensorProto.FLOAT, [], [30.0]),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def answer(pixels_NCHW: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same by NumPy."""
    means = pixels_NCHW.astype(np.float64).mean((2, 3))
    logits = np.stack([0 * means[:, 0], means.mean(1) - 100, means[:, 0] - means[:, 1:].mean(1)], 1) / 30
    powers = np.exp(logits - logits.max(1, keepdims=True))
    answers: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return answers


def manifest() -> dict[str, Any]:
    return {
        "format": 1,
        "name": "lamp",
        "modality": "image",
        "problem": "classification",
        "classes": CLASSES,
        "answer": "probabilities",
        "input": {
            "kind": "image",
            "channels": 3,
            "size": SIZE,
        },
        "outputs": [{"name": name, "dtype": "float32", "shape": [None, 3]} for name in ("logits", "probabilities")],
        "parameters": 12,
        "data_version": None,
        "opset": 20,
        "libraries": {"torch": "2.15.0"},
        "config": {"seed": 1},
    }


def write(folder: Path, **changes: Any) -> Path:
    """A bundle made by hand: the reader is tested against the format, not against our writer."""
    folder.mkdir()
    write_graph(folder / "model.onnx")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "bundle.json").write_text(json.dumps(manifest() | changes))
    return seal(folder)


def seal(folder: Path) -> Path:
    files = [path for path in sorted(folder.iterdir()) if path.name != "hashes.json"]
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "hashes.json").write_text(json.dumps(hashes))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle")


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (65, 3, *SIZE), dtype=np.uint8)


@pytest.mark.parametrize("batch_size", [1, 3, 64, 65, 1000])
def test_probabilities_do_not_depend_on_the_batch(bundle: Path, pixels: NDArray[np.uint8], batch_size: int) -> None:
    answers = probabilities(Predictor.load(bundle), pixels, batch_size)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, answer(pixels), atol=1e-6)


@pytest.mark.parametrize("level", [0, 255])
def test_extreme_levels(bundle: Path, level: int) -> None:
    pixels = np.full((2, 3, *SIZE), level, dtype=np.uint8)
    answers = probabilities(Predictor.load(bundle), pixels)
    np.testing.assert_allclose(answers, answer(pixels), atol=1e-6)
    assert answers.argmax(1).tolist() == [1 if level else 0] * 2


def test_any_memory_layout(bundle: Path, pixels: NDArray[np.uint8]) -> None:
    predictor = Predictor.load(bundle)
    expected = probabilities(predictor, pixels)
    turned = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(probabilities(predictor, turned), expected)
    np.testing.assert_array_equal(probabilities(predictor, pixels[::-1])[::-1], expected)


def test_no_records(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    assert probabilities(predictor, np.empty((0, 3, *SIZE), np.uint8)).shape == (0, 3)
    assert predictor.predict([]) == []


def test_threads_and_callers_at_once_agree(bundle: Path, pixels: NDArray[np.uint8]) -> None:
    predictor = Predictor.load(bundle, threads=2)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda rows: probabilities(predictor, pixels[rows:], 7), range(16)))
    for start, part in enumerate(answers):
        np.testing.assert_allclose(part, answer(pixels[start:]), atol=1e-6)


def encode(color: tuple[int, int, int], size: tuple[int, int], form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, form)
    return buffer.getvalue()


def test_predict_takes_images_of_any_size_and_form(bundle: Path) -> None:
    grey = io.BytesIO()
    Image.new("L", (5, 5), 250).save(grey, "PNG")
    images = [encode((0, 0, 0), (6, 4)), grey.getvalue(), encode((250, 0, 0), (40, 31), "JPEG")]
    found = Predictor.load(bundle).predict(images)
    assert [prediction.label for prediction in found] == ["dark", "light", "red"]
    for prediction in found:
        assert prediction.probability == max(prediction.probabilities)
        assert prediction.probabilities[CLASSES.index(prediction.label)] == prediction.probability
        assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-6)
    black = np.zeros((1, 3, *SIZE), np.uint8)
    np.testing.assert_allclose(found[0].probabilities, answer(black)[0], atol=1e-6)


def test_predict_refuses_what_is_no_image(bundle: Path) -> None:
    with pytest.raises(RefusedError, match="record number 1: an image of 5 bytes does not decode"):
        Predictor.load(bundle).predict([b"hello"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((1, 3, *SIZE), np.float32), "image is float32: expected a NumPy array of uint8"),
        ([[1, 2]], "image is list: expected a NumPy array of uint8"),
        (np.zeros((3, *SIZE), np.uint8), r"shape \(3, 4, 6\): this bundle expects \(N, 3, 4, 6\)"),
        (np.zeros((1, 1, *SIZE), np.uint8), r"shape \(1, 1, 4, 6\): this bundle expects \(N, 3, 4, 6\)"),
        (np.zeros((1, *SIZE, 3), np.uint8), r"shape \(1, 4, 6, 3\): this bundle expects \(N, 3, 4, 6\)"),
    ],
)
def test_wrong_pixels_are_one_sentence(bundle: Path, wrong: Any, message: str) -> None:
    with pytest.raises(LightloopError, match=message):
        probabilities(Predictor.load(bundle), wrong)


def test_an_older_bundle_answers_the_most_probable_class(bundle: Path) -> None:
    (found,) = Predictor.load(bundle).predict([encode((0, 0, 0), (6, 4))])
    assert (found.label, found.level, found.abstains, found.possible) == ("dark", None, False, tuple(CLASSES))


def test_rules_of_the_bundle_decide_and_doubt(tmp_path: Path) -> None:
    # A "dark" that is wrong costs 50 times as much as another mistake.
    costs = [[0, 1, 1], [50, 0, 1], [50, 1, 0]]
    conformal = {
        "score": "lac",
        "n": [99],
        "levels": [{"level": 0.9, "quantiles": [0.7]}, {"level": 0.99, "quantiles": [None]}],
    }
    rules = {"decision": {"name": "costs", "costs": costs}, "conformal": conformal, "abstain": {"name": "set"}}
    predictor = Predictor.load(write(tmp_path / "bundle", format=2, calibration=rules))
    pixels = np.full((1, 3, *SIZE), 90, np.uint8)
    p_NK = probabilities(predictor, pixels)
    assert p_NK[0].argmax() == CLASSES.index("dark")
    (found,) = predictor.predict([encode((90, 90, 90), (6, 4))])
    expected = min(range(3), key=lambda answer: sum(p_NK[0, actual] * costs[actual][answer] for actual in range(3)))
    assert found.label == CLASSES[expected] != "dark"
    assert found.probability == p_NK[0, expected]
    assert found.possible == tuple(name for name, p in zip(CLASSES, p_NK[0], strict=True) if 1 - p <= 0.7)
    assert found.abstains == (len(found.possible) != 1)
    assert predictor.sets(p_NK, 0.99).all()
    with pytest.raises(LightloopError, match=r"no conformal quantiles of level 0.5: the levels are 0.9, 0.99"):
        predictor.sets(p_NK, 0.5)
