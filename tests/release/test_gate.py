"""The gate's rule: each check in both directions, and the sign of every metric."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightloop.config.metrics import METRICS
from lightloop.config.schema import GateConfig
from lightloop.errors import LightloopError
from lightloop.evaluation.metrics import CLASSIFICATION, WeightedMetrics
from lightloop.release.checks import Check, Service
from lightloop.release.gate import Champion, Evidence, Verdict, judge

N = 300
CONFIG = GateConfig(
    metric="accuracy",
    margin=0.01,
    confidence=0.95,
    resamples=500,
    bounds={"accuracy": 0.8, "log_loss": 0.5},
    max_parity_difference=1e-4,
)


def answers(labels_N: np.ndarray, right: float, sureness: float = 0.9, shift: int = 0) -> np.ndarray:
    """Probabilities that are right on the share `right` of the records, the ones from `shift` on."""
    picked_N = np.where(np.roll(np.arange(N), shift) < round(right * N), labels_N, (labels_N + 1) % 3)
    return np.where(np.eye(3)[picked_N] == 1, sureness, (1 - sureness) / 2)


def evidence(right: float = 0.9, **changes: Any) -> Evidence:
    """What an acceptable challenger leaves, with some of it changed."""
    labels_N = np.arange(N) % 3
    accepted = Evidence(
        validation={"success": True, "suite": "records", "checks": [{"name": "x", "success": True}] * 2},
        parity={"n": N, "max_difference": 1e-6, "different_predictions": 0},
        metrics={"metrics": {"accuracy": estimate(right), "log_loss": estimate(0.3)}},
        explanation={"methods": {"saliency": {"trusted": True}, "gradient_shap": {"trusted": False}}},
        challenger=WeightedMetrics(labels_N, answers(labels_N, right)),
        baseline=WeightedMetrics(labels_N, answers(labels_N, 0.5)),
        champion=None,
        comparison={"applies": False, "why": "Nothing stands in production."},
        slices={"applies": True, "rows": []},
        service=Service(milliseconds=2.0, octets=1_000_000),
    )
    return replace(accepted, **changes)


def compared(*, further: float = 1.0, protected: float = 1.0) -> dict[str, Any]:
    """What comparison.json says, with corrected p values of "not worse by more than the margin"."""
    gap = {"value": -0.2, "low": -0.3, "high": -0.1}
    return {
        "applies": True,
        "metrics": [
            {"metric": "accuracy", "margin": 0.01, **gap, "holm_worse": 0.9},
            {"metric": "log_loss", "margin": 0.05, **gap, "holm_worse": further},
        ],
        "protected": [
            {"column": "sex", "value": "w", "n": 40, "difference": gap, "holm_worse": protected},
            {"column": "sex", "value": "m", "n": 60, "difference": {**gap, "value": 0.1}, "holm_worse": 1.0},
        ],
    }


def grouped(value: float | None, p: float | None, role: str = "sensitive") -> dict[str, Any]:
    """What slices.json says of one group."""
    difference = {"metric": "accuracy", "value": value, "low": None, "high": None, "holm_worse": p}
    return {
        "applies": True,
        "rows": [{"column": "sex", "role": role, "value": "w", "n": 40, "difference": difference}],
    }


def scorer(right: float, **options: Any) -> WeightedMetrics:
    labels_N = np.arange(N) % 3
    return WeightedMetrics(labels_N, answers(labels_N, right, **options))


def champion(right: float, **options: Any) -> Champion:
    return Champion("v0.1.0", scorer(right, **options))


def estimate(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": value, "high": value}


def check(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def only_failure(verdict: Verdict) -> str:
    assert verdict.word == "refused"
    (failed,) = verdict.failed
    return failed.name


def test_acceptable_evidence_is_accepted_with_every_check_in_order() -> None:
    verdict = judge(CONFIG, evidence(), seed=0)
    assert verdict.accepted
    assert [check.name for check in verdict.checks] == [
        "data",
        "parity",
        "bounds.accuracy",
        "bounds.log_loss",
        "baseline",
        "latency",
        "size",
        "explanation",
    ]
    assert verdict.word == "accepted"


def test_checks_are_json_with_everything_that_the_report_shows() -> None:
    for check in json.loads(json.dumps(judge(CONFIG, evidence(), seed=0).as_json(), allow_nan=False)):
        assert set(check) == {"name", "passed", "figures", "threshold", "source", "message", "warning"}
        assert check["source"]
        assert check["message"]


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"validation": {"success": False, "suite": "s", "checks": [{"name": "x", "success": False}]}}, "data"),
        ({"parity": {"n": N, "max_difference": 2e-4, "different_predictions": 0}}, "parity"),
        ({"parity": {"n": N, "max_difference": 1e-6, "different_predictions": 1}}, "parity"),
        ({"parity": {"n": N, "max_difference": None, "different_predictions": 0}}, "parity"),
        ({"metrics": {"metrics": {"accuracy": estimate(0.79), "log_loss": estimate(0.3)}}}, "bounds.accuracy"),
        ({"metrics": {"metrics": {"accuracy": estimate(0.9), "log_loss": estimate(0.6)}}}, "bounds.log_loss"),
        ({"metrics": {"metrics": {"accuracy": estimate(None), "log_loss": estimate(0.3)}}}, "bounds.accuracy"),
        ({"baseline": scorer(0.9)}, "baseline"),
        ({"baseline": scorer(1.0)}, "baseline"),
        ({"explanation": {"methods": {"saliency": {"trusted": False}}}}, "explanation"),
        ({"explanation": {"methods": {}}}, "explanation"),
        ({"champion": champion(1.0)}, "champion"),
        ({"service": Service(milliseconds=100.1, octets=1)}, "latency"),
        ({"service": Service(milliseconds=1.0, octets=200_000_001)}, "size"),
        ({"champion": Champion("v0.1.0", None, "it knows d")}, "champion"),
    ],
)
def test_one_failure_refuses_and_only_that_check_fails(changes: dict[str, Any], failing: str) -> None:
    assert only_failure(judge(CONFIG, evidence(**changes), seed=0)) == failing


@pytest.mark.parametrize(("value", "passed"), [(0.8, True), (0.7999, False)])
def test_a_minimum_is_allowed_to_be_met_exactly(value: float, passed: bool) -> None:
    metrics = {"metrics": {"accuracy": estimate(value), "log_loss": estimate(0.3)}}
    assert check(judge(CONFIG, evidence(metrics=metrics), seed=0), "bounds.accuracy").passed is passed


@pytest.mark.parametrize("name", METRICS)
def test_bounds_follow_the_direction_of_each_metric(name: str) -> None:
    config = CONFIG.model_copy(update={"bounds": {name: 0.5}})
    outcome = {}
    for value in (0.4, 0.6):
        metrics = {"metrics": {name: estimate(value)}}
        outcome[value] = check(judge(config, evidence(metrics=metrics), seed=0), f"bounds.{name}").passed
    assert outcome == {0.4: METRICS[name].direction == "lower", 0.6: METRICS[name].direction == "higher"}


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_the_comparison_follows_the_direction_of_each_metric(name: str) -> None:
    config = CONFIG.model_copy(update={"metric": name, "margin": 0.0, "bounds": {}})
    better = judge(config, evidence(1.0, champion=champion(0.6, sureness=0.95)), seed=0)
    worse = judge(config, evidence(0.6, champion=champion(1.0)), seed=0)
    assert (better.accepted, worse.accepted) == (True, False)


def test_the_same_model_again_is_not_worse_even_without_a_margin() -> None:
    config = CONFIG.model_copy(update={"margin": 0.0})
    against = check(judge(config, evidence(champion=champion(0.9)), seed=0), "champion")
    assert against.passed
    assert (against.figures["value"], against.figures["low"]) == (0.0, 0.0)


@pytest.mark.parametrize(("margin", "passed"), [(0.01, False), (0.2, True)])
def test_the_margin_decides_about_a_slightly_worse_challenger(margin: float, passed: bool) -> None:
    config = CONFIG.model_copy(update={"margin": margin})
    against = check(judge(config, evidence(champion=champion(0.95)), seed=0), "champion")
    assert against.passed is passed
    assert against.figures["value"] == pytest.approx(-0.05)
    assert against.threshold == -margin


def test_few_records_that_differ_leave_doubt_and_doubt_refuses() -> None:
    """Equally good on average, but on different records: the lower bound, not the mean, decides."""
    against = check(judge(CONFIG, evidence(0.9, champion=champion(0.9, shift=150)), seed=0), "champion")
    assert against.figures["value"] == pytest.approx(0.0)
    low = against.figures["low"]
    assert isinstance(low, float)
    assert low < -CONFIG.margin
    assert not against.passed


def test_with_a_champion_the_baseline_is_not_asked() -> None:
    verdict = judge(CONFIG, evidence(baseline=scorer(1.0), champion=champion(0.9)), seed=0)
    assert verdict.accepted
    assert "baseline" not in [check.name for check in verdict.checks]


def test_why_a_champion_cannot_be_compared_is_said() -> None:
    verdict = judge(CONFIG, evidence(champion=Champion("v0.1.0", None, "it knows d")), seed=0)
    assert check(verdict, "champion").message == "v0.1.0 can't be compared with: it knows d"


def test_an_undefined_metric_is_no_pass() -> None:
    """AUROC where every record has one label."""
    labels_N = np.zeros(N, dtype=np.int64)
    config = CONFIG.model_copy(update={"metric": "auroc", "bounds": {}})
    one_class = WeightedMetrics(labels_N, answers(labels_N, 0.9))
    verdict = judge(config, evidence(challenger=one_class, champion=Champion("v0.1.0", one_class)), seed=0)
    assert only_failure(verdict) == "champion"
    assert "undefined" in verdict.failed[0].message


def test_figures_are_those_of_the_seed() -> None:
    figures = [check(judge(CONFIG, evidence(), seed=seed), "baseline").figures for seed in (1, 1, 2)]
    assert figures[0] == figures[1]
    assert figures[0]["value"] == pytest.approx(0.4)


def test_evidence_without_a_bounded_metric_is_no_pass() -> None:
    with pytest.raises(LightloopError, match=r"metrics.json has no log_loss"):
        judge(CONFIG, evidence(metrics={"metrics": {"accuracy": estimate(0.9)}}), seed=0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("data", "the data check passed: 2 of 2 expectations hold"),
        ("bounds.accuracy", "Accuracy is 0.9, and must be at least 0.8"),
        ("bounds.log_loss", "Log loss is 0.3, and must be at most 0.5"),
        ("explanation", "of 2 explanation methods 1 can be trusted (saliency)"),
    ],
)
def test_messages_say_figure_and_threshold(name: str, sentence: str) -> None:
    assert check(judge(CONFIG, evidence(), seed=0), name).message == sentence


def test_message_of_the_comparison_has_figure_and_threshold() -> None:
    message = check(judge(CONFIG, evidence(champion=champion(0.95)), seed=0), "champion").message
    assert message.startswith("Accuracy is 0.05 worse than v0.1.0; at 95% confidence the difference is at least -0.0")
    assert message.endswith(", and at least -0.01 is needed")


WITH_MORE = CONFIG.model_copy(update={"further": {"log_loss": 0.05}, "protected_margin": 0.05, "max_ece": 0.1})


@pytest.mark.parametrize(
    ("p", "failing"),
    [({"further": 0.049}, "further"), ({"further": 0.051}, None), ({"protected": 0.049}, "protected")],
)
def test_a_champion_that_is_significantly_better_somewhere_refuses(p: dict[str, float], failing: str | None) -> None:
    config = WITH_MORE.model_copy(update={"max_ece": None})
    verdict = judge(config, evidence(champion=champion(0.9), comparison=compared(**p)), seed=0)
    assert [check.name for check in verdict.failed] == ([failing] if failing else [])
    assert {"further", "protected"} <= {check.name for check in verdict.checks}
    if failing == "protected":
        message = check(verdict, "protected").message
        assert message == "Accuracy is worse than the champion by more than 0.05: sex w by 0.2"
    if failing == "further":
        assert check(verdict, "further").message.endswith("Log loss by 0.2")


def test_without_further_metrics_the_champion_is_not_asked_about_any() -> None:
    verdict = judge(CONFIG, evidence(champion=champion(0.9), comparison=compared(further=0.001)), seed=0)
    assert "further" not in [check.name for check in verdict.checks]


@pytest.mark.parametrize(
    ("value", "p", "passed"),
    [(-0.06, 0.01, True), (-0.2, 0.01, False), (-0.2, 0.06, True), (None, None, True), (0.2, 0.001, True)],
)
def test_without_a_champion_a_worse_group_is_a_warning_or_a_refusal(value: Any, p: Any, *, passed: bool) -> None:
    config = CONFIG.model_copy(update={"protected_margin": 0.1})
    slices = grouped(value, p)
    verdict = judge(config, evidence(slices=slices), seed=0)
    assert check(verdict, "protected").passed is passed
    assert check(verdict, "protected").warning
    assert verdict.accepted  # a warning refuses nobody
    strict = judge(config.model_copy(update={"without_champion": "check"}), evidence(slices=slices), seed=0)
    assert strict.accepted is passed


def test_only_sensitive_columns_are_protected() -> None:
    verdict = judge(CONFIG, evidence(slices=grouped(-0.5, 0.001, role="slice")), seed=0)
    assert "protected" not in [check.name for check in verdict.checks]


@pytest.mark.parametrize(
    ("ece", "passed"),
    [(estimate(0.1), True), (estimate(0.11), False), (estimate(None), False)],
)
def test_a_calibration_error_beyond_the_bound_is_refused(ece: dict, *, passed: bool) -> None:
    metrics = {"metrics": {"accuracy": estimate(0.9), "log_loss": estimate(0.3), "ece": ece}}
    verdict = judge(WITH_MORE, evidence(metrics=metrics), seed=0)
    assert check(verdict, "calibration").passed is passed
    assert check(verdict, "calibration").threshold == 0.1


def test_a_bound_without_a_calibration_error_is_no_pass() -> None:
    with pytest.raises(LightloopError, match=r"gate\.max_ece is set, but the evidence has no calibration error"):
        judge(WITH_MORE, evidence(), seed=0)


def test_a_measured_time_is_in_no_file() -> None:
    slow, slower = (
        judge(CONFIG, evidence(service=Service(milliseconds, 1)), seed=0).as_json() for milliseconds in (3.0, 4.0)
    )
    assert slow == slower


def shrunk(low: float | None, value: float | None = -0.004, chosen: str = "static_int8") -> dict[str, Any]:
    """What compression.json says of a bundle that was chosen."""
    difference = {"value": value, "low": low, "high": 0.002}
    rows = [
        {"name": "float", "bytes": {"graph": 400}, "test": {"difference": {"value": 0.0, "low": 0.0, "high": 0.0}}},
        {"name": "static_int8", "bytes": {"graph": 100}, "test": {"difference": difference}},
    ]
    return {
        "applies": True,
        "chosen": chosen,
        "metric": "accuracy",
        "max_loss": 0.01,
        "source": "config gate.margin",
        "size": "graph",
        "candidates": rows,
    }


@pytest.mark.parametrize(("low", "passed"), [(-0.009, True), (-0.01, True), (-0.011, False), (None, False)])
def test_a_smaller_bundle_may_lose_so_much_and_doubt_refuses(low: float | None, passed: bool) -> None:
    verdict = judge(CONFIG, evidence(compression=shrunk(low, value=None if low is None else -0.004)), seed=0)
    (check,) = [check for check in verdict.checks if check.name == "compression"]
    assert (check.passed, verdict.accepted) == (passed, passed)
    assert check.threshold == -0.01
    assert check.source == "config gate.margin"
    assert (check.figures["way"], check.figures["times smaller"]) == ("static_int8", 4.0)
    assert "static int8, 4 times smaller" in check.message


def test_what_is_released_as_it_was_trained_is_not_asked_what_it_lost() -> None:
    for found in ({"applies": False, "why": "compress=none"}, shrunk(-1.0, chosen="float")):
        verdict = judge(CONFIG, evidence(compression=found), seed=0)
        assert "compression" not in [check.name for check in verdict.checks]
