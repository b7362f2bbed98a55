"""Labels that came: how good the answers were, whether as sure as they should be, and where they were not."""

import numpy as np
import pyarrow as pa
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
from sklearn.metrics import accuracy_score, mean_squared_error

from lightloop.calibration.rules import Calibration, Conformal, Quantiles
from lightloop.monitoring import calibration, slices, truth
from lightloop.monitoring.answered import answered
from lightloop.monitoring.calibration import calibration_error
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.rule import decided


def of(found: list[Finding], kind: str, name: str) -> Finding:
    return next(one for one in found if (one.kind, one.name) == (kind, name))


def test_worse_answers_are_found_with_the_figures_of_scikit_learn() -> None:
    reference, now = against(held_classes(500)), asked(400, 1, flip=0.3)
    found = truth.look(now, reference)
    assert {(one.kind, one.name) for one in found} == {
        ("label_drift", "label"), ("performance", "accuracy"), ("performance", "log_loss"),
    }  # fmt: skip
    worse = of(found, "performance", "accuracy")
    assert worse.alarm
    assert worse.p_value is not None
    assert worse.p_value < 1e-6
    assert worse.figures["now"] == pytest.approx(accuracy_score(now.labels, now.codes))
    assert worse.figures["then"] == pytest.approx(reference.profile.metrics["accuracy"])
    assert worse.value == pytest.approx(worse.figures["then"] - worse.figures["now"])
    assert worse.figures["low"] < worse.figures["now"] < worse.figures["high"] < worse.figures["then"]
    assert worse.figures["labelled"] == 1.0


def test_answers_that_are_as_good_or_better_are_no_alarm() -> None:
    for mean, flip in ((1.0, 0.0), (4.0, 0.0)):
        found = truth.look(asked(400, 2, mean=mean, flip=flip), against(held_classes(500)))
        assert not any(one.alarm and (one.p_value or 0) < 0.01 for one in found if one.kind == "performance")


def test_labels_of_some_answers_say_of_how_many_and_whether_they_are_like_the_rest() -> None:
    now = asked(600, 3, labelled=0.3)
    share = truth.look(now, against(held_classes(500)))[-1].figures
    assert share["labelled"] == pytest.approx(0.3, abs=0.06)
    assert share["selective"] > 0.01
    sure = now.probabilities.max(1)
    rows = class_rows(now.probabilities, np.where(sure > np.median(sure), 0, -1))
    chosen = truth.look(answered(window(rows), manifest()), against(held_classes(500)))[-1]
    assert chosen.figures["selective"] < 1e-6


@pytest.mark.parametrize("labelled", [0.0, 0.05])
def test_too_few_labels_are_said_and_are_no_alarm(labelled: float) -> None:
    (found,) = truth.look(asked(200, 4, labelled=labelled, flip=1.0), against(held_classes(500)))
    assert (found.alarm, found.p_value) == (False, None)
    assert "of 200 answers have a label: 30 are needed" in found.sentence


def test_other_labels_are_a_drift() -> None:
    found = of(truth.look(asked(400, 5, mean=-0.5), against(held_classes(500))), "label_drift", "label")
    assert found.alarm
    assert "of the labels are" in found.sentence


def test_one_class_alone_says_nothing_wrong() -> None:
    reference = against(held_classes(200, mean=30.0))
    found = truth.look(asked(60, 6, mean=30.0), reference) + calibration.look(asked(60, 6, mean=30.0), reference)
    assert found
    assert not any(one.alarm for one in found)


