import functools
import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from standing import stand, with_data

from lightloop.config.compose import compose_config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json
from lightloop.stages.explain import explain
from lightloop.tasks.checkpoint import load_model

FEW = ("explain.records=10", "explain.steps=8", "explain.samples=4")


@pytest.fixture
def other(project):
    """A function that puts a small part of another data set into the project, and gives a config of its experiment."""
    return functools.partial(with_data, project)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_leaves_the_evidence_of_a_sample(project):
    config = compose_config(project, FEW)
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert list(result) == [
        "n", "noun", "score", "records", "methods", "skipped", "agreement", "control", "curves",
    ]  # fmt: skip
    assert result["agreement"]["methods"] == list(config.explain.methods)
    assert {record["kind"] for record in result["records"]} <= {"wrong", "borderline", "correct"}
    assert all((record["kind"] == "wrong") is (record["label"] != record["prediction"]) for record in result["records"])
    assert result["n"] == len(result["records"]) == 10
    labels = [record["label"] for record in result["records"]]
    assert list(dict.fromkeys(labels)) == list(config.data.classes), "each class, one after the other"
    assert labels == sorted(labels, key=config.data.classes.index)

    predictions = {row["id"]: row for row in pq.read_table(project.predictions).to_pylist()}
    for record in result["records"]:
        row = predictions[record["id"]]
        assert (record["label"], record["prediction"]) == (row["label"], row["prediction"])
        assert record["probability"] == max(row["probabilities"])
        # of feature: image
        pictures = [record["input"], *record["overlays"].values()]
        assert list(record["overlays"]) == list(config.explain.methods)
        for name in pictures:
            with Image.open(project.explanation / name) as image:
                assert image.size == (112, 112)
    assert len(list(project.explanation_images.iterdir())) == 10 * (1 + len(config.explain.methods))
    # end

    with np.load(project.attributions) as arrays:
        assert arrays["ids"].tolist() == [record["id"] for record in result["records"]]
        assert sorted(arrays) == sorted(["ids", *config.explain.methods])
        assert len({arrays[name].shape for name in config.explain.methods}) == 1
        assert all(len(arrays[name]) == 10 for name in config.explain.methods)
        # of feature: image
        assert all(arrays[name].shape == (10, 28, 28) for name in config.explain.methods)
        assert all(arrays[name].dtype == np.float16 for name in config.explain.methods)
        # end
        assert len({arrays[name].dtype for name in config.explain.methods}) == 1
        assert all(np.isfinite(arrays[name]).all() for name in config.explain.methods)

    assert list(result["methods"]) == list(config.explain.methods)
    for method in result["methods"].values():
        failed = [name for name, check in method["checks"].items() if check["passed"] is False]
        assert method["trusted"] is (not failed)
        assert len(method["reasons"]) == len(failed)
    # of feature: image
    assert list(result["control"]) == ["guided_backpropagation"]
    assert all("random_blocks" in result["curves"][kind] for kind in ("deletion", "insertion"))
    # end
    for kind in ("deletion", "insertion"):
        curves = result["curves"][kind]
        assert set(curves) - {"random_blocks"} == {*config.explain.methods, "random"}
        assert all(len(values) == len(result["curves"]["fractions"]) for values in curves.values())
        area = result["methods"]["integrated_gradients"]["checks"][f"{kind}_auc"]["value"]
        assert np.trapezoid(curves["integrated_gradients"], result["curves"]["fractions"]) == pytest.approx(area)


@pytest.mark.slow
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
    assert len([name for name in first if name.startswith("images/")]) == 10 * (1 + len(config.explain.methods))
    assert any(name.startswith("influence/") for name in first)


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


METHODS_OF_TABLES = "explain.methods=[integrated_gradients,feature_ablation,kernel_shap]"


@pytest.mark.slow
def test_attention_over_columns_is_explained(other, project):
    config = other("loans", "network=ft_transformer", "explain.records=4", "explain.methods=[feature_ablation]")
    stand(config, project)
    explain(config, project)
    method = read_json(project.explanation_result)["methods"]["feature_ablation"]
    assert {row["name"] for row in method["importance"]} == set(config.data.features)
    assert len(method["checks"]["randomised_correlation"]["by_layer"]) > 3


