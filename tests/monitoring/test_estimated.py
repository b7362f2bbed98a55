"""Performance without labels: against labels that are drawn, where it holds, and where it can't."""

import numpy as np
import pytest
from answers_world import (
    against,
    asked,
    class_rows,
    held_classes,
    held_numbers,
    labels_of,
    manifest,
    number_rows,
    probabilities,
    window,
)

from lightloop.evaluation.expected import EXPECTED, ExpectedMetrics
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.monitoring import estimated, truth
from lightloop.monitoring.answered import answered
from lightloop.monitoring.findings import Finding


@pytest.mark.parametrize("classes", [2, 4])
def test_expected_metrics_are_the_mean_over_drawn_labels(classes: int) -> None:
    generator = np.random.default_rng(classes)
    p_NK = probabilities(300, generator, classes=classes)
    weights = np.ones((1, 300), dtype=np.int32)
    found = ExpectedMetrics(p_NK).scores(weights)
    assert set(found) == set(EXPECTED)
    drawn = [WeightedMetrics(labels_of(p_NK, generator), p_NK, EXPECTED).scores(weights) for _ in range(400)]
    for name in EXPECTED:
        values = np.array([one[name][0] for one in drawn])
        # Of ratios the mean differs from the ratio of means by far less than one window's chance.
        assert found[name][0] == pytest.approx(values.mean(), abs=5 * values.std() / 20 + 0.003), name


def test_expected_metrics_follow_the_weights_and_the_rule() -> None:
    p_NK = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    found = ExpectedMetrics(p_NK, ["accuracy", "macro_recall"], decided_N=np.array([0, 0, 1]))
    scores = found.scores(np.array([[1, 1, 1], [2, 0, 1]], dtype=np.int32))
    assert scores["accuracy"].tolist() == pytest.approx([(0.9 + 0.4 + 0.7) / 3, (1.8 + 0.7) / 3])
    assert scores["macro_recall"][0] == pytest.approx((1.3 / 1.6 + 0.7 / 1.4) / 2)


def of(found: list[Finding], name: str) -> Finding:
    return next(one for one in found if one.name == name)


@pytest.mark.parametrize("spread", [0.6, 1.5, 3.0])
def test_where_records_change_alone_the_estimate_is_what_labels_say_later(spread: float) -> None:
    reference, now = against(held_classes(3000)), asked(3000, 1, spread=spread)
    guess = {one.name: one for one in estimated.look(now, reference)}
    known = {one.name: one for one in truth.look(now, reference) if one.kind == "performance"}
    for name in ("accuracy", "log_loss"):
        assert guess[name].figures["now"] == pytest.approx(known[name].figures["now"], abs=0.025)


def test_harder_records_are_an_alarm_without_a_label_and_easier_ones_are_none() -> None:
    reference = against(held_classes(600))
    harder = of(estimated.look(asked(500, 2, spread=0.5, labelled=0.0), reference), "accuracy")
    assert harder.alarm
    assert harder.p_value is not None
    assert harder.p_value < 1e-3
    assert "without their labels" in harder.sentence
    easier = of(estimated.look(asked(500, 2, spread=6.0, labelled=0.0), reference), "accuracy")
    assert (easier.alarm, easier.p_value) == (False, 1.0)


def test_concept_drift_is_not_seen_without_labels() -> None:
    """The same records, other labels: nothing in the answers differs, so the estimate is wrong, as documented."""
    reference, now = against(held_classes(2000)), asked(2000, 3, flip=0.4)
    blind = answered(window(class_rows(now.probabilities)), manifest())
    guess, known = of(estimated.look(blind, reference), "accuracy"), of(truth.look(now, reference), "accuracy")
    assert not guess.alarm
    assert known.alarm
    assert guess.figures["now"] - known.figures["now"] > 0.15


def test_an_estimate_is_no_alarm_where_labels_judge() -> None:
    found = estimated.look(asked(500, 4, spread=0.5, labelled=1.0), against(held_classes(600)))
    assert found
    assert all((one.alarm, one.p_value) == (False, None) for one in found)


def novel(count: int, seed: int, share: float) -> tuple[np.ndarray, list[dict]]:
    """Numbers whose error is four times as large where the record is novel; a share of the records is."""
    generator = np.random.default_rng(seed)
    p_N = np.where(generator.random(count) < share, generator.random(count) * 0.2, 0.2 + generator.random(count) * 0.8)
    values = generator.normal(10, 3, size=(count, 1))
    error = generator.normal(size=(count, 1)) * np.where(p_N < 0.2, 4.0, 1.0)[:, None]
    rows = number_rows(values)
    return np.abs(error), [{**row, "novelty": float(p)} for row, p in zip(rows, p_N, strict=True)]


def test_errors_of_numbers_are_estimated_by_how_novel_their_records_are() -> None:
    regression = manifest("regression")
    held = held_numbers(3000)
    scale = np.where(held.novelty < 0.2, 4.0, 1.0)[:, None]
    truths = held.values + (held.truths - held.values) * scale
    reference = against(type(held)(values=held.values, truths=truths, novelty=held.novelty), regression)
    errors, rows = novel(2000, 5, share=0.6)
    (worse,) = estimated.look(answered(window(rows), regression), reference)
    assert worse.alarm
    assert worse.figures["now"] == pytest.approx(errors.mean(), rel=0.1)
    assert worse.figures["low"] < worse.figures["now"] < worse.figures["high"]
    _, rows = novel(2000, 6, share=0.2)
    (same,) = estimated.look(answered(window(rows), regression), reference)
    assert same.p_value is not None
    assert same.p_value > 0.01


def test_without_novelty_or_held_out_answers_nothing_is_estimated() -> None:
    regression = manifest("regression")
    rows = number_rows(np.zeros((100, 1)))
    assert estimated.look(answered(window(rows), regression), against(held_numbers(300), regression)) == []
    assert estimated.look(asked(100, 7), against(held_classes(0))) == []


@pytest.mark.long
def test_estimates_of_undrifted_windows_alarm_no_more_often_than_the_level() -> None:
    p_values = [
        of(estimated.look(asked(120, seed, labelled=0.0), against(held_classes(240, seed=1000 + seed))), "accuracy")
        for seed in range(300)
    ]
    for level in (0.01, 0.05, 0.2):
        share = np.mean([(one.p_value or 0.0) <= level for one in p_values])
        assert share <= level + 3 * np.sqrt(level * (1 - level) / 300)
