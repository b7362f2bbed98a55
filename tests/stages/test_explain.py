import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from lightloop.config.compose import compose_config
from lightloop.data.image.preprocessor import ImagePreprocessor
from lightloop.data.image.records import decode_images
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.files import read_json
from lightloop.stages.explain import explain
from lightloop.tasks.checkpoint import CONFIG_KEY, build_network, load_model

FEW = ("explain.records=10", "explain.steps=8", "explain.samples=4")


def stand(config, project):
    """A network with fresh weights and its predictions, as train and evaluate leave them."""
    torch.manual_seed(0)
    preprocessor, network = ImagePreprocessor(config.data.channels), build_network(config)
    preprocessor.fit(torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16))
    state = {f"preprocessor.{key}": value for key, value in preprocessor.state_dict().items()}
    state |= {f"network.{key}": value for key, value in network.state_dict().items()}
    project.training.mkdir(parents=True)
    project.evaluation.mkdir(parents=True)
    torch.save({CONFIG_KEY: config.model_dump(mode="json"), "state_dict": state}, project.checkpoint)
    test = read_splits(config.data, project.root, config.seed)["test"]
    pixels = torch.from_numpy(decode_images(test["image"].to_pylist(), config.data.size, config.data.channels))
    probabilities = load_model(project.checkpoint).logits(pixels).softmax(1)
    names = [config.data.classes[code] for code in probabilities.argmax(1).tolist()]
    columns = {"id": test["id"], "label": test["label"], "prediction": names, "probabilities": probabilities.tolist()}
    columns["baseline_probabilities"] = columns["probabilities"]
    pq.write_table(pa.table(columns), project.predictions)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_leaves_the_evidence_of_a_sample(project):
    config = compose_config(project, FEW)
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert list(result) == ["n", "records", "methods", "control", "curves"]
    assert result["n"] == len(result["records"]) == 10
    assert [record["label"] for record in result["records"]] == list(config.data.classes)

    predictions = {row["id"]: row for row in pq.read_table(project.predictions).to_pylist()}
    for record in result["records"]:
        row = predictions[record["id"]]
        assert (record["label"], record["prediction"]) == (row["label"], row["prediction"])
        assert record["probability"] == max(row["probabilities"])
        pictures = [record["input"], *record["overlays"].values()]
        assert list(record["overlays"]) == list(config.explain.methods)
        for name in pictures:
            with Image.open(project.explanation / name) as image:
                assert image.size == (112, 112)
    assert len(list(project.explanation_images.iterdir())) == 40

    with np.load(project.attributions) as arrays:
        assert arrays["ids"].tolist() == [record["id"] for record in result["records"]]
        assert sorted(arrays) == sorted(["ids", *config.explain.methods])
        assert all(arrays[name].shape == (10, 28, 28) for name in config.explain.methods)
        assert all(arrays[name].dtype == np.float16 for name in config.explain.methods)
        assert all(np.isfinite(arrays[name]).all() for name in config.explain.methods)

    assert list(result["methods"]) == list(config.explain.methods)
    for method in result["methods"].values():
        failed = [name for name, check in method["checks"].items() if check["passed"] is False]
        assert method["trusted"] is (not failed)
        assert len(method["reasons"]) == len(failed)
    assert list(result["control"]) == ["guided_backpropagation"]
    for kind in ("deletion", "insertion"):
        curves = result["curves"][kind]
        assert set(curves) == {*config.explain.methods, "random", "random_blocks"}
        assert all(len(values) == len(result["curves"]["fractions"]) for values in curves.values())
        area = result["methods"]["integrated_gradients"]["checks"][f"{kind}_auc"]["value"]
        assert np.trapezoid(curves["integrated_gradients"], result["curves"]["fractions"]) == pytest.approx(area)


def test_the_same_input_gives_the_same_bytes(project):
    config = compose_config(project, FEW)
    stand(config, project)
    explain(config, project)
    first = digests(project.explanation)
    for path in (project.explanation_result, project.attributions):
        path.unlink()
    torch.rand(3), np.random.rand(3)
    explain(config, project)
    assert digests(project.explanation) == first
    assert len(first) == 42


def test_a_network_without_feature_maps_is_explained_by_gradients(project):
    config = compose_config(project, ["network=mlp", "network.hidden=[8]", "explain=gradients", *FEW])
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert list(result["methods"]) == ["gradient_shap", "integrated_gradients"]
    assert "random_blocks" not in result["curves"]["deletion"]


def test_what_is_missing_or_stale_is_named_and_the_last_evidence_stays(project):
    config = compose_config(project, FEW)
    with pytest.raises(LightloopError, match=r"model\.ckpt is missing"):
        explain(config, project)
    stand(config, project)
    explain(config, project)
    before = digests(project.explanation)
    table = pq.read_table(project.predictions)
    pq.write_table(table.slice(1), project.predictions)
    with pytest.raises(LightloopError, match="not about the test records of today"):
        explain(config, project)
    project.predictions.unlink()
    with pytest.raises(LightloopError, match=r"predictions\.parquet is missing"):
        explain(config, project)
    assert digests(project.explanation) == before


def test_lightning_is_not_loaded():
    code = "import sys, lightloop.stages.explain; print('pytorch_lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
