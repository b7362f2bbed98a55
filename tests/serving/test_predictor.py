"""The predictor refuses what is not the bundle that was written, and answers the same however it is asked."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
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
from pydantic import ValidationError

from lightloop.errors import LightloopError, RefusedError
from lightloop.serving.manifest import hash_files, read_manifest, verify_bundle
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


def test_load_says_what_the_bundle_is(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    assert predictor.classes == tuple(CLASSES)
    assert predictor.manifest == read_manifest(bundle)
    assert predictor.digest == hashlib.sha256((bundle / "hashes.json").read_bytes()).hexdigest()
    assert predictor.digest == verify_bundle(bundle)
    with pytest.raises(ValidationError, match="frozen"):
        predictor.manifest.name = "other"


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


def test_wrong_batch_size(bundle: Path, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(LightloopError, match="batch_size is 0: expected 1 or more"):
        probabilities(Predictor.load(bundle), pixels, 0)


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "bundle.json"])
def test_one_changed_bit_is_refused(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(LightloopError, match=f"^{name} is changed in the bundle .+: run `lightloop run`"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "bundle.json"])
def test_missing_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(LightloopError, match=f"^{name} is missing from the bundle"):
        Predictor.load(bundle)
    seal(bundle)
    if name == "model.safetensors":  # a compressed bundle has no weights beside its graph
        assert Predictor.load(bundle).classes == tuple(CLASSES)
        return
    with pytest.raises(LightloopError, match=f"^{name} is missing from the bundle"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", ["extra.bin", "inner/extra.bin", ".hidden"])
def test_extra_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_bytes(b"")
    with pytest.raises(LightloopError, match=f"^{name} is not listed in hashes.json of the bundle"):
        Predictor.load(bundle)


def test_missing_folder_and_missing_hashes(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(LightloopError, match="nowhere is missing: run `lightloop run`, whose export stage makes"):
        Predictor.load(tmp_path / "nowhere")
    (bundle / "hashes.json").unlink()
    with pytest.raises(LightloopError, match=r"hashes\.json is missing, so .+ is not a whole bundle"):
        Predictor.load(bundle)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not valid JSON"), ("[]", "holds a list where an object was expected"), ("\xff", "is not valid JSON")],
)
def test_damaged_hashes(bundle: Path, content: str, message: str) -> None:
    (bundle / "hashes.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(LightloopError, match=message):
        Predictor.load(bundle)


def test_bundle_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        LightloopError, match="has format 5, but this Lightloop reads format 1 and 2 and 3 and 4: use the"
    ):
        Predictor.load(write(tmp_path / "newer", format=5))


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


@pytest.mark.parametrize("rules", [{"decision": {"name": "dice"}}, {"limit": 1}])
def test_rules_that_nobody_knows_are_refused(tmp_path: Path, rules: dict[str, Any]) -> None:
    with pytest.raises(LightloopError, match=r"bundle\.json does not fit: calibration\."):
        Predictor.load(write(tmp_path / "bundle", format=2, calibration=rules))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "one"}, "bundle.json does not fit: classes"),
        ({"surprise": 1}, "bundle.json does not fit: surprise"),
        ({"classes": ["a", "b"]}, "model.onnx has .+, but bundle.json says"),
    ],
)
def test_manifest_that_does_not_fit(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LightloopError, match=message):
        Predictor.load(write(tmp_path / "odd", **changes))


def test_graph_that_is_no_graph_or_another_one(bundle: Path) -> None:
    write_graph(bundle / "model.onnx", classes=4)
    with pytest.raises(LightloopError, match=r"model.onnx has .+, but bundle.json says"):
        Predictor.load(seal(bundle))
    (bundle / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(LightloopError, match=r"model.onnx does not open \(.+\): run `lightloop run`"):
        Predictor.load(seal(bundle))


def test_bundle_of_links_is_whole(bundle: Path, tmp_path: Path) -> None:
    """DVC can be told to link files from its cache."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in bundle.iterdir():
        (linked / path.name).symlink_to(path)
    assert Predictor.load(linked).digest == Predictor.load(bundle).digest


def test_link_to_nowhere_is_a_missing_file(bundle: Path) -> None:
    (bundle / "model.onnx").unlink()
    (bundle / "model.onnx").symlink_to("nowhere")
    with pytest.raises(LightloopError, match=r"^model\.onnx is missing from the bundle"):
        Predictor.load(bundle)


def test_copied_bundle_has_the_same_digest(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    assert verify_bundle(copy) == verify_bundle(bundle)
    assert hash_files(copy) == json.loads((bundle / "hashes.json").read_text())


def test_serving_loads_no_torch() -> None:
    program = (
        "import lightloop.serving.predictor, sys; "
        "assert 'torch' not in sys.modules and 'pytorch_lightning' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_answering_reports_nothing_to_anybody(bundle: Path, tmp_path: Path) -> None:
    """ONNX Runtime writes an identifier into the home folder before it reports what runs there."""
    program = (
        "import sys, pathlib; from lightloop.serving.predictor import Predictor; "
        "Predictor.load(pathlib.Path(sys.argv[1]))"
    )
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", program, str(bundle)]
    done = subprocess.run(words, env=told, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert not (tmp_path / "home").exists()
