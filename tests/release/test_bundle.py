"""The bundle answers like the network that it was made of, is the same each time, and says nothing of the machine."""

import getpass
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pictures import logits, probabilities
from safetensors.torch import load_file

from lightloop.config.compose import compose_config, validate_config
from lightloop.config.image import ImageSpec
from lightloop.data.image.preprocessor import ImagePreprocessor
from lightloop.data.image.records import decode_images
from lightloop.errors import LightloopError
from lightloop.evaluation.problem import Problem, problem_of
from lightloop.files import file_size
from lightloop.project import Project
from lightloop.release.bundle import OPSET, describe, export_graph, write_bundle
from lightloop.release.parity import measure_parity
from lightloop.serving.manifest import hash_files, read_manifest, verify_bundle
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model, build_network

NETWORKS = {
    "cnn": ("network=cnn", "network.channels=[4,6]"),
    "resnet": ("network=resnet", "network.channels=[4,6]", "network.blocks=1"),
    "mlp": ("network=mlp", "network.hidden=[12]", "explain=gradients"),
    "colour": ("network=cnn", "network.channels=[4,6]", "data.channels=3", "data.size=[10,14]"),
}
# Rounding of float32, enlarged by a head that spreads nearly equal features over the classes; the gate allows 1e-4.
TOLERANCE = 1e-5
Export = tuple[Model, Path]


@pytest.fixture(scope="session")
def exported(repository: Project, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Export]:
    """A small model with weights that matter, and its bundle; each made once."""
    made: dict[str, Export] = {}

    def get(name: str) -> Export:
        if name not in made:
            model = make_model(repository, NETWORKS[name])
            folder = tmp_path_factory.mktemp(name) / "bundle"
            write_bundle(model, folder, data_version="0123.dir")
            made[name] = (model, folder)
        return made[name]

    return get


def make_model(repository: Project, overrides: tuple[str, ...]) -> Model:
    """A model as after a training: statistics of its normalisations are not those of a fresh one, logits vary."""
    config = compose_config(repository, overrides)
    torch.manual_seed(0)
    preprocessor = ImagePreprocessor(config)
    network = build_network(config, preprocessor.inputs)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.2, 0.6)
    pixels = random_pixels(config.data.channels, *config.data.size, count=50)
    preprocessor.fit_pixels(pixels)
    model = Model(config, preprocessor.eval(), network.eval())
    head = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        head.weight.div_(logits(model, pixels).std(0)[:, None])
        head.bias.sub_(logits(model, pixels).mean(0))
    return model


def random_pixels(channels: int, height: int, width: int, *, count: int) -> torch.Tensor:
    """Noise, of another brightness in each image and channel: whole levels over the whole range."""
    generator = np.random.default_rng(1)
    brightness = generator.uniform(0, 1, (count, channels, 1, 1))
    noise = generator.integers(0, 256, (count, channels, height, width))
    return torch.from_numpy((noise * brightness).astype(np.uint8))


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_equals_network(name: str, exported: Callable[[str], Export]) -> None:
    model, folder = exported(name)
    spec = model.config.data
    pixels = random_pixels(spec.channels, *spec.size, count=65)
    pixels[0], pixels[1] = 0, 255
    expected = logits(model, pixels).double().softmax(1).numpy()
    assert np.unique(expected.argmax(1)).size > 1, "a model that answers the same for everything shows nothing"
    predictor = Predictor.load(folder)
    for batch_size in (1, 3, 64):
        answers = probabilities(predictor, pixels.numpy(), batch_size)
        assert answers.dtype == np.float32
        np.testing.assert_allclose(answers, expected, rtol=0, atol=TOLERANCE)
        np.testing.assert_array_equal(answers.argmax(1), expected.argmax(1))
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-6)


def test_graph_equals_network_on_real_pixels(repository: Project, exported: Callable[[str], Export]) -> None:
    model, folder = exported("cnn")
    spec = model.config.data
    images = pq.read_table(repository.root / "data/fashion/test.parquet")["image"].slice(0, 200)
    pixels = decode_images([image["bytes"] for image in images.to_pylist()], spec.size, spec.channels)
    expected = logits(model, torch.from_numpy(pixels)).double().softmax(1).numpy()
    np.testing.assert_allclose(probabilities(Predictor.load(folder), pixels), expected, rtol=0, atol=TOLERANCE)


