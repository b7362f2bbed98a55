"""Explanations of a bundle are Shapley values, those of Captum on the torch model, and account for the score."""

import io
from itertools import combinations
from math import factorial

import numpy as np
import pyarrow as pa
import pytest
import torch
from captum.attr import FeatureAblation, ShapleyValueSampling
from PIL import Image
from scipy.stats import spearmanr
from standing import with_data
from trained_table import small_table, splits_of, trained

from lightloop.config.compose import compose_config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.release.bundle import write_bundle
from lightloop.serving.background import background, packed
from lightloop.serving.explainer import explain, shapley
from lightloop.serving.manifest import EXPLANATION
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model, build_network


@pytest.fixture(scope="module")
def table_world(repository, tmp_path_factory):
    root = tmp_path_factory.mktemp("explainer")
    config = small_table(repository, root)
    splits = splits_of(config, root)
    model = trained(config, splits["train"])
    write_bundle(model, root / "bundle", data_version=None, train=splits["train"])
    return model, splits, root / "bundle"


def fresh(config, train):
    preprocessor = build_preprocessor(config)
    preprocessor.fit(train)
    torch.manual_seed(0)
    network = build_network(config, preprocessor.inputs)
    for parameter in network.parameters():
        parameter.data.mul_(1.5)
    return Model(config, preprocessor.eval(), network.eval())


def test_drawn_orders_near_the_values_of_all_coalitions():
    weights_UU = np.random.default_rng(0).normal(size=(4, 4))

    def ask(kept_EU, background_E):
        return np.einsum("eu,uv,ev->e", kept_EU, weights_UU, kept_EU) + 0.1 * background_E

    score = weights_UU.sum()
    found_U, errors_U = shapley(ask, score, np.array([0.0, 0.1]), 4, evaluations=6000, seed=0)
    # By the definition: the mean over coalitions of what a unit adds.
    for unit in range(4):
        value, others = 0.0, [one for one in range(4) if one != unit]
        for size in range(4):
            for chosen in combinations(others, size):
                kept = np.isin(np.arange(4), chosen)
                added = ask((kept | (np.arange(4) == unit))[None], np.zeros(1)) - ask(kept[None], np.zeros(1))
                value += factorial(size) * factorial(3 - size) / factorial(4) * added[0]
        assert abs(found_U[unit] - (value - 0.0125)) < max(4 * errors_U[unit], 1e-9) + 0.03
    assert found_U.sum() == pytest.approx(score - 0.05)


def test_rows_of_a_table_agree_with_captum_on_the_torch_model(table_world):
    model, splits, folder = table_world
    predictor = Predictor.load(folder)
    names, others = list(predictor.manifest.input.feeds), predictor.background
    graph = model.graph().eval()
    rows = splits["test"].to_pylist()
    agreements = []
    for number in range(2):
        one = splits["test"].slice(number, 1)
        found = explain(predictor, one)
        code, schema = predictor.classes.index(found.answer), one.select(names).schema

        def score(kept_EU, other, row=rows[number], code=code, schema=schema):
            """The torch model's logit, of raw rows that are made here, in another way than the explainer's."""
            made = [
                {
                    name: row[name] if keep else _value(others[str(place)][other])
                    for place, (name, keep) in enumerate(zip(names, kept_U.tolist(), strict=True))
                }
                for kept_U in kept_EU
            ]
            table = pa.Table.from_pylist(made, schema=schema)
            with torch.no_grad():
                return graph(*model.preprocessor.encode(table))[0][:, code]

        torch.manual_seed(0)
        expected_U = np.zeros(len(names))
        for drawn in range(predictor.manifest.explaining.records):
            method = ShapleyValueSampling(lambda kept_EU, other=drawn: score(kept_EU, other))
            values = method.attribute(torch.ones(1, len(names)), n_samples=12, perturbations_per_eval=64)
            expected_U += values[0].numpy() / predictor.manifest.explaining.records
        agreements.append(spearmanr(expected_U, found.values).statistic)
        scale = np.abs(expected_U).max()
        assert np.abs(expected_U - found.values).max() < 0.15 * scale
        assert found.completeness_error < 1e-4
        assert found.score == pytest.approx(float(score(torch.ones(1, len(names)), 0)), abs=1e-4)
        assert found.names == tuple(names)
    assert np.mean(agreements) > 0.9


def _value(value):
    return None if value in ("", None) or value != value else value.item()


