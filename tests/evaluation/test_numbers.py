"""What the evaluation of numbers leaves behind."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from series_world import config_with, small, wave, write

from lightloop.data.series.windows import read_windows
from lightloop.errors import LightloopError, UsageError
from lightloop.evaluation.evidence import matrix, read_predictions
from lightloop.evaluation.numbers import Numbers, labels_of
from lightloop.evaluation.problem import problem_of
from lightloop.files import read_json
from lightloop.project import Project


@pytest.fixture
def forecast(tmp_path):
    """A project with a series, its test records, and answers that are off by noise."""
    config = small()
    questions = read_windows(config.data, write(tmp_path, wave(300, noise=0.2)))["test"]
    labels = np.array(questions.column("label").to_pylist())
    noise = np.random.default_rng(0).normal(size=labels.shape)
    model = {"prediction": (labels + 0.1 * noise).astype(np.float32)}
    model["quantiles"] = (model["prediction"][..., None] + np.array([-0.2, 0, 0.2])).astype(np.float32)
    baseline = {"prediction": (labels + 0.5 * noise).astype(np.float32)}
    return config, Project(tmp_path), questions, labels, model, baseline


def test_forecasts_leave_every_file(forecast):
    config, project, questions, labels, model, baseline = forecast
    problem = problem_of(config.data)
    assert isinstance(problem, Numbers)
    problem.write(config, project, questions, model, baseline)

    predictions = read_predictions(project.predictions)
    assert predictions.column("id").to_pylist() == questions.column("id").to_pylist()
    assert predictions.column("label").to_pylist() == questions.column("label").to_pylist()
    np.testing.assert_allclose(problem.written(predictions, "model"), model["prediction"])
    np.testing.assert_allclose(problem.written(predictions, "baseline"), baseline["prediction"])
    np.testing.assert_allclose(matrix(predictions, "quantiles").reshape(*labels.shape, 3), model["quantiles"])

    metrics = read_json(project.metrics)
    rmse = np.sqrt(np.square(model["prediction"] - labels).mean())
    assert metrics["metrics"]["rmse"]["value"] == pytest.approx(rmse, rel=1e-5)
    assert metrics["metrics"]["coverage"]["value"] > 0.9
    assert "coverage" not in metrics["baseline"]
    assert metrics["better_than_baseline"]["low"] > 0

    horizons = read_json(project.horizons)
    assert [row["step"] for row in horizons] == [1, 2, 3]
    for step, row in enumerate(horizons):
        error = np.abs(baseline["prediction"] - labels)[:, step].mean()
        assert row["baseline"]["mae"]["value"] == pytest.approx(error, rel=1e-5)
        assert row["model"]["rmse"]["low"] <= row["model"]["rmse"]["value"] <= row["model"]["rmse"]["high"]

    mistakes = read_json(project.mistakes)
    errors = [mistake["error"] for mistake in mistakes]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(np.sqrt(np.square(model["prediction"] - labels).mean(1)).max(), rel=1e-5)
    places = sorted(questions.column("id").to_pylist().index(mistake["id"]) for mistake in mistakes)
    assert min(np.diff(places)) >= 3
    assert read_json(project.classes) == []
    assert project.confusion.read_text() == "actual,predicted\n"


def test_the_same_answers_leave_the_same_bytes(forecast):
    config, project, questions, _, model, baseline = forecast
    problem = problem_of(config.data)
    contents = []
    for _ in range(2):
        problem.write(config, project, questions, model, baseline)
        contents.append({path.name: path.read_bytes() for path in sorted(project.evaluation.iterdir())})
    assert contents[0] == contents[1]


def test_a_scorer_of_written_answers_says_what_metrics_say(forecast):
    config, project, questions, _, model, baseline = forecast
    problem = problem_of(config.data)
    problem.write(config, project, questions, model, baseline)
    predictions = read_predictions(project.predictions)
    scorer = problem.scorer(predictions, problem.written(predictions, "model"))
    assert scorer.draws.block == 4  # the cube root of 43 records, which is more than the horizon
    found = scorer.scores(np.ones((1, len(predictions)), dtype=np.int32))
    written = read_json(project.metrics)["metrics"]
    for name in scorer.names:
        assert found[name][0] == pytest.approx(written[name]["value"])


def test_numbers_of_records_have_no_steps(tmp_path):
    config = config_with(
        data={
            "problem": "regression",
            "columns": {"series": "feature", "y": "target", "where": "slice"},
            "season": 1,
            "split": {"policy": "random", "test": 0.2, "validation": 0.2},
        },
        preprocess={"name": "series"},
    )
    random = np.random.default_rng(0)
    y = random.normal(size=50)
    questions = pa.table({"id": [str(k) for k in range(50)], "label": y, "where": ["a", "b"] * 25})
    project, problem = Project(tmp_path), problem_of(config.data)
    problem.write(config, project, questions, {"prediction": y[:, None] + 0.1}, {"prediction": y[:, None] * 0})
    predictions = pq.read_table(project.predictions)
    assert predictions.column_names == ["id", "label", "prediction", "baseline", "where"]
    np.testing.assert_array_equal(labels_of(predictions)[:, 0], y)
    assert read_json(project.horizons) == []
    assert list(read_json(project.metrics)["metrics"]) == ["mse", "rmse", "mae", "r2", "mape"]
    assert isinstance(read_json(project.mistakes)[0]["label"], float)
    assert problem.scorer(predictions, y[:, None]).draws.block == 1


def test_answers_that_do_not_fit_are_refused(forecast):
    config, project, questions, _, model, baseline = forecast
    problem = problem_of(config.data)
    with pytest.raises(LightloopError, match="the model answers 2 numbers a record, but the config asks for 3"):
        problem.write(config, project, questions, {"prediction": model["prediction"][:, :2]}, baseline)
    with pytest.raises(LightloopError, match="the baseline answers NaN or infinity"):
        problem.write(config, project, questions, model, {"prediction": baseline["prediction"] * np.nan})
    gate = config.gate.model_copy(update={"metric": "accuracy"})
    with pytest.raises(UsageError, match=r"gate\.metric is accuracy, which is no metric of forecasting"):
        problem.write(config.model_copy(update={"gate": gate}), project, questions, model, baseline)
    assert not project.evaluation.exists()


def test_who_would_notice_a_difference():
    problem = problem_of(small().data)
    answers = np.random.default_rng(0).normal(size=(20, 3)) + 350
    assert problem.different(answers, answers) == 0
    assert problem.different(answers + 1e-4, answers) == 0
    changed = answers.copy()
    changed[[3, 7], 1] += 0.1
    assert problem.different(changed, answers) == 2
    assert problem.different(np.full((2, 1), 5.0), np.full((2, 1), 5.0)) == 0


@pytest.mark.parametrize(
    ("before", "shape", "words"),
    [
        ({"window": 12}, (5, 3), None),
        ({"window": 8}, (5, 3), None),
        ({"window": 20}, (5, 3), "it looks back over 20 steps, and records now hold 12"),
        ({"window": 12, "resample": "MS"}, (5, 3), "its steps are MS, not None"),
        ({"window": 12}, (5, 4), "it answers 4 numbers a record, and the challenger 3"),
    ],
)
def test_which_champions_can_be_compared(before, shape, words):
    found = problem_of(small().data).comparable({"config": {"data": before}}, np.zeros(shape))
    assert found == words if words else found.shape == shape