def test_same_model_gives_same_bytes(repository: Project, exported: Callable[[str], Export], tmp_path: Path) -> None:
    _, folder = exported("cnn")
    again = tmp_path / "elsewhere" / "bundle"
    write_bundle(make_model(repository, NETWORKS["cnn"]), again, data_version="0123.dir")
    assert hash_files(again) == hash_files(folder)
    assert verify_bundle(again) == verify_bundle(folder)


def test_other_weights_give_another_digest(
    repository: Project, exported: Callable[[str], Export], tmp_path: Path
) -> None:
    _, folder = exported("mlp")
    model = make_model(repository, NETWORKS["mlp"])
    with torch.no_grad():
        next(model.network.parameters())[0, 0] += 1e-3
    write_bundle(model, tmp_path / "bundle", data_version="0123.dir")
    before, after = hash_files(folder), hash_files(tmp_path / "bundle")
    assert {name for name in before if before[name] != after[name]} == {"model.onnx", "model.safetensors"}
    assert verify_bundle(tmp_path / "bundle") != verify_bundle(folder)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_nothing_names_the_machine(name: str, exported: Callable[[str], Export]) -> None:
    _, folder = exported(name)
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir())).lower()
    for word in (
        str(Path(torch.__file__).parent.parent),
        str(Path.cwd()),
        str(folder),
        "site-packages",
        ".py",
        "forward(",
    ):
        assert word.lower().encode() not in content
    assert not re.search(rb"(/home|/root|/users)/" + getpass.getuser().encode(), content)
    graph = onnx.load(folder / "model.onnx")
    assert (graph.producer_name, graph.producer_version, graph.doc_string) == ("lightloop", "", "")
    notes = [graph.metadata_props, graph.graph.metadata_props, *(node.metadata_props for node in graph.graph.node)]
    assert not any(len(props) for props in notes)


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_is_valid_and_as_the_manifest_says(name: str, exported: Callable[[str], Export]) -> None:
    model, folder = exported(name)
    graph = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", OPSET)]
    spec = model.config.data
    (pixels,) = graph.graph.input
    assert pixels.name == "image"
    assert pixels.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    dims = pixels.type.tensor_type.shape.dim
    assert dims[0].dim_param
    assert not dims[0].dim_value
    assert [dim.dim_value for dim in dims[1:]] == [spec.channels, *spec.size]
    assert [output.name for output in graph.graph.output] == ["logits", "probabilities"]


def test_manifest_holds_what_a_reader_needs(exported: Callable[[str], Export]) -> None:
    model, folder = exported("colour")
    content = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    assert content["classes"] == list(model.config.data.classes)
    assert content["input"] == {"kind": "image", "channels": 3, "size": [10, 14]}
    assert content["data_version"] == "0123.dir"
    assert content["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert "+" not in content["libraries"]["torch"], "the build for one kind of machine is no part of the version"
    assert read_manifest(folder) == describe(model, onnx.load(folder / "model.onnx"), "0123.dir")


@pytest.mark.parametrize("name", NETWORKS)
def test_model_can_be_rebuilt_from_the_bundle(name: str, exported: Callable[[str], Export]) -> None:
    model, folder = exported(name)
    config = validate_config(read_manifest(folder).config)
    assert config == model.config
    preprocessor = ImagePreprocessor(config)
    whole = torch.nn.ModuleDict({"preprocessor": preprocessor, "network": build_network(config, preprocessor.inputs)})
    whole.load_state_dict(load_file(folder / "model.safetensors"))
    rebuilt = Model(config, whole["preprocessor"].eval(), whole["network"].eval())
    pixels = random_pixels(config.data.channels, *config.data.size, count=5)
    assert torch.equal(logits(rebuilt, pixels), logits(model, pixels))


def test_bundle_holds_these_files_readable_by_others(exported: Callable[[str], Export]) -> None:
    _, folder = exported("mlp")
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.json",
        "hashes.json",
        "model.onnx",
        "model.safetensors",
    ]
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert len(modes) == 1, "one file is for fewer eyes than the others"


