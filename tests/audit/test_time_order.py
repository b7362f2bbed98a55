"""Records that time divides, in a file that is not in the order of time: splits, samples, predictions."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tables import ORDERS, SMALL_COLUMNS, config_of, small_frame, spec_of

from lightloop.audit.scoring import sample
from lightloop.data.splits import read_splits
from lightloop.evaluation.draws import draws_of
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.problem import problem_of
from lightloop.project import Project


@pytest.fixture
def world(repository, tmp_path):
    """200 rows of a shuffled file; the day of each, and the config."""
    frame = small_frame(200)
    days = np.random.default_rng(5).permutation(200)
    frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(days, unit="D")
    columns = {**SMALL_COLUMNS, "day": "time"}
    split = {"policy": "time", "test": 0.3, "validation": 0.2}
    return config_of(repository, spec_of(tmp_path, frame, columns, orders=ORDERS, split=split)), tmp_path


def test_splits_follow_each_other_in_time_and_samples_are_the_latest(world):
    config, root = world
    splits = read_splits(config.data, root, config.seed)
    days = {name: np.sort(table["day"].to_numpy()) for name, table in splits.items()}
    assert days["train"][-1] < days["validation"][0] <= days["validation"][-1] < days["test"][0]
    test = splits["test"]
    assert (np.diff(test["day"].to_numpy()).astype(int) < 0).any(), "a table in order would show nothing"
    drawn = sample(test, config, 25)
    assert np.array_equal(np.sort(drawn["day"].to_numpy()), days["test"][-25:])
    places = [test["id"].to_pylist().index(one) for one in drawn["id"].to_pylist()]
    assert places == sorted(places), "in the order of the table"
    assert sample(test, config, 60).equals(test)


def test_predictions_know_the_time_and_are_resampled_by_it(world):
    config, root = world
    project = Project(root)
    test = read_splits(config.data, root, config.seed)["test"]
    p_N = np.linspace(0.1, 0.9, len(test))
    answers = np.stack([p_N, 1 - p_N], axis=1).astype(np.float32)
    problem_of(config.data).write(config, project, test, {"probabilities": answers}, {"probabilities": answers})
    predictions = read_predictions(project.predictions)
    assert predictions["day"].equals(pa.chunked_array(test["day"]))
    draws = draws_of(config.data, predictions)
    assert draws.block == round(60 ** (1 / 3))
    assert draws.column == "day"
    (counts_RN,) = draws.counts(50, 0)
    in_time_RN = counts_RN[:, np.argsort(predictions["day"].to_numpy())]
    # Neighbours in time are drawn together, and so are counted alike; neighbours in the file are not.
    apart = [np.abs(np.diff(counts, axis=1)).mean() for counts in (in_time_RN, counts_RN)]
    assert apart[0] < 0.6 * apart[1]
