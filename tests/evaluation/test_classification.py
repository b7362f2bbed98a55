"""What classification says of a champion, and of answers that differ."""

import numpy as np
import pytest

from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.evaluation.problem import Problem, problem_of


@pytest.fixture
def problem(config: Config) -> Problem:
    return problem_of(config.data.model_copy(update={"classes": ("a", "b", "c")}))


def test_a_champion_whose_classes_stand_in_another_order_is_compared_by_name(problem: Problem) -> None:
    answers_NK = np.random.default_rng(0).random((4, 3))
    turned = problem.comparable({"classes": ["c", "a", "b"]}, answers_NK[:, [2, 0, 1]])
    np.testing.assert_array_equal(turned, answers_NK)


def test_other_classes_are_named(problem: Problem) -> None:
    said = problem.comparable({"classes": ["a", "b", "d"]}, np.ones((4, 3)))
    assert said == "it knows d, which the challenger does not and it does not know c"


def test_records_whose_class_differs_are_counted(problem: Problem) -> None:
    first = np.array([[0.6, 0.4, 0.0], [0.5, 0.1, 0.4]])
    second = np.array([[0.4, 0.6, 0.0], [0.9, 0.1, 0.0]])
    assert problem.different(first, second) == 1


def test_answers_that_are_no_numbers_are_refused(problem: Problem) -> None:
    with pytest.raises(LightloopError, match="the model answers NaN or infinity on test records"):
        problem.checked({"probabilities": np.array([[np.nan, 0.5, 0.5]])}, "the model")