def test_a_table_is_explained_by_its_columns(other, project):
    config = other("loans", "network.hidden=[16]", METHODS_OF_TABLES)
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert (result["noun"], result["score"], list(result["control"])) == ("columns", "probability", ["blind"])
    assert result["control"]["blind"]["fails_as_expected"] is True
    columns = [row["name"] for row in result["methods"]["kernel_shap"]["importance"]]
    assert set(columns) == set(config.data.features)
    assert result["methods"]["integrated_gradients"]["checks"]["completeness_error"]["value"] < 0.1
    assert result["methods"]["kernel_shap"]["checks"]["completeness_error"]["value"] < 0.01
    rows = read_json(project.explanation_images / "records.json")
    assert [row["id"] for row in rows] == [record["id"] for record in result["records"]]
    test = {row["id"]: row for row in read_splits(config.data, project.root, config.seed)["test"].to_pylist()}
    with np.load(project.attributions) as arrays:
        for place, row in enumerate(rows):
            assert row["parts"] == columns
            assert row["values"] == [test[row["id"]][name] for name in columns]
            assert row["attributions"]["kernel_shap"] == pytest.approx(arrays["kernel_shap"][place], rel=1e-3, abs=1e-7)

    whole = read_json(project.explanation / "global.json")
    assert (whole["noun"], whole["answer"]) == ("columns", "approved")
    assert {row["name"] for row in whole["features"]} == set(config.data.features)
    assert [row["name"] for row in whole["dependence"]["columns"]] == [row["name"] for row in whole["features"][:6]]
    assert len(whole["interactions"]["pairs"]) == 10
    assert [row["name"] for row in whole["outside"]["measures"]] == [
        "mutual_information", "recursive_elimination", "permutation",
    ]  # fmt: skip
    compared = {(row["first"], row["second"]): row["value"] for row in whole["agreement"]["rows"]}
    assert {whole["method"], *config.explain.methods} == {row["first"] for row in whole["agreement"]["rows"][:9]}
    assert all(-1 <= value <= 1 for value in compared.values())
    for name, why in (("concepts", "names no concepts"), ("versions", "was not asked for a champion")):
        content = read_json(project.explanation / f"{name}.json")
        assert content["applies"] is False
        assert why in content["why"]


def test_a_text_is_explained_by_its_tokens_and_not_by_its_padding(other, project):
    config = other(
        "spam", "explain.records=6", "preprocess.max_length=32", "explain.methods=[gradient_shap,feature_ablation]"
    )
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert result["noun"] == "tokens"
    rows = read_json(project.explanation_images / "records.json")
    model, tables = load_model(project.checkpoint), read_splits(config.data, project.root, config.seed)
    texts = {row["id"]: row["text"] for row in tables["test"].to_pylist()}
    with np.load(project.attributions) as arrays:
        for place, row in enumerate(rows):
            (ids_1T,) = model.preprocessor.encode(
                tables["test"].filter(pa.compute.equal(tables["test"]["id"], row["id"]))
            )
            tokens = int((ids_1T != 0).sum())
            assert len(row["parts"]) == tokens == len(row["attributions"]["gradient_shap"])
            assert (arrays["feature_ablation"][place, tokens:] == 0).all()
            assert np.abs(arrays["feature_ablation"][place, :tokens]).sum() > 0
            assert texts[row["id"]] is not None