def test_it_asks_within_its_bound_and_the_same_each_time(table_world):
    _, splits, folder = table_world
    predictor, one = Predictor.load(folder), splits["test"].slice(5, 1)
    few = explain(predictor, one, evaluations=200)
    assert few.evaluations <= 200
    assert few == explain(Predictor.load(folder), one, evaluations=200)
    assert few != explain(predictor, one, evaluations=200, seed=1)
    occluded = explain(predictor, one, method="occlusion", evaluations=200)
    assert (occluded.complete, occluded.errors, few.complete) == (False, None, True)
    assert occluded.evaluations <= 200
    assert np.sign(occluded.values[np.argmax(np.abs(few.values))]) == np.sign(few.values[np.argmax(np.abs(few.values))])
    many = explain(predictor, one, evaluations=20_000)
    assert max(many.errors) < max(few.errors)


def test_what_it_needs_is_in_the_bundle_and_the_same_bytes(table_world, tmp_path):
    model, splits, folder = table_world
    _, arrays = background(model.preprocessor.input, model.preprocessor.files(), splits["train"], model.config.seed)
    assert packed(arrays) == (folder / EXPLANATION).read_bytes()
    predictor = Predictor.load(folder)
    predictor.manifest = predictor.manifest.model_copy(update={"explaining": None})
    with pytest.raises(LightloopError, match="does not explain its answers"):
        explain(predictor, splits["test"].slice(0, 1))
    with pytest.raises(LightloopError, match="expected one record to explain, but 2 came"):
        explain(Predictor.load(folder), splits["test"].slice(0, 2))
    (tmp_path / "bad").mkdir()
    for file in folder.rglob("*"):
        if file.is_file():
            target = tmp_path / "bad" / file.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes() + (b"x" if file.name == EXPLANATION else b""))
    with pytest.raises(LightloopError, match=r"explanation\.npz is changed in the bundle"):
        Predictor.load(tmp_path / "bad")


@pytest.mark.slow
def test_blocks_of_an_image_agree_with_captum_on_the_torch_model(project, tmp_path):
    config = compose_config(project, ["network.channels=[4,6]"])
    splits = read_splits(config.data, project.root, 0)
    model = fresh(config, splits["train"])
    write_bundle(model, tmp_path / "bundle", data_version=None, train=splits["train"])
    predictor, one = Predictor.load(tmp_path / "bundle"), splits["test"].slice(3, 1)
    found, occluded = explain(predictor, one, evaluations=4000), explain(predictor, one, method="occlusion")
    code = predictor.classes.index(found.answer)
    blocks = torch.arange(28) // 4
    mask = (blocks[:, None] * 7 + blocks)[None, None]
    (pixels,) = model.preprocessor.encode(one)
    typical = torch.from_numpy(predictor.background["typical"])[None]
    graph = model.graph().eval()

    def score(x):
        return graph(x.to(torch.uint8))[0][:, code]

    torch.manual_seed(0)
    options = {"baselines": typical.float(), "feature_mask": mask, "perturbations_per_eval": 32}
    with torch.no_grad():
        expected = ShapleyValueSampling(score).attribute(pixels.float(), n_samples=40, **options)
        ablated = FeatureAblation(score).attribute(pixels.float(), **options)
    pick = [(4 * (unit // 7), 4 * (unit % 7)) for unit in range(49)]
    assert spearmanr([float(expected[0, 0, r, c]) for r, c in pick], found.values).statistic > 0.9
    np.testing.assert_allclose([float(ablated[0, 0, r, c]) for r, c in pick], occluded.values, atol=1e-3)
    assert found.completeness_error < 1e-5
    stream = io.BytesIO()
    Image.fromarray(pixels[0, 0].numpy()).save(stream, "PNG")
    again = explain(predictor, pa.table({"image": pa.array([stream.getvalue()], pa.large_binary())}), evaluations=4000)
    assert again == found


@pytest.mark.slow
@pytest.mark.parametrize(("data", "noun"), [("spam", "tokens"), ("co2", "steps")])
def test_texts_and_series_are_explained(project, tmp_path, data, noun):
    config = with_data(project, data)
    splits = read_splits(config.data, project.root, 0)
    model = fresh(config, splits["train"])
    write_bundle(model, tmp_path / "bundle", data_version=None, train=splits["train"])
    predictor = Predictor.load(tmp_path / "bundle")
    for number in range(3):
        found = explain(predictor, splits["test"].slice(number, 1), evaluations=400)
        assert found.noun == noun
        assert len(found.names) == len(found.values) <= predictor.manifest.explaining.units
        assert found.completeness_error is None or found.completeness_error < 1e-3
        answers = model.answers(splits["test"].slice(number, 1))
        code = 0 if found.answer is None else predictor.classes.index(found.answer)
        expected = answers["prediction"].mean() if found.answer is None else answers["logits"][0, code]
        assert found.score == pytest.approx(float(expected), rel=1e-4, abs=1e-4)
