"""The predictor refuses what is not the bundle that was written, and answers the same however it is asked."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from tiny_bundles import LABELS, PLAIN, asked, seal, tiny_bundle

from lightloop.errors import LightloopError
from lightloop.serving.manifest import GRAPH, MANIFEST, hash_files, read_manifest, verify_bundle
from lightloop.serving.predictor import Predictor


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(PLAIN, tmp_path / "bundle")


def change(bundle: Path, **changes: Any) -> Path:
    """Another manifest, whose hashes are right."""
    content = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps(content | changes))
    seal(bundle)
    return bundle


def feeds_of(predictor: Predictor, records: int) -> dict[str, NDArray[Any]]:
    """As many records, encoded: those of the golden ones, again and again."""
    questions = asked()
    table = questions.take(np.arange(records) % len(questions))
    return dict(predictor.manifest.input.encode(table, predictor.files))


def test_load_says_what_the_bundle_is(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    assert predictor.classes == tuple(LABELS.get(PLAIN, ()))
    assert predictor.manifest == read_manifest(bundle)
    assert predictor.digest == hashlib.sha256((bundle / "hashes.json").read_bytes()).hexdigest()
    assert predictor.digest == verify_bundle(bundle)
    with pytest.raises(ValidationError, match="frozen"):
        predictor.manifest.name = "other"


@pytest.mark.parametrize("batch_size", [1, 3, 64, 65, 1000])
def test_answers_do_not_depend_on_the_batch(bundle: Path, batch_size: int) -> None:
    predictor = Predictor.load(bundle)
    feeds = feeds_of(predictor, 65)
    found, whole = predictor.run(feeds, batch_size), predictor.run_whole(feeds)
    assert found.keys() == whole.keys()
    for name, values in whole.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_allclose(found[name], values, atol=1e-6)


def test_no_records(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    shapes = {name: values.shape for name, values in predictor.run(feeds_of(predictor, 0)).items()}
    assert shapes == {one.name: (0, *one.shape[1:]) for one in predictor.manifest.outputs}
    assert predictor.predict([]) == []


def test_threads_and_callers_at_once_agree(bundle: Path) -> None:
    predictor = Predictor.load(bundle, threads=2)
    feeds, name = feeds_of(predictor, 65), predictor.manifest.answer
    expected = predictor.run_whole(feeds)[name]
    with ThreadPoolExecutor(4) as pool:
        later = [{one: values[start:] for one, values in feeds.items()} for start in range(16)]
        answers = list(pool.map(lambda part: predictor.run(part, 7)[name], later))
    for start, part in enumerate(answers):
        np.testing.assert_allclose(part, expected[start:], atol=1e-6)


def test_wrong_feeds_are_one_sentence(bundle: Path) -> None:
    predictor = Predictor.load(bundle)
    feeds = feeds_of(predictor, 3)
    name, values = next(iter(feeds.items()))
    for wrong, message in (
        ({"other": values}, f"^inputs are other: this bundle expects .*{name}"),
        ({**feeds, name: [[1, 2]]}, f"^{name} is list: expected a NumPy array of {values.dtype}"),
        ({**feeds, name: values.astype(np.complex64)}, f"^{name} is complex64: expected a NumPy array of"),
        ({**feeds, name: values[..., None]}, rf"^{name} has the shape \(3, .*\): this bundle expects \(N, "),
    ):
        with pytest.raises(LightloopError, match=message):
            predictor.run(wrong)
    with pytest.raises(LightloopError, match="batch_size is 0: expected 1 or more"):
        predictor.run(feeds, 0)


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
        assert Predictor.load(bundle).manifest == read_manifest(bundle)
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


def test_bundle_of_another_format_is_refused(bundle: Path) -> None:
    with pytest.raises(
        LightloopError, match="has format 5, but this Lightloop reads format 1 and 2 and 3 and 4: use the"
    ):
        Predictor.load(change(bundle, format=5))


@pytest.mark.parametrize("rules", [{"decision": {"name": "dice"}}, {"limit": 1}])
def test_rules_that_nobody_knows_are_refused(bundle: Path, rules: dict[str, Any]) -> None:
    with pytest.raises(LightloopError, match=r"bundle\.json does not fit: calibration\."):
        Predictor.load(change(bundle, format=2, calibration=rules))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "one"}, "bundle.json does not fit: classes"),
        ({"surprise": 1}, "bundle.json does not fit: surprise"),
        ({"outputs": []}, "model.onnx has .+, but bundle.json says"),
    ],
)
def test_manifest_that_does_not_fit(bundle: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LightloopError, match=message):
        Predictor.load(change(bundle, **changes))


def test_graph_that_is_no_graph(bundle: Path) -> None:
    (bundle / GRAPH).write_bytes(b"no graph")
    seal(bundle)
    with pytest.raises(LightloopError, match=r"model.onnx does not open \(.+\): run `lightloop run`"):
        Predictor.load(bundle)


def test_graph_of_another_bundle_is_refused(bundle: Path) -> None:
    outputs = read_manifest(bundle).model_dump(mode="json")["outputs"]
    with pytest.raises(LightloopError, match=r"model.onnx has .+, but bundle.json says"):
        Predictor.load(change(bundle, outputs=[one | {"shape": [None, 77]} for one in outputs]))


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
