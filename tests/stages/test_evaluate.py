import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pictures import logits

from lightloop.data.image.preprocessor import ImagePreprocessor
from lightloop.data.image.records import decode_images
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError
from lightloop.files import read_json
from lightloop.stages.evaluate import evaluate
from lightloop.tasks.checkpoint import build_network, checkpoint_extras, load_model

FILES = (
    "predictions.parquet",
    "metrics.json",
    "classes.json",
    "confusion.csv",
    "mistakes.json",
    "horizons.json",
    "slices.json",
    "fairness.json",
    "calibration.json",
    "uncertainty.json",
)


def write_checkpoint(config, project, *, fill=None):
    """A network with fresh weights, as the train stage stores it."""
    torch.manual_seed(0)
    preprocessor = ImagePreprocessor(config)
    network = build_network(config, preprocessor.inputs)
    preprocessor.fit_pixels(torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16))
    state = {f"preprocessor.{key}": value for key, value in preprocessor.state_dict().items()}
    state |= {f"network.{key}": value for key, value in network.state_dict().items()}
    if fill is not None:
        last = list(network.state_dict())[-1]
        state[f"network.{last}"] = torch.full_like(state[f"network.{last}"], fill)
    project.training.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint_extras(config, preprocessor) | {"state_dict": state}, project.checkpoint)


def change_test_records(project, change):
    """Rewrite the test file, each record as `change` gives it back."""
    path = project.root / "data/fashion/test.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist([change(row) for row in table.to_pylist()], schema=table.schema), path)


def test_it_leaves_the_evidence_of_the_test_split(small_config, project):
    write_checkpoint(small_config, project)
    evaluate(small_config, project)
    assert sorted(path.name for path in project.evaluation.iterdir()) == sorted(FILES)

    spec = small_config.data
    test = read_splits(spec, project.root, small_config.seed)["test"]
    pixels = torch.from_numpy(decode_images(test["image"].to_pylist(), spec.size, spec.channels))
    expected = logits(load_model(project.checkpoint), pixels).softmax(1).numpy()
    predictions = pq.read_table(project.predictions)
    found = np.array(predictions["probabilities"].to_pylist())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert predictions["id"].to_pylist() == test["id"].to_pylist()
    assert predictions["label"].to_pylist() == test["label"].to_pylist()
    assert predictions["prediction"].to_pylist() == [spec.classes[code] for code in found.argmax(1)]

    metrics = read_json(project.metrics)
    right = np.mean([a == b for a, b in zip(predictions["label"], predictions["prediction"], strict=True)])
    assert metrics["n"] == 100
    assert metrics["metrics"]["accuracy"]["value"] == pytest.approx(right)
    # 270 images teach a linear model something, and an untrained network answers by chance.
    assert metrics["baseline"]["accuracy"]["low"] > 0.5 > metrics["metrics"]["accuracy"]["high"]
    assert metrics["better_than_baseline"]["high"] < 0
    assert [row["n"] for row in read_json(project.classes)] == [10] * 10
    assert len(read_json(project.mistakes)) == 24
    assert len(project.confusion.read_text().splitlines()) == 101


def test_running_again_gives_the_same_bytes_and_failing_leaves_them(small_config, project):
    write_checkpoint(small_config, project)
    evaluate(small_config, project)
    first = {name: (project.evaluation / name).read_bytes() for name in FILES}
    evaluate(small_config, project)
    assert first == {name: (project.evaluation / name).read_bytes() for name in FILES}

    change_test_records(project, lambda row: row | {"image": row["image"] | {"bytes": b"no image"}})
    with pytest.raises(RefusedError, match="an image of 8 bytes does not decode"):
        evaluate(small_config, project)
    assert first == {name: (project.evaluation / name).read_bytes() for name in FILES}


def test_the_baseline_never_sees_the_labels_of_the_test(small_config, project):
    write_checkpoint(small_config, project)
    evaluate(small_config, project)
    first = pq.read_table(project.predictions)
    change_test_records(project, lambda row: row | {"label": "bag"})
    evaluate(small_config, project)
    second = pq.read_table(project.predictions)
    assert set(second["label"].to_pylist()) == {"bag"}
    assert first["baseline_probabilities"] == second["baseline_probabilities"]
    assert first["probabilities"] == second["probabilities"]
    assert read_json(project.metrics)["metrics"]["auroc"]["value"] is None


def test_larger_images_are_scaled_for_the_baseline_alone(small_config, project):
    data = small_config.data.model_copy(update={"size": (40, 36)})
    config = small_config.model_copy(update={"data": data})
    write_checkpoint(config, project)
    evaluate(config, project)
    assert read_json(project.metrics)["baseline"]["accuracy"]["low"] > 0.5


def test_without_a_checkpoint_it_says_what_makes_one(small_config, project):
    with pytest.raises(LightloopError, match=r"model\.ckpt is missing: run `lightloop run`"):
        evaluate(small_config, project)


def test_a_checkpoint_of_other_classes_is_refused(small_config, project):
    data = small_config.data.model_copy(update={"classes": tuple(reversed(small_config.data.classes))})
    write_checkpoint(small_config.model_copy(update={"data": data}), project)
    with pytest.raises(LightloopError, match=r"was trained for the classes trouser, .* but the config has ankle-boot"):
        evaluate(small_config, project)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_answers_no_numbers_is_refused(small_config, project, value):
    write_checkpoint(small_config, project, fill=value)
    with pytest.raises(LightloopError, match="answers NaN or infinity on test records: train it again"):
        evaluate(small_config, project)
    assert not project.evaluation.exists()


def test_an_empty_test_split_is_refused(small_config, project):
    write_checkpoint(small_config, project)
    path = project.root / "data/fashion/test.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(LightloopError, match="the test split of fashion has no record"):
        evaluate(small_config, project)


@pytest.mark.slow
def test_it_imports_neither_lightning_nor_torchmetrics():
    code = "import sys, lightloop.stages.evaluate; print({'pytorch_lightning', 'torchmetrics'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
