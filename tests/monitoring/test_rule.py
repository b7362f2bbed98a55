"""Alarms after control of false discoveries, and what follows from them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from lightloop.config.monitoring import Kind, MonitorConfig, Rule
from lightloop.monitoring.findings import Finding, WindowFindings
from lightloop.monitoring.rule import decided, judged

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def finding(kind: Kind, name: str = "", *, p: float | None = None, alarm: bool = True) -> Finding:
    return Finding(kind=kind, name=name, alarm=alarm, sentence=f"{name} moved.", p_value=p)


def windows(*alarms: list[Finding]) -> list[WindowFindings]:
    return [
        WindowFindings(
            start=NOW + timedelta(days=place),
            end=NOW + timedelta(days=place + 1),
            records=9,
            labelled=0,
            version="v1",
            findings=found,
        )
        for place, found in enumerate(alarms)
    ]


def test_p_values_are_adjusted_within_their_kind_as_by_benjamini_and_hochberg() -> None:
    p = np.random.default_rng(0).uniform(size=12) ** 3
    candidates = [finding("feature_drift", f"x{place}", p=float(value)) for place, value in enumerate(p)]
    found = decided([*candidates, finding("label_drift", p=0.03)], 0.05)
    rejected, adjusted, _, _ = multipletests(p, 0.05, "fdr_bh")
    own = [one for one in found if one.kind == "feature_drift"]
    np.testing.assert_allclose([one.p_value for one in own], adjusted)
    assert [one.alarm for one in own] == rejected.tolist()
    assert [(one.p_value, one.alarm) for one in found if one.kind == "label_drift"] == [(0.03, True)]


def test_an_effect_within_its_limit_is_no_alarm_however_sure() -> None:
    assert not decided([finding("feature_drift", p=1e-30, alarm=False)], 0.05)[0].alarm


def test_without_a_test_the_limit_decides() -> None:
    assert decided([finding("staleness"), finding("latency", alarm=False)], 0.05) == [
        finding("latency", alarm=False),
        finding("staleness"),
    ]


def test_nothing_found_is_nothing_to_do() -> None:
    assert decided([], 0.05) == []
    act, reasons, _ = judged(windows([], []), MonitorConfig())
    assert (act, reasons) == ("nothing", [])
    assert judged([], MonitorConfig())[0] == "nothing"


def test_by_default_drift_is_an_issue_first_and_trains_when_it_stays() -> None:
    drift = [finding("feature_drift", "age")]
    assert judged(windows([], [], drift), MonitorConfig())[0] == "issue"
    act, reasons, _ = judged(windows(drift, [], drift), MonitorConfig())
    assert act == "retrain"
    assert reasons == ["Drift of features (age) in 2 of the last 3 windows: age moved."]


def test_what_is_over_calls_for_nothing() -> None:
    drift = [finding("feature_drift", "age")]
    assert judged(windows(drift, drift, []), MonitorConfig())[0] == "nothing"


def test_the_strongest_act_wins_and_names_its_own_reasons() -> None:
    found = windows([finding("performance", "accuracy"), finding("errors", "5xx"), finding("missing", "age")])
    act, reasons, _ = judged(found, MonitorConfig())
    assert act == "rollback"
    assert [reason.split(" (")[0] for reason in reasons] == ["Errors"]


def test_kinds_count_each_by_itself() -> None:
    config = MonitorConfig(rules=(Rule(kinds=("missing", "unseen"), windows=2, of=2, act="retrain"),))
    assert judged(windows([finding("missing")], [finding("unseen")]), config)[0] == "nothing"
    assert judged(windows([finding("unseen")], [finding("unseen")]), config)[0] == "retrain"


def test_the_fingerprint_is_of_the_act_and_of_what_led_to_it() -> None:
    config = MonitorConfig()
    first, again, other = (
        judged(windows([finding("missing", name, p=p)]), config)[2]
        for name, p in (("age", 0.01), ("age", 0.02), ("town", 0.01))
    )
    assert first == again != other


def test_a_rule_that_never_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="a rule wants 3 windows of 2"):
        Rule(kinds=("missing",), windows=3, of=2)
