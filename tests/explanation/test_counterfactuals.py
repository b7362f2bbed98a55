"""Counterfactuals turn the decision through the served bundle too, change what may change, and are small."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from trained_table import small_table, splits_of, trained

from lightloop.calibration.rules import Calibration, Decision
from lightloop.config.data import Column as DataColumn
from lightloop.data.tabular.input import Feature
from lightloop.explanation.counterfactuals import counterfactuals_content, refusal, valid
from lightloop.explanation.sample import Sample
from lightloop.explanation.search import column_of, distances, search
from lightloop.release.bundle import write_bundle
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model

ROWS = Sample(np.arange(20), ("correct",) * 20)


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory):
    root = tmp_path_factory.mktemp("counterfactuals")
    config = small_table(
        repository,
        root,
        town={"role": "feature", "changeable": False},
        age={"role": "feature", "changeable": "up"},
    )
    splits = splits_of(config, root)
    model = trained(config, splits["train"])
    rules = Calibration(decision=Decision(name="threshold", positive=1, threshold=0.7))
    return config, Model(config, model.preprocessor, model.network, rules), splits


def test_the_bundle_decides_otherwise_and_only_what_may_change_changes(world, tmp_path):
    config, model, splits = world
    found = counterfactuals_content(config, model, splits, ROWS)
    assert found["n"] == 20
    assert found["found"] >= 15
    assert found["checks"]["valid"] == {
        "value": 1.0,
        "threshold": 1.0,
        "passed": True,
        "n": found["checks"]["valid"]["n"],
    }
    assert found["fixed"] == ["town"]
    assert found["nearest"] < found["neighbour"]
    write_bundle(model, tmp_path / "bundle", data_version=None)
    predictor = Predictor.load(tmp_path / "bundle")
    given = {row["id"]: row for row in splits["test"].to_pylist()}
    seen = {name: set(splits["train"][name].to_pylist()) for name in config.data.features}
    changed, wanted = [], []
    for row in found["records"]:
        for one in row["counterfactuals"]:
            changed.append(given[row["id"]] | {change["name"]: change["to"] for change in one["changes"]})
            wanted.append(row["wanted"])
            assert one["distance"] == pytest.approx(sum(change["distance"] for change in one["changes"]), rel=1e-3)
            for change in one["changes"]:
                assert change["name"] != "town"
                assert change["name"] != "age" or change["to"] > change["from"]
                near = {np.float32(value) for value in seen[change["name"]]} if change["name"] != "grade" else None
                assert change["to"] in seen["grade"] if near is None else np.float32(change["to"]) in near
        distance = [one["distance"] for one in row["counterfactuals"]]
        assert distance == sorted(distance)
        assert len(distance) <= config.explain.counterfactuals
        assert row["decision"] != row["wanted"]
    answers = predictor.classify(pa.Table.from_pylist(changed, schema=splits["test"].schema))
    assert [answer.label for answer in answers] == wanted
    assert counterfactuals_content(config, model, splits, ROWS) == found


def test_the_check_fails_for_changes_that_turn_nothing(world):
    _, model, splits = world
    records = splits["test"].slice(0, 1)
    codes = model.calibration.decision.decide(model.answers(records)["probabilities"])
    unchanged = [{"id": records["id"][0].as_py(), "counterfactuals": [{"changes": []}]}]
    assert valid(model, records, unchanged, 1 - codes)["passed"] is False
    assert valid(model, records, [{"id": "none", "counterfactuals": []}], codes) == {
        "value": None, "threshold": 1.0, "passed": False, "n": 0,
    }  # fmt: skip


def test_the_nearest_is_found_where_all_can_be_tried():
    random = np.random.default_rng(0)
    train = pa.table({"a": random.integers(0, 9, 80).astype(float), "b": random.integers(0, 9, 80).astype(float)})
    records = pa.table({"a": [1.0, 2.0, 0.0, None], "b": [1.0, 0.0, 3.0, 2.0]})
    made = [column_of(Feature(name=name, kind="number"), "any", train, records) for name in "ab"]
    columns = [column for column, _, _ in made]
    train_MF, start_NF = (np.stack([one[place] for one in made], axis=1) for place in (1, 2))

    def ask(states_SF, _):
        a, b = (np.nan_to_num(columns[place].values.to_numpy(False)[states_SF[:, place]], nan=0.0) for place in (0, 1))
        a = np.where(states_SF[:, 0] == -1, 0.0, a)
        return 1 / (1 + np.exp(10.5 - a - 2 * b)), a + 2 * b > 10.5

    _, turned_M = ask(train_MF, np.zeros(80))
    found = search(columns, start_NF, np.ones(4, dtype=np.int64), [train_MF[turned_M]] * 4, ask, each=1)
    assert found.record_S.tolist() == [0, 1, 2, 3]
    every = np.array(list(product(range(9), range(9))))
    for row, start_F in enumerate(start_NF):
        tried = every if start_F[0] != -1 else np.stack([np.full(9, -1), np.arange(9)], axis=1)
        _, turned = ask(tried, np.zeros(len(tried)))
        best = distances(columns, np.broadcast_to(start_F, tried.shape), tried).sum(1)[turned].min()
        assert found.distance_S[row] <= 1.35 * best
    assert (found.states_SF[3, 0], start_NF[3, 0]) == (-1, -1)


def test_what_has_no_decision_about_columns_says_why(config, repository, tmp_path):
    # of feature: image
    assert "image" in refusal(config)
    # end
    table = small_table(repository, tmp_path)
    assert refusal(table) is None


def test_what_may_change_is_said_of_features_alone():
    with pytest.raises(ValueError, match="changeable is for features, but the column is sensitive"):
        DataColumn(role="sensitive", changeable=True)
    with pytest.raises(ValueError, match="values of a category do not follow each other"):
        DataColumn(role="feature", kind="category", changeable="up")
