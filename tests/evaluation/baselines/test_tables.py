"""The simpler models of tables: better than guessing, deterministic, not stopped by gaps."""

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score
from tables import ORDERS, SMALL_COLUMNS, config_of, loans, loans_config, small_frame, spec_of, with_gaps

from lightloop.data.records import label_codes
from lightloop.data.splits import read_splits
from lightloop.evaluation.baseline import baseline_answers, baseline_title
from lightloop.evaluation.baselines import tabular_classification, tabular_regression


def test_both_models_of_classes_learn_and_the_better_one_answers(repository):
    config = loans_config(repository)
    splits = loans(repository, config)
    labels_N = label_codes(splits["test"]["label"].to_pylist(), config.data.classes)
    found = tabular_classification.probabilities_of(config, splits, splits["test"])
    assert set(found) == {"gradient boosting", "logistic regression"}
    for probabilities_NK in found.values():
        assert probabilities_NK.dtype == np.float32
        assert np.allclose(probabilities_NK.sum(1), 1, atol=1e-5)
        assert roc_auc_score(labels_N, probabilities_NK[:, 1]) > 0.65
    answers = baseline_answers(config, splits, splits["test"])["probabilities"]
    best = tabular_classification.best_model(config, splits)
    assert np.array_equal(answers, found[best])
    assert "gradient boosting or logistic regression" in baseline_title(config.data)


def test_gaps_and_unseen_categories_are_answered(repository, tmp_path):
    spec = spec_of(tmp_path, small_frame(200), SMALL_COLUMNS, orders=ORDERS)
    config = config_of(repository, spec, preprocess={"name": "tabular"})
    splits = read_splits(config.data, tmp_path, 0)
    asked = with_gaps(splits["test"], config.data)
    answers = baseline_answers(config, splits, asked)["probabilities"]
    assert answers.shape == (len(asked), 2)
    assert np.isfinite(answers).all()


def test_one_class_in_training_is_answered_with_it(repository, tmp_path):
    frame = small_frame()
    spec = spec_of(tmp_path, frame, SMALL_COLUMNS, orders=ORDERS)
    config = config_of(repository, spec, preprocess={"name": "tabular"})
    splits = read_splits(config.data, tmp_path, 0)
    alone = splits["train"].filter([name == "dear" for name in splits["train"]["label"].to_pylist()])
    answers = baseline_answers(config, {**splits, "train": alone}, splits["test"])["probabilities"]
    assert (answers == [0, 1]).all()


def test_both_models_of_numbers_learn(repository, tmp_path):
    columns = {"size": "feature", "age": "feature", "town": "feature", "price": "target"}
    spec = spec_of(tmp_path, small_frame(300), columns, problem="regression")
    config = config_of(
        repository, spec, preprocess={"name": "tabular"}, task={"name": "regression"}, loss={"name": "mse"}
    )
    splits = read_splits(config.data, tmp_path, 0)
    actual = splits["test"]["label"].to_numpy()
    for name, predicted in tabular_regression.predictions_of(config, splits, splits["test"]).items():
        assert r2_score(actual, predicted) > 0.5, name
    answers = baseline_answers(config, splits, splits["test"])["prediction"]
    assert answers.shape == (len(actual), 1)
    assert answers == pytest.approx(baseline_answers(config, splits, splits["test"])["prediction"])