def numbers(count: int, seed: int, *, noise: float, width: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    values = generator.normal(10, 3, size=(count, width))
    return values, values + generator.normal(0, noise, size=(count, width))


def test_larger_errors_of_numbers_are_found() -> None:
    regression = manifest("regression")
    reference = against(held_numbers(300), regression)
    values, truths = numbers(120, 7, noise=1.6)
    worse = of(truth.look(answered(window(number_rows(values, truths)), regression), reference), "performance", "rmse")
    assert worse.alarm
    assert worse.p_value is not None
    assert worse.p_value < 1e-3
    assert worse.figures["now"] == pytest.approx(mean_squared_error(truths, values) ** 0.5, rel=1e-5)
    assert worse.limit == pytest.approx(0.03 * worse.figures["then"])


def test_forecasts_that_overlap_need_more_of_them_and_are_permuted_in_blocks() -> None:
    forecast = manifest("forecasting")
    reference = against(held_numbers(200, width=4), forecast)
    assert reference.block == 4
    values, truths = numbers(119, 8, noise=3.0, width=4)
    few = truth.look(answered(window(number_rows(values, truths)), forecast), reference)
    assert "120 are needed" in few[0].sentence
    values, truths = numbers(160, 8, noise=3.0, width=4)
    found = truth.look(answered(window(number_rows(values, truths)), forecast), reference)
    assert [(one.name, one.alarm) for one in found] == [("rmse", True)]
    assert found[0].p_value is not None
    assert found[0].p_value < 1e-3


def test_the_calibration_error_of_right_probabilities_is_like_its_own_distribution() -> None:
    generator = np.random.default_rng(9)
    p_NK = probabilities(800, generator)
    error, simulated = calibration_error(p_NK, labels_of(p_NK, generator), seed=1)
    assert simulated.min() < error < simulated.max()
    # Counted bin by bin, as Guo et al. define it.
    labels, sure, right = labels_of(p_NK, generator), p_NK.max(1), None
    right = p_NK.argmax(1) == labels
    error, _ = calibration_error(p_NK, labels, seed=1)
    places = np.minimum((sure * 15).astype(int), 14)
    expected = sum(abs((sure - right)[places == place].sum()) for place in range(15)) / 800
    assert error == pytest.approx(expected, abs=1e-6)


def test_answers_that_are_surer_than_right_are_found() -> None:
    now = asked(500, 10)
    sharper = now.probabilities**3 / (now.probabilities**3).sum(1, keepdims=True)
    rows = class_rows(sharper, now.labels)
    found = of(calibration.look(answered(window(rows), manifest()), against(held_classes(800))), "calibration", "ece")
    assert found.alarm
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert found.figures["by_chance"] < found.figures["ece"]


def covering(quantile: float, score: str) -> Calibration:
    level = Quantiles(level=0.9, quantiles=(quantile,))
    return Calibration(conformal=Conformal(score=score, n=(500,), levels=(level,)))  # type: ignore[arg-type]


def test_sets_that_no_longer_hold_the_truth_are_found() -> None:
    held = held_classes(600)
    scores = 1 - held.probabilities[np.arange(600), held.labels]
    sets = manifest(calibration=covering(float(np.quantile(scores, 0.9)), "lac"))
    reference = against(held, sets)
    same, worse = (
        of(calibration.look(asked(300, 11, of=sets, flip=flip), reference), "calibration", "coverage")
        for flip in (0.0, 0.3)
    )
    assert (same.alarm, worse.alarm) == (False, True)
    assert same.figures["now"] == pytest.approx(0.9, abs=0.05)
    assert worse.p_value is not None
    assert worse.p_value < 1e-6


@pytest.mark.parametrize(("problem", "width"), [("regression", 1), ("forecasting", 4)])
def test_intervals_that_no_longer_hold_the_truth_are_found(problem: str, width: int) -> None:
    of_numbers = manifest(problem, calibration=Calibration(
        conformal=Conformal(score="residual", n=(500,), levels=(Quantiles(level=0.9, quantiles=(1.645,) * width),))
    ))  # fmt: skip
    reference = against(held_numbers(400, width=width), of_numbers)
    for noise, alarm in ((1.0, False), (2.0, True)):
        rows = number_rows(*numbers(240, 12, noise=noise, width=width))
        found = of(calibration.look(answered(window(rows), of_numbers), reference), "calibration", "coverage")
        assert found.p_value is not None
        assert (found.alarm and found.p_value < 0.001) == alarm


def towns(count: int, seed: int, worse: str) -> tuple[list[dict], pa.Table]:
    """The answers are wrong in a tenth of the records, in one town in half of them."""
    generator = np.random.default_rng(seed)
    names = generator.choice(["Oslo", "Bergen", "Hamar"], size=count)
    wrong = generator.random(count) < np.where(names == worse, 0.5, 0.2)
    p_NK = probabilities(count, generator)
    labels = np.where(wrong, 1 - p_NK.argmax(1), p_NK.argmax(1))
    return class_rows(p_NK, labels), pa.table({"town": names.tolist()})


def test_the_group_in_which_answers_are_worse_is_named() -> None:
    rows, records = towns(600, 13, worse="Oslo")
    found = slices.look(answered(window(rows, records), manifest()), against(held_classes(400)))
    named = {one.name: one for one in found}
    assert set(named) == {"town=Oslo", "town=Bergen", "answer=bad", "answer=good"}
    assert named["town=Oslo"].alarm
    assert "wrong where town is Oslo" in named["town=Oslo"].sentence
    assert (named["town=Oslo"].p_value or 1) < 1e-6
    assert (named["town=Bergen"].p_value or 0) > 0.01


def test_groups_of_numbers_are_thirds_of_the_answers() -> None:
    regression = manifest("regression")
    values, truths = numbers(300, 14, noise=1.0)
    truths = np.where(values > 12, truths + 4, truths)
    rows = number_rows(values, truths)
    found = slices.look(answered(window(rows), regression), against(held_numbers(400), regression))
    assert [one.alarm for one in found] == [False, False, True]
    assert found[2].name.startswith("answer=above")
    assert (found[2].p_value or 1) < 1e-6


def test_groups_that_are_too_small_are_left_out() -> None:
    rows, records = towns(60, 15, worse="Oslo")
    found = slices.look(answered(window(rows, records), manifest()), against(held_classes(400)))
    assert all(one.figures["n"] >= 30 for one in found)
    assert len(found) < 4


def test_many_slices_do_not_hide_what_is_found_over_all_records() -> None:
    """Both have half of the kind's level; each is corrected for its own number alone."""

    def performance(name: str, p: float) -> Finding:
        return Finding(kind="performance", name=name, alarm=True, sentence="Worse.", p_value=p)

    sliced = [performance(f"town={place}", 0.5) for place in range(40)]
    found = decided([performance("accuracy", 0.001), *sliced], 0.004)
    assert [one.alarm for one in found] == [True] + [False] * 40
    assert found[0].p_value == pytest.approx(0.002)
    lone = decided([performance("accuracy", 0.001)], 0.004)
    assert lone[0].p_value == pytest.approx(0.001)


@pytest.mark.long
def test_without_a_change_no_kind_alarms_more_often_than_its_share() -> None:
    """300 windows with labels, each against held-out records of its own."""
    alarms, runs = {"performance": 0, "label_drift": 0, "calibration": 0}, 300
    for seed in range(runs):
        against_it, now = against(held_classes(200, seed=1000 + seed)), asked(100, seed)
        found = truth.look(now, against_it) + slices.look(now, against_it) + calibration.look(now, against_it)
        for kind in {one.kind for one in decided(found, 0.05) if one.alarm}:
            alarms[kind] += 1
    assert all(count <= runs * 0.05 + 3 * np.sqrt(runs * 0.05 * 0.95) for count in alarms.values())