def test_a_forecast_is_explained_in_its_unit(other, project):
    config = other("co2", "explain.methods=[integrated_gradients,feature_ablation]")
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert (result["noun"], result["score"]) == ("steps", "answer")
    assert result["methods"]["integrated_gradients"]["checks"]["completeness_error"]["value"] < 0.1
    rows = read_json(project.explanation_images / "records.json")
    assert rows[0]["parts"] == [str(step) for step in range(1 - config.data.window, 1)]
    predictions = {row["id"]: row for row in pq.read_table(project.predictions).to_pylist()}
    model, tables = load_model(project.checkpoint), read_splits(config.data, project.root, config.seed)
    assert [record["id"] for record in result["records"]] == [row["id"] for row in rows]
    # What is deleted last leaves the baseline: nothing of the network's answer remains, in parts per million.
    curves = result["curves"]["deletion"]["integrated_gradients"]
    mean = np.mean([np.mean(predictions[row["id"]]["prediction"]) for row in rows])
    sample = tables["test"].filter(pa.compute.is_in(tables["test"]["id"], pa.array([row["id"] for row in rows])))
    (raw_NTC,) = model.preprocessor.encode(sample)
    (drawn_NTC,) = model.preprocessor(
        *model.preprocessor.encode(
            tables["train"].take(np.random.default_rng(config.seed).permutation(len(tables["train"]))[:1000])
        )
    )
    with torch.no_grad():
        outputs_NO = model.network(drawn_NTC.mean(0, keepdim=True).expand(len(sample), -1, -1))
        start = model.preprocessor.restore(outputs_NO, raw_NTC).mean()
    assert curves[0] == pytest.approx(mean - start.item(), abs=1e-3)
    assert curves[-1] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["experiment=loans", "explain.methods=[grad_cam]"], "grad_cam, which is for image, but data=loans is tabular"),
        # of feature: sequences
        (["explain.methods=[attention]"], r"attention, which is for .*, but data=fashion is image"),
        # end
        (
            ["experiment=spam", "explain=attention", "network.pooling=[mean]"],
            "network=embedding_bag does not attend: say network.pooling=",
        ),
        (["experiment=spam", "explain.methods=[lime]"], "lime, which is for image or tabular or series, but data=spam"),
        # of feature: image
        (["network=mlp"], "network=mlp has no feature maps: say explain=gradients"),
        # end
    ],
)
def test_a_method_that_does_not_fit_is_refused(repository, overrides, said):
    with pytest.raises(UsageError, match=said):
        compose_config(repository, overrides)


MANY = ["explain.records=4", "explain.perturbations=64", "explain.max_completeness_error=1e9"]


@pytest.mark.slow
def test_every_method_of_images_runs(project):
    config = compose_config(project, ["explain=full", *FEW, *MANY])
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert list(result["methods"]) == list(config.explain.methods)
    assert result["skipped"] == {}
    assert all(method["checks"] for method in result["methods"].values())
    found = result["methods"]["grad_cam_plus_plus"]
    assert found["layer"] in {row["layer"] for row in found["layers"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("loans", ["explain=tabular_full", "network.hidden=[16]"]),
        ("spam", ["explain=text_full", "preprocess.max_length=32"]),
        ("co2", ["explain=series_full"]),
        ("spam", ["network=transformer", "explain=attention", "preprocess.max_length=32"]),
    ],
)
def test_every_method_of_other_modalities_runs(other, project, name, overrides):
    config = other(name, *overrides, *MANY)
    stand(config, project)
    explain(config, project)
    result = read_json(project.explanation_result)
    assert list(result["methods"]) == list(config.explain.methods)
    assert all(method["checks"] for method in result["methods"].values())
    with np.load(project.attributions) as arrays:
        assert all(np.isfinite(arrays[method]).all() for method in config.explain.methods)


def test_channels_of_a_series_are_explained_one_by_one(other, project):
    config = other("co2", "preprocess.calendar=[year]", "explain.methods=[occlusion]", "explain.records=4")
    stand(config, project)
    explain(config, project)
    method = read_json(project.explanation_result)["methods"]["occlusion"]
    names = ["value", "year (sine)", "year (cosine)"]
    assert [row["name"] for row in method["channels"]] == names
    for row in read_json(project.explanation_images / "records.json"):
        by_channel = row["by_channel"]["occlusion"]
        assert list(by_channel) == names
        assert np.sum(list(by_channel.values()), 0) == pytest.approx(
            row["attributions"]["occlusion"], rel=1e-3, abs=1e-5
        )


@pytest.mark.slow
def test_lightning_is_not_loaded():
    code = "import sys, lightloop.stages.explain; print('pytorch_lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
