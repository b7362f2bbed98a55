"""Drift of answers and labels: what is found, what is not, and that little is said of little."""

from typing import Any

import numpy as np
import pytest
from answers_world import (
    CLASSES,
    against,
    asked,
    class_rows,
    held_classes,
    held_numbers,
    manifest,
    number_rows,
    probabilities,
    window,
)

from lightloop.calibration.rules import Abstain
from lightloop.monitoring import answers
from lightloop.monitoring.answered import answered
from lightloop.monitoring.findings import Finding


def of(found: list[Finding], name: str) -> Finding:
    return next(one for one in found if one.name == name)


def novelty(count: int, seed: int, *, farther: float = 0.0) -> list[dict[str, Any]]:
    """Rows with conformal p-values of distances that are compared with those of 500 validation records."""
    generator = np.random.default_rng(seed)
    validation, now = np.sort(generator.normal(size=500)), generator.normal(farther, size=count)
    as_far = 500 - np.searchsorted(validation, now, side="left")
    p_N = ((as_far + 1) / 501).astype(np.float32)
    rows = class_rows(probabilities(count, generator))
    return [{**row, "novelty": float(p)} for row, p in zip(rows, p_N, strict=True)]


def test_other_answers_are_a_drift_and_the_same_are_none() -> None:
    reference = against(held_classes(500))
    same, other = (answers.look(asked(400, 1, mean=mean), reference) for mean in (1.0, -0.5))
    assert {one.name for one in same} == {"label", "probability", "abstains"}
    assert all(one.p_value is not None and one.p_value > 0.01 for one in same)
    drift = of(other, "label")
    assert drift.alarm
    assert drift.p_value is not None
    assert drift.p_value < 1e-6
    assert "of the answers are bad" in drift.sentence or "of the answers are good" in drift.sentence
    assert set(drift.figures) == {"jensen_shannon"}


def test_a_difference_that_is_sure_but_small_is_no_alarm() -> None:
    """Of many records a hundredth is sure."""
    held = held_classes(60_000)
    drift = of(answers.look(asked(20_000, 2, mean=1.12), against(held)), "label")
    assert drift.p_value is not None
    assert drift.p_value < 0.01
    assert drift.value is not None
    assert 0 < drift.value < 0.05
    assert not drift.alarm


@pytest.mark.parametrize("count", [0, 1, 10, 29])
def test_of_few_records_nothing_is_said(count: int) -> None:
    assert answers.look(asked(count, 3, mean=-3), against(held_classes(500))) == []


def test_one_class_alone_in_window_and_reference_is_no_drift() -> None:
    held = held_classes(200, mean=30.0)
    found = answers.look(asked(50, 4, mean=30.0), against(held))
    assert of(found, "label").p_value == 1.0
    assert not of(found, "label").alarm


def test_numbers_are_compared_one_by_one_and_forecasts_not_with_the_past() -> None:
    regression = manifest("regression")
    rows = number_rows(np.random.default_rng(5).normal(14, 3, size=(80, 1)))
    found = answers.look(answered(window(rows), regression), against(held_numbers(300), regression))
    assert [(one.name, one.alarm) for one in found] == [("value", True)]
    forecast = manifest("forecasting")
    rows = number_rows(np.random.default_rng(6).normal(400, 3, size=(200, 4)))
    assert answers.look(answered(window(rows), forecast), against(held_numbers(300, width=4), forecast)) == []


def test_more_abstentions_are_found() -> None:
    rules = manifest().rules.model_copy(update={"abstain": Abstain(name="accuracy", limit=0.6)})
    reference = against(held_classes(400), manifest(calibration=rules))
    rows = class_rows(probabilities(200, np.random.default_rng(7)))
    often = [{**row, "abstains": place % 2 == 0} for place, row in enumerate(rows)]
    found = of(answers.look(answered(window(often), reference.manifest), reference), "abstains")
    assert found.alarm
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert "50.0%" in found.sentence


def test_novel_records_are_found_by_their_p_values_alone() -> None:
    reference = against(held_classes(400))
    same, other = (
        of(answers.look(answered(window(novelty(300, 8, farther=far)), manifest()), reference), "novelty")
        for far in (0.0, 0.6)
    )
    assert same.p_value is not None
    assert same.p_value > 0.01
    assert other.alarm
    assert other.p_value is not None
    assert other.p_value < 1e-4
    assert other.figures["novel"] > 0.1
    near = of(answers.look(answered(window(novelty(300, 8, farther=-0.6)), manifest()), reference), "novelty")
    assert near.p_value is not None
    assert near.p_value > 0.5


def test_answers_of_a_release_with_other_classes_are_left_out() -> None:
    rows = class_rows(probabilities(40, np.random.default_rng(9)))
    rows[0]["label"] = "unheard of"
    rows[1]["probabilities"] = [0.2, 0.3, 0.5]
    rows[2]["probabilities"] = None
    rows[3]["probabilities"] = [float("nan"), 1.0]
    found = answered(window(rows), manifest())
    assert len(found) == 36
    assert found.rows[0] == 4
    assert len(found.labelled) == 0


def test_of_many_answers_some_are_drawn_and_neighbours_stay_together() -> None:
    now = asked(100, 10)
    some = now.drawn(30, seed=1)
    assert (len(some), len(some.records)) == (30, 0)
    assert (np.diff(some.rows) > 0).all()
    assert some.rows.tolist() != list(range(70, 100))
    assert now.drawn(30, seed=1, block=4).rows.tolist() == list(range(70, 100))
    assert now.drawn(100, seed=1) is now


def test_generated_samples_have_no_answers_to_compare() -> None:
    image = manifest(problem="generation", answer="image", classes=())
    found = answered(window([{} for _ in range(50)]), image)
    assert answers.look(found, against(held_classes(0), image)) == []
    assert len(found.labelled) == 0


@pytest.mark.long
def test_without_a_change_p_values_are_uniform_or_larger() -> None:
    p_values: dict[str, list[float]] = {}
    for seed in range(300):
        reference = against(held_classes(150, seed=1000 + seed))
        for one in answers.look(answered(window(novelty(60, seed)), manifest()), reference):
            p_values.setdefault(one.name, []).append(one.p_value or 0.0)
    assert set(p_values) == {"label", "probability", "abstains", "novelty"}
    for found in p_values.values():
        for level in (0.01, 0.05, 0.2):
            assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)
    assert manifest().classes == CLASSES
