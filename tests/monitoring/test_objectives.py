"""Objectives: shares, budgets and burn rates, against counts that are easy to see."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alerting import found

from lightloop.config.alerts import LatencyObjective, ObjectivesConfig, QualityObjective, ShareObjective
from lightloop.monitoring.findings import Objective
from lightloop.monitoring.objectives import objectives, with_objectives
from lightloop.serving.log import EDGES, bucket, write_log

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
OFF = ShareObjective(target=None)


def counted(ago: timedelta, status: int, count: int, *, seconds: float = 0.01, route: str = "/v1/predict") -> dict:
    buckets = [0] * (len(EDGES) + 1)
    buckets[bucket(seconds)] = count
    row = {"time": NOW - ago, "version": "v1.0.0", "route": route, "status": status, "count": count}
    return row | {"seconds": seconds * count, "buckets": buckets}


def reached(folder: Path, requests: list[dict], **config: object) -> dict[str, Objective]:
    write_log(folder, [], requests)
    settings = ObjectivesConfig.model_validate({"availability": OFF, "latency": LatencyObjective(target=None)} | config)
    return {one.name: one for one in objectives(settings, str(folder), None, NOW)}


def test_availability_counts_our_faults_and_what_was_sent_away_and_not_those_of_clients(tmp_path: Path):
    rows = [
        counted(timedelta(days=20), 200, 9_950),
        counted(timedelta(days=10), 503, 20),
        counted(timedelta(days=10), 429, 5),
        counted(timedelta(days=10), 422, 4_000),
        counted(timedelta(days=10), 500, 7, route="/v1/explain"),
        counted(timedelta(days=40), 500, 9_000),
    ]
    one = reached(tmp_path, rows, availability=ShareObjective(target=0.995))["availability"]
    assert one.events == 9_975
    assert one.reached == pytest.approx(9_950 / 9_975)
    assert one.budget_left == pytest.approx(1 - (25 / 9_975) / 0.005)
    assert (
        "99.749% of 9,975 requests were answered in 28 days, 99.50% promised; 50% of the error budget" in one.sentence
    )


def test_a_budget_that_is_gone_says_by_how_much(tmp_path: Path):
    rows = [counted(timedelta(days=2), 200, 970), counted(timedelta(days=2), 500, 30)]
    one = reached(tmp_path, rows, availability=ShareObjective(target=0.99))["availability"]
    assert one.budget_left == pytest.approx(-2.0)
    assert one.sentence.endswith("the error budget is overspent by 200%")


def test_latency_takes_the_next_smaller_step_of_the_counts(tmp_path: Path):
    step = EDGES[20]
    rows = [
        counted(timedelta(days=1), 200, 90, seconds=step * 0.99),
        counted(timedelta(days=1), 200, 10, seconds=step * 1.01),
        counted(timedelta(days=1), 500, 50, seconds=1e-3),
    ]
    for seconds, share in ((step, 0.9), (step * 1.2, 0.9), (EDGES[21], 1.0), (step * 0.999, 0.0)):
        latency = LatencyObjective(target=0.95, seconds=seconds)
        assert reached(tmp_path, rows, latency=latency)["latency"].reached == pytest.approx(share), seconds


def test_quality_counts_what_turned_out_and_of_numbers_what_is_near(tmp_path: Path):
    at = NOW - timedelta(days=3)
    rows = [
        {"prediction_id": str(number), "time": at, "input": {"a": 1.0}, "values": [float(number), 5.0]}
        for number in range(4)
    ]
    write_log(tmp_path / "log", rows)
    (tmp_path / "told").mkdir()
    lines = [f'{{"prediction_id": "{number}", "values": [1.5, null], "received": "x"}}' for number in range(3)]
    (tmp_path / "told" / f"{at.date()}.jsonl").write_text("\n".join(lines))
    config = ObjectivesConfig(
        availability=OFF, latency=LatencyObjective(target=None), quality=QualityObjective(target=0.6, within=0.5)
    )
    [one] = objectives(config, str(tmp_path / "log"), str(tmp_path / "told"), NOW)
    assert (one.name, one.events, one.reached) == ("quality", 3, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("bad", "alarms"),
    [
        # Per 1,000 requests of each minute of the last three days; the budget is 0.5 %.
        ([(72.0, 0.0)], []),
        ([(1.0, 80.0)], [1.0, 6.0]),  # 16 times as fast for an hour: over 13.44, and 2.67 in six hours
        ([(72.0, 6.0)], [72.0]),  # slowly, for long
        ([(2.0, 80.0), (1.0, 0.0)], []),  # an hour ago, and over
    ],
)
def test_burn_rates_alarm_when_it_burns_and_still_burns(tmp_path: Path, bad: list[tuple[float, float]], alarms: list):
    rows = []
    for minutes in range(5, 72 * 60, 5):
        share = next((one for hours, one in reversed(bad) if minutes <= 60 * hours), 0.0)
        ago = timedelta(minutes=minutes)
        rows += [counted(ago, 200, 1000 - int(share)), counted(ago, 500, int(share))]
    one = reached(tmp_path, rows, availability=ShareObjective(target=0.995))["availability"]
    assert [round(burn.limit, 2) for burn in one.burns] == [13.44, 5.6, 0.93]
    found_alarms = [burn.hours for burn in one.burns if burn.alarm]
    if 6.0 in alarms:
        assert found_alarms[0] == 1.0
        assert one.burns[0].rate == pytest.approx(16.0, rel=0.01)
    else:
        assert found_alarms == alarms


def test_a_few_failures_of_little_traffic_are_no_alarm(tmp_path: Path):
    rows = [counted(timedelta(minutes=2), 500, 4), counted(timedelta(minutes=2), 200, 3)]
    one = reached(tmp_path, rows, availability=ShareObjective(target=0.995))["availability"]
    assert one.burns[0].rate > 100
    assert not any(burn.alarm for burn in one.burns)


def test_without_traffic_nothing_is_claimed(tmp_path: Path):
    one = reached(tmp_path, [], availability=ShareObjective(target=0.995))["availability"]
    assert (one.reached, one.budget_left, one.burns) == (None, None, [])
    assert one.sentence == "availability: nothing to count in 28 days"


def test_a_burning_budget_is_a_reason_to_look_with_a_fingerprint_of_its_own(tmp_path: Path):
    rows = [counted(timedelta(minutes=minutes), 500, 100) for minutes in range(1, 60)]
    burning = list(reached(tmp_path, rows, availability=ShareObjective(target=0.995)).values())
    calm = found("nothing", mark="m")
    seen = with_objectives(calm, burning)
    assert seen.act == "issue"
    assert seen.reasons[-1].startswith("The error budget of availability burns: in the last 1 hours 200.0 times")
    assert seen.fingerprint != calm.fingerprint
    assert with_objectives(found("retrain", "a"), burning).act == "retrain"
    assert with_objectives(calm, []) == calm
