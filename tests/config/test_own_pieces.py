"""Metrics and stages of the project's own: one file each, read without being imported."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from lightloop.cli import application
from lightloop.cli import stages as commands
from lightloop.config import metrics, signature
from lightloop.config.metrics import BUILT_IN, METRICS, OF_PROBLEM, OWN, own_metric
from lightloop.config.signature import Component, read_component
from lightloop.errors import UsageError
from lightloop.evaluation import metrics as of_classes
from lightloop.evaluation import number_metrics as of_numbers
from lightloop.evaluation.own._metric import ClassMetric, NumberMetric

METRIC = '''"""A module."""
import a_library_that_is_not_installed


class HitRate(ClassMetric):
    """The share of hits.

    More.
    """

    problems: ClassVar = ("classification",)
    title: ClassVar = "Hit rate"
    direction: ClassVar = "higher"
    unit: ClassVar = "share"
    low: ClassVar = -1
    high: ClassVar = None
'''


def component(tmp_path: Path, text: str = METRIC) -> Component:
    path = tmp_path / "hit_rate.py"
    path.write_text(text, encoding="utf-8")
    found = read_component(path, "evaluation/own")
    assert found is not None
    return found


def test_a_metric_is_what_its_class_says(tmp_path: Path):
    found = component(tmp_path)
    assert found.module == "lightloop.evaluation.own.hit_rate"
    assert vars(own_metric(found)) == {
        "name": "hit_rate",
        "title": "Hit rate",
        "direction": "higher",
        "unit": "share",
        "low": -1,
        "high": None,
        "meaning": "The share of hits.",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('    unit: ClassVar = "share"\n', "", r"own/hit_rate\.py does not say unit: write `unit: ClassVar"),
        ('"higher"', '"up"', "says direction 'up': which is better, higher or lower"),
        ('("classification",)', '("ranking",)', "is for 'ranking', which is no problem: say some of classification"),
    ],
)
def test_a_metric_that_does_not_say_enough_is_refused(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises(UsageError, match=message):
        own_metric(component(tmp_path, METRIC.replace(old, new)))


def test_a_metric_may_not_take_the_name_of_another(tmp_path: Path):
    with pytest.raises(UsageError, match="has the name of a metric that comes along"):
        own_metric(replace(component(tmp_path), name="accuracy"))


def test_metrics_of_problems_are_those_that_come_along_and_own_ones():
    for problem, names in OF_PROBLEM.items():
        assert names[: len(BUILT_IN[problem])] == BUILT_IN[problem]
        assert set(names[len(BUILT_IN[problem]) :]) <= set(OWN)
    assert set(METRICS) == {name for names in OF_PROBLEM.values() for name in names}


class Right(ClassMetric):
    def columns(self, labels_N: Any, p_NK: Any, decided_N: Any) -> Any:
        return (labels_N == decided_N).astype(float)[:, None]


class Above(NumberMetric):
    def columns(self, labels_NH: Any, predictions_NH: Any) -> Any:
        return np.stack([(predictions_NH - labels_NH).mean(1), np.ones(len(labels_NH))], 1)

    def value(self, means_RM: Any) -> Any:
        return 2 * means_RM[:, 0] * means_RM[:, 1]


class Loaded:
    """Stands for a component whose class is in a test."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def load(self) -> type:
        return self.kind


def test_a_bootstrap_scores_own_metrics_of_classes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(metrics.OWN, "right", Loaded(Right))
    monkeypatch.setattr(of_classes, "ALL", (*of_classes.ALL, "right"))
    labels, p = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    weights = np.array([[1, 1, 1], [0, 0, 5], [0, 0, 0]], dtype=np.int32)
    found = of_classes.WeightedMetrics(labels, p, ["accuracy", "right"]).scores(weights)
    assert list(found) == ["accuracy", "right"]
    np.testing.assert_allclose(found["right"], found["accuracy"])
    # The answered class, where the rule says another one than the most probable.
    decided = of_classes.WeightedMetrics(labels, p, ["right"], decided_N=np.array([1, 1, 1])).scores(weights)
    np.testing.assert_allclose(decided["right"], [2 / 3, 1, np.nan])


def test_a_bootstrap_scores_own_metrics_of_numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(metrics.OWN, "above", Loaded(Above))
    monkeypatch.setattr(of_numbers, "ALL", (*of_numbers.ALL, "above"))
    labels, answers = np.zeros((3, 2)), np.array([[1.0, 1.0], [2.0, 4.0], [0.0, 0.0]])
    found = of_numbers.NumberMetrics(labels, answers, ["above"]).scores(
        np.array([[1, 1, 1], [2, 0, 0]], dtype=np.int32)
    )
    np.testing.assert_allclose(found["above"], [2 * 4 / 3, 2.0])


STAGE = '''"""own: a stage."""
import a_library_that_is_not_installed


def helper(*, not_a_setting: int = 1) -> None: ...


def own(config, project, *, share: float = 0.1, mode: Literal["a", "b"]) -> None:
    """Write what it found,
    in two lines.

    Args:
        share: of the records.
    """
'''


@pytest.fixture
def with_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "stages"
    folder.mkdir()
    (folder / "own.py").write_text(STAGE)
    (folder / "train.py").write_text("def train(config, project, *, resume: bool = False) -> None: ...\n")
    monkeypatch.setattr(signature, "PACKAGE", tmp_path)
    return folder


def test_a_stage_says_its_settings_by_its_signature(with_stage: Path):
    found = signature.stages.__wrapped__()
    assert found["own"].summary == "Write what it found, in two lines."
    assert found["own"].model(mode="a").share == 0.1
    with pytest.raises(ValidationError, match="mode"):
        found["own"].model(mode="c")
    with pytest.raises(ValidationError, match="shares"):
        found["own"].model(mode="a", shares=1)
    assert list(found["train"].model.model_fields) == [], "what the command line tells is no setting"
    assert with_stage.is_dir()


def test_a_stage_becomes_a_command_of_its_name(with_stage: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(application.app, "registered_commands", [*application.app.registered_commands])
    before = len(application.app.registered_commands)
    assert commands.add_own_stages(with_stage) == ["own"]
    assert len(application.app.registered_commands) == before + 1
    told = CliRunner().invoke(application.app, ["own", "--help"])
    assert "Write what it found" in told.output
    calls: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(commands, "stage", lambda name, **options: calls.append((name, options)))
    assert CliRunner().invoke(application.app, ["own"]).exit_code == 0
    assert calls == [("own", {"settings": True})]


def test_every_stage_has_a_command(repository):
    names = {command.callback.__name__ for command in application.app.registered_commands if command.callback}
    assert set(signature.stages()) <= names
    assert sorted(set(commands.OWN_STAGES)) == commands.OWN_STAGES
