"""A feature that alone predicts the target stops the loop and is named."""

import shutil

import numpy as np
import pandas as pd
import pytest
from tables import loans_config

from lightloop.errors import RefusedError
from lightloop.project import Project
from lightloop.quality.leakage import MOST, leakage_checks, predictiveness
from lightloop.quality.tabular.metadata import read_metadata
from lightloop.stages.validate import validate

RANDOM = np.random.default_rng(0)
CLASSES = pd.Series(RANDOM.choice(["a", "b", "c"], 300, p=[0.5, 0.4, 0.1]))
NUMBERS = pd.Series(RANDOM.normal(size=300))


def test_another_coding_of_the_target_is_found():
    codes = CLASSES.map({"a": 7.0, "b": -1.0, "c": 3.0})
    assert predictiveness(codes, CLASSES, classes=True) == 1
    assert predictiveness(CLASSES.map({"a": "x", "b": "y", "c": "z"}), CLASSES, classes=True) == 1
    noisy = codes.where(pd.Series(RANDOM.random(300)) > 0.02, 7.0)
    assert predictiveness(noisy, CLASSES, classes=True) > MOST
    present = codes.where(CLASSES == "a")
    assert predictiveness(present, CLASSES.eq("a").map(str), classes=True) == 1  # gaps tell it
    assert predictiveness(NUMBERS * 3 - 1, NUMBERS, classes=False) > MOST


def test_honest_features_are_not():
    assert abs(predictiveness(NUMBERS, CLASSES, classes=True) - 0.5) < 0.1
    assert predictiveness(pd.Series(RANDOM.normal(size=300)), NUMBERS, classes=False) < 0.2
    assert predictiveness(pd.Series([str(row) for row in range(300)]), CLASSES, classes=True) < 0.7


def test_too_few_records_say_nothing():
    assert predictiveness(NUMBERS[:6], CLASSES[:6], classes=True) is None
    assert predictiveness(NUMBERS[:6], NUMBERS[:6], classes=False) is None


def test_only_tables_with_a_target_are_looked_at(config):
    assert leakage_checks(config.data, pd.DataFrame()) == []


def test_the_loans_pass_and_the_strongest_features_are_recorded(repository):
    spec = loans_config(repository).data
    (check,) = leakage_checks(spec, read_metadata(spec, repository.root))
    assert check["success"]
    assert 0.6 < max(check["observed"].values()) < MOST


def test_the_target_put_back_as_a_feature_stops_validate(repository, tmp_path, capsys):
    config = loans_config(repository, "data.columns.action=feature", "data.columns.reject=feature")
    project = Project(tmp_path)
    shutil.copytree(repository.expectations, project.expectations)
    shutil.copytree(repository.root / config.data.path, tmp_path / config.data.path)
    with pytest.raises(
        RefusedError, match=r"1 of \d+ .* \(the target can be told from each of action, reject alone\)"
    ) as e:
        validate(config, project)
    assert e.value.exit_code == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "action: 1" in shown
    assert "reject: 1" in shown
