"""Active learning: the records that the model is least sure of, for a person to label."""

from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from scipy import stats
from unlabelled import hide_labels

from lightloop.config.compose import compose_config, write_params
from lightloop.data.unlabelled import read_unlabelled
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.bundle import write_bundle
from lightloop.search.active import METHODS, label_next, pick
from lightloop.serving.predictor import Predictor
from lightloop.stages.train import train
from lightloop.tasks.checkpoint import load_model

TINY = ["network=mlp", "network.hidden=[8]", "explain=gradients", "trainer.max_epochs=2", "trainer.batch_size=50"]


@pytest.fixture(scope="module", name="p_NK")
def drawn_probabilities() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(4) * 0.5, 300)


def test_measures_against_their_definitions(p_NK: np.ndarray):
    np.testing.assert_allclose(METHODS["entropy"](p_NK), stats.entropy(p_NK, axis=1), atol=1e-9)
    ordered = np.sort(p_NK, axis=1)
    np.testing.assert_allclose(METHODS["margin"](p_NK), 1 - ordered[:, -1] + ordered[:, -2])
    np.testing.assert_allclose(METHODS["least_confidence"](p_NK), 1 - ordered[:, -1])
    for measure in METHODS.values():
        assert measure(np.eye(4)).tolist() == [0.0] * 4, "who is sure has no uncertainty"


@pytest.mark.parametrize("method", METHODS)
def test_the_most_uncertain_come_first(p_NK: np.ndarray, method: str):
    uncertainty = METHODS[method](p_NK)
    rows = pick(p_NK, 20, method)
    assert uncertainty[rows].tolist() == sorted(uncertainty, reverse=True)[:20]
    assert len(pick(p_NK[:5], 20, method)) == 5


def test_different_ones_are_different_and_still_uncertain(p_NK: np.ndarray):
    alike = np.concatenate([np.tile([0.5, 0.5, 0.0, 0.0], (200, 1)), p_NK])
    plain, diverse = pick(alike, 10, "margin"), pick(alike, 10, "margin", diverse=True)
    assert len(set(diverse.tolist())) == 10
    assert len(np.unique(alike[plain], axis=0)) == 1
    uncertain = pick(p_NK, 10, "margin", diverse=True)
    spread = [np.ptp(p_NK[rows], axis=0).sum() for rows in (pick(p_NK, 10, "margin"), uncertain)]
    assert spread[1] >= spread[0]
    assert METHODS["margin"](p_NK)[uncertain].min() >= sorted(METHODS["margin"](p_NK), reverse=True)[99]
    assert np.array_equal(uncertain, pick(p_NK, 10, "margin", diverse=True))


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    hide_labels(project, every=3)
    config = compose_config(project, [*TINY, "tracking=none"])
    write_params(project, config)
    monkeypatch.chdir(project.root)
    return project


@pytest.mark.slow
def test_what_a_person_gets(here: Project):
    config = compose_config(here, [*TINY, "tracking=none"])
    with pytest.raises(LightloopError, match="artifacts/bundle is missing, so no model can be asked: run `lightloop"):
        label_next()
    train(config, here)
    write_bundle(load_model(here.checkpoint), here.bundle, data_version=None)
    path = label_next(count=7, method="entropy")
    assert path == here.root / "label-next.parquet"
    table = pq.read_table(path)
    assert table.column_names == ["id", "image", "label", "prediction", "probability", "uncertainty"]
    assert table.column("label").null_count == len(table) == 7
    records = read_unlabelled(config.data, here.root)
    p_NK = Predictor.load(here.bundle).answers(records)["probabilities"]
    expected = np.argsort(-stats.entropy(p_NK, axis=1), kind="stable")[:7]
    assert table.column("id").to_pylist() == [records.column("id")[row].as_py() for row in expected]
    with pytest.raises(UsageError, match=r"label-next\.csv can't hold images or series: say --out label-next\.parquet"):
        label_next(out=Path("label-next.csv"))
    with pytest.raises(UsageError, match=r"it must end in \.csv or \.parquet"):
        label_next(out=Path("next.txt"))
    with pytest.raises(UsageError, match="must be one of entropy, margin, least_confidence"):
        label_next(method="guess")
    with pytest.raises(UsageError, match="--count is 0"):
        label_next(count=0)
    with pytest.raises(LightloopError, match="promote one first"):
        label_next(released=True)


def test_columns_of_tables_are_csv(tmp_path: Path):
    import pyarrow as pa

    from lightloop.search.active import _table, _write

    records = pa.table({"id": ["a", "b"], "label": pa.nulls(2, pa.string()), "text": ["x, y", "z"]})
    p_NK = np.array([[0.9, 0.1], [0.4, 0.6]])
    _write(_table(records, np.array([1]), p_NK, ("no", "yes"), "margin"), tmp_path / "next.csv")
    (row,) = pc.read_csv(tmp_path / "next.csv").to_pylist()
    assert (row["id"], row["text"], row["label"], row["prediction"]) == ("b", "z", None, "yes")
    assert row["uncertainty"] == pytest.approx(0.8)


def test_without_unlabelled_records_it_is_one_sentence(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root)
    project.bundle.mkdir(parents=True)
    with pytest.raises(LightloopError, match="data/fashion has no unlabelled record: leave the label of some"):
        label_next()
