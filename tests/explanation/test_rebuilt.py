"""What is explained is what is released: the calibrated answer, also of a champion that comes from its bundle.

Shapes: N records, K classes.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from standing import stand, with_data

from lightloop.calibration.rules import Calibration, Decision, Scaling
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.explanation.explained import Explained, prepare
from lightloop.explanation.rebuilt import model_of_bundle
from lightloop.explanation.reference import frozen
from lightloop.files import read_json, write_json
from lightloop.release.bundle import write_bundle
from lightloop.stages.explain import explain
from lightloop.tasks.checkpoint import load_model

WORDS = ("network.hidden=[16]", "explain.methods=[integrated_gradients]", "explain.global_records=40")


@pytest.fixture
def standing(project):
    """A network on loans whose answers are calibrated: temperature 2, and approved from 0.3 on."""
    config = with_data(project, "loans", *WORDS)
    stand(config, project)
    rules = Calibration(
        scaling=Scaling(name="temperature", temperature=2.0),
        decision=Decision(name="threshold", positive=1, threshold=0.3),
    )
    write_json(project.calibration, {"applies": True, "released": rules.model_dump(mode="json")})
    return config, project


def test_the_softmax_of_what_is_explained_is_the_calibrated_answer(standing):
    config, project = standing
    model = load_model(project.checkpoint, project.calibration)
    records = read_splits(config.data, project.root, config.seed)["test"]
    prepared = prepare(model, records)
    network = Explained(frozen(model.network), model).eval()
    with torch.no_grad():
        found_NK = network(prepared.x_NDP, *prepared.extras).softmax(1).numpy()
    np.testing.assert_allclose(found_NK, model.answers(records)["probabilities"], atol=1e-5)
    plain_NK = load_model(project.checkpoint).answers(records)["probabilities"]
    assert np.abs(found_NK - plain_NK).max() > 0.01
    warmer = replace(model, calibration=Calibration(scaling=Scaling(name="temperature", temperature=4.0)))
    cooler_NK, warmer_NK = (Explained(frozen(model.network), one).eval()(prepared.x_NDP) for one in (model, warmer))
    torch.testing.assert_close(cooler_NK, 2 * warmer_NK)


@pytest.mark.slow
def test_a_champion_is_compared_from_its_bundle_alone(standing):
    config, project = standing
    model = load_model(project.checkpoint, project.calibration)
    write_bundle(model, project.champion_bundle, data_version=None)
    write_json(project.champion, {"version": "v1.0.0", "tag": "model@v1.0.0", "commit": "0"})
    records = read_splits(config.data, project.root, config.seed)["test"]
    again = model_of_bundle(project.champion_bundle)
    assert again.calibration == model.calibration
    for name, values in model.answers(records).items():
        np.testing.assert_allclose(again.answers(records)[name], values, atol=1e-6)

    explain(config, project)
    versions = read_json(project.explanation / "versions.json")
    assert (versions["applies"], versions["champion"], versions["n"]) == (True, "v1.0.0", 40)
    assert versions["correlation"]["value"] == pytest.approx(1, abs=1e-3)
    assert {row["change"] for row in versions["features"]} == {None}

    manifest = read_json(project.champion_bundle / "bundle.json")
    manifest["config"]["network"]["depth"] = 3
    write_json(project.champion_bundle / "bundle.json", manifest)
    with pytest.raises(LightloopError, match="its bundle can't be read as a model of today"):
        model_of_bundle(project.champion_bundle)
    explain(config, project)
    versions = read_json(project.explanation / "versions.json")
    assert versions["applies"] is False
    assert "network.depth is unknown" in versions["why"]
    assert str(project.root) not in versions["why"]
