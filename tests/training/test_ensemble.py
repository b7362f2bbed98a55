"""Ensembles: members of folds and seeds, or snapshots, in one checkpoint and one graph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from lightloop.calibration.fit import halves
from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import matrix, read_predictions
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.serving.predictor import Predictor
from lightloop.stages.calibrate import calibrate
from lightloop.stages.evaluate import evaluate
from lightloop.stages.folds import folds
from lightloop.stages.train import train
from lightloop.tasks.checkpoint import load_model
from lightloop.training.ensemble import loss_weights, mean_history, shares
from lightloop.training.held_out import held_out_answers

TINY = ["network=mlp", "network.hidden=[8]", "explain=gradients", "trainer.max_epochs=2", "trainer.batch_size=50"]
MEMBERS = [*TINY, "folds=2", "seeds=2"]


def probabilities(project: Project, config: Config, checkpoint: Path) -> np.ndarray:
    test = read_splits(config.data, project.root, config.seed)["test"]
    return load_model(checkpoint).answers(test)["probabilities"]


def members_of(project: Project, config: Config) -> np.ndarray:
    return np.stack([probabilities(project, config, path) for path in sorted(project.members.glob("*.ckpt"))])


@pytest.mark.parametrize(
    "rule", ["mean", *(pytest.param(rule, marks=pytest.mark.slow) for rule in ("voting", "weighted", "stacking"))]
)
def test_members_become_one_model(project: Project, repository: Project, rule: str):
    config = compose_config(repository, [*MEMBERS, f"ensemble={rule}"])
    folds(config, project)
    train(config, project)
    p_MNK = members_of(project, config)
    assert len(p_MNK) == 4
    found = probabilities(project, config, project.checkpoint)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    rows = read_json(project.members / "members.json")
    match rule:
        case "mean":
            np.testing.assert_allclose(found, p_MNK.mean(0), atol=1e-5)
        case "voting":
            votes = np.stack([np.bincount(column, minlength=10) for column in p_MNK.argmax(-1).T])
            np.testing.assert_allclose(found, (votes + p_MNK.mean(0)) / 5, atol=1e-5)
        case "weighted":
            losses = np.array([row["metrics"]["log_loss"] for row in rows])
            weights = np.exp(-(losses - losses.min()) / 0.1)
            np.testing.assert_allclose(found, np.einsum("mnk,m->nk", p_MNK, weights / weights.sum()), atol=1e-5)
        case "stacking":
            assert np.abs(found - p_MNK.mean(0)).max() > 0.01
    model = load_model(project.checkpoint)
    assert model.config == config
    summary = read_json(project.training_summary)
    assert summary["members"] == 4
    assert summary["parameters"] == 4 * rows[0]["summary"]["parameters"]


@pytest.mark.slow
def test_stacking_learns_from_records_that_members_did_not_see(project: Project, repository: Project):
    from sklearn.linear_model import LogisticRegression

    config = compose_config(repository, [*MEMBERS, "ensemble=stacking", "ensemble.c=0.5"])
    folds(config, project)
    train(config, project)
    import pyarrow.parquet as pq

    held_out = pq.read_table(project.members / "held-out.parquet").to_pylist()
    by_id: dict[str, dict] = {}
    for row in held_out:
        by_id.setdefault(row["id"], {"label": row["label"]})[row["seed"]] = np.log(row["probabilities"])
    x = np.stack([np.concatenate([row[0], row[1]]) for row in by_id.values()])
    model = LogisticRegression(C=0.5, max_iter=5000, tol=1e-7).fit(x, [row["label"] for row in by_id.values()])
    p_MNK = members_of(project, config)
    # The order of files is fold after fold, in each fold seed after seed.
    test = np.concatenate([np.log((p_MNK[0] + p_MNK[2]) / 2), np.log((p_MNK[1] + p_MNK[3]) / 2)], axis=1)
    order = [list(model.classes_).index(name) for name in config.data.classes]
    expected = model.predict_proba(test)[:, order]
    np.testing.assert_allclose(probabilities(project, config, project.checkpoint), expected, atol=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cyclic", pytest.param("last", marks=pytest.mark.slow)])
def test_snapshots_of_one_training(project: Project, repository: Project, schedule: str):
    overrides = [
        *TINY,
        "ensemble=snapshots",
        "ensemble.count=2",
        f"ensemble.schedule={schedule}",
        "trainer.max_epochs=4",
    ]
    config = compose_config(repository, overrides)
    folds(config, project)
    train(config, project)
    first = project.checkpoint.read_bytes()
    state = torch.load(project.checkpoint, weights_only=True)["state_dict"]
    numbers = {int(key.split(".")[2]) for key in state if key.startswith("network.members.")}
    assert numbers == {0, 1}
    snapshots = [
        torch.cat(
            [
                value.flatten().float()
                for key, value in state.items()
                if key.startswith(f"network.members.{n}.") and value.ndim > 1
            ]
        )
        for n in (0, 1)
    ]
    assert not torch.equal(*snapshots)
    # The second goes on from the first: it is much nearer to it than another seed's network would be.
    assert torch.dist(*snapshots) < 0.6 * snapshots[0].norm()
    assert [row["epoch"] for row in read_json(project.history)] == [0, 1, 2, 3]
    train(config, project)
    assert project.checkpoint.read_bytes() == first


@pytest.mark.parametrize(
    "rule",
    [pytest.param(rule, marks=pytest.mark.slow) for rule in ("mean", "voting", "weighted", "stacking", "snapshots")],
)
def test_the_exported_graph_answers_as_torch_does(project: Project, repository: Project, rule: str):
    shape = [*TINY, "ensemble.count=2"] if rule == "snapshots" else MEMBERS
    config = compose_config(repository, [*shape, f"ensemble={rule}"])
    folds(config, project)
    train(config, project)
    write_bundle(load_model(project.checkpoint), project.bundle, data_version=None)
    test = read_splits(config.data, project.root, config.seed)["test"]
    served = Predictor.load(project.bundle).answers(test)["probabilities"]
    np.testing.assert_allclose(served, probabilities(project, config, project.checkpoint), atol=1e-5)


@pytest.mark.slow
def test_later_stages_take_an_ensemble_for_a_model(project: Project, repository: Project):
    from lightloop.stages.explain import explain

    small = ["explain.records=10", "explain.steps=16", "explain.samples=8"]
    config = compose_config(repository, [*MEMBERS, "ensemble=mean", *small])
    folds(config, project)
    train(config, project)
    evaluate(config, project)
    assert len(read_predictions(project.predictions)) == 100
    explain(config, project)
    assert read_json(project.explanation_result)["n"] == 10


@pytest.mark.slow
def test_a_calibrated_ensemble_answers_with_the_fitted_temperature_also_in_the_graph(
    project: Project, repository: Project
):
    config = compose_config(repository, [*MEMBERS, "ensemble=mean", "calibration=temperature"])
    folds(config, project)
    train(config, project)
    calibrate(config, project)
    evaluate(config, project)
    write_bundle(load_model(project.checkpoint, project.calibration), project.bundle, data_version=None)

    scaling = read_json(project.calibration)["released"]["scaling"]
    assert scaling["name"] == "temperature"
    assert abs(scaling["temperature"] - 1) > 0.02, "a temperature of 1 would show nothing"
    raw_NK = members_of(project, config).mean(0)
    expected_NK = softmax(np.log(raw_NK) / scaling["temperature"], axis=1)
    test = read_splits(config.data, project.root, config.seed)["test"]
    released = load_model(project.checkpoint, project.calibration).answers(test)["probabilities"]
    np.testing.assert_allclose(released, expected_NK, atol=1e-5)
    predictions = read_predictions(project.predictions)
    np.testing.assert_allclose(matrix(predictions, "probabilities"), expected_NK, atol=1e-5)
    np.testing.assert_allclose(matrix(predictions, "raw_probabilities"), raw_NK, atol=1e-5)
    served = Predictor.load(project.bundle).answers(test)["probabilities"]
    np.testing.assert_allclose(served, expected_NK, atol=1e-5)

    # Fitted on what members answer to records that they never saw: of half of these it is the best temperature.
    table, answers = held_out_answers(config, project)
    labels_N = label_codes(table["label"].to_pylist(), config.data.classes)
    half, _ = halves(table, config.data, labels_N, config.seed)

    def loss(temperature: float) -> float:
        log_NK = log_softmax(answers["logits"][half] / temperature, axis=1)
        return -float(log_NK[np.arange(len(half)), labels_N[half]].mean())

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6}).x
    assert scaling["temperature"] == pytest.approx(best, rel=1e-3)


def test_members_that_are_missing_are_one_sentence(project: Project, repository: Project):
    config = compose_config(repository, [*MEMBERS, "ensemble=mean"])
    with pytest.raises(
        LightloopError, match="ensemble=mean needs 4 members, but artifacts/folds/members does not hold"
    ):
        train(config, project)


def test_small_parts():
    assert shares(7, 3) == [3, 2, 2]
    assert loss_weights(np.array([0.1, 0.2]), 0.1).tolist() == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.e)])
    rows = mean_history([[{"epoch": 0, "a": 1.0}, {"epoch": 1, "a": 3.0}], [{"epoch": 0, "a": 2.0}]])
    assert rows == [{"epoch": 0, "a": 1.5}, {"epoch": 1, "a": 3.0}]