@pytest.mark.slow
def test_failed_export_leaves_the_old_bundle(
    exported: Callable[[str], Export], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = exported("mlp")
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "old").write_text("good")

    def full_disk(state: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lightloop.release.bundle.save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(model, folder, data_version=None)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (folder / "old").read_text() == "good"


class NotInOnnx(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = torch.linalg.svdvals(x[:, 0])
        return values[:, :10]


class Branching(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = x.flatten(1)[:, :10]
        return logits if x.sum() > 0 else -logits


@pytest.mark.parametrize(("network", "reason"), [(NotInOnnx, "svd"), (Branching, "data-dependent")])
def test_network_that_onnx_lacks_is_one_sentence(
    network: type[torch.nn.Module],
    reason: str,
    exported: Callable[[str], Export],
    capfd: pytest.CaptureFixture[str],
) -> None:
    model, _ = exported("cnn")
    capfd.readouterr()
    with pytest.raises(LightloopError, match=rf"^network=cnn does not export to ONNX \(.*{reason}.*\): use operations"):
        export_graph(Model(model.config, model.preprocessor, network()))
    assert capfd.readouterr() == ("", "")


def test_no_pickle_and_no_torch_on_the_way_to_an_answer(exported: Callable[[str], Export]) -> None:
    _, folder = exported("cnn")
    program = f"""
import pickle, sys
def refuse(*args, **kwargs): raise AssertionError("pickle")
pickle.load = pickle.loads = pickle.Unpickler = refuse
import numpy as np
from pathlib import Path
from lightloop.serving.predictor import Predictor
predictor = Predictor.load(Path({str(folder)!r}))
print(predictor.run({{"image": np.zeros((2, 1, 28, 28), np.uint8)}})["probabilities"].shape)
assert not {{"torch", "pytorch_lightning", "onnx", "pandas"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("(2, 10)\n", "", 0)


def test_size_is_that_of_the_weights_twice(exported: Callable[[str], Export]) -> None:
    model, folder = exported("mlp")
    weights = 4 * sum(p.numel() for p in model.network.parameters())
    assert file_size(folder) < 2 * weights + 20_000


def problem(classes: list[str]) -> Problem:
    spec = {"name": "x", "modality": "image", "problem": "classification", "path": "x", "expectations": "x"}
    columns = {"image": "feature", "label": "target"}
    files = {"train": "a", "test": "b"}
    return problem_of(
        ImageSpec(**spec, columns=columns, files=files, classes=classes, size=(2, 2), channels=1)  # type: ignore[arg-type]
    )


def predictions(labels: list[str], probabilities: list[list[float]]) -> pa.Table:
    ids = [f"test/{row}" for row in range(len(labels))]
    return pa.table({"id": ids, "prediction": labels, "probabilities": probabilities})


def test_parity_counts_what_differs() -> None:
    answers = np.array([[0.6, 0.4], [0.5, 0.5], [0.25, 0.75]], dtype=np.float32)
    told = predictions(["a", "b", "b"], [[0.6, 0.4], [0.375, 0.625], [0.25, 0.75]])
    parity = measure_parity(problem(["a", "b"]), ["test/0", "test/1", "test/2"], answers, told)
    assert (parity.n, parity.different_predictions) == (3, 1)
    assert parity.max_difference == pytest.approx(0.125, abs=1e-7)


def test_parity_of_the_same_is_zero() -> None:
    answers = np.random.default_rng(0).dirichlet(np.ones(3), 50).astype(np.float32)
    told = predictions([["a", "b", "c"][best] for best in answers.argmax(1)], answers.tolist())
    parity = measure_parity(problem(["a", "b", "c"]), [f"test/{row}" for row in range(50)], answers, told)
    assert (parity.max_difference, parity.different_predictions) == (0.0, 0)


def test_parity_refuses_what_cannot_be_compared() -> None:
    told = predictions(["a"], [[1.0, 0.0]])
    good = np.array([[1, 0]], dtype=np.float32)
    with pytest.raises(LightloopError, match=r"holds 1 records, which are not the 1 test records .+ evaluate stage"):
        measure_parity(problem(["a", "b"]), ["test/7"], good, told)
    with pytest.raises(LightloopError, match=r"the exported graph answers test/0 .+ not a number"):
        measure_parity(problem(["a", "b"]), ["test/0"], np.array([[np.nan, 0]], dtype=np.float32), told)
    with pytest.raises(LightloopError, match="the test split is empty"):
        measure_parity(problem(["a", "b"]), [], good[:0], told.slice(0, 0))
