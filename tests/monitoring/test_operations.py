"""Seconds, failures, refusals, volume and age, from the counts of requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from answers_world import CONFIG, START, class_rows, labels_of, probabilities, window

from lightloop.config.monitoring import AnswerLimits
from lightloop.monitoring import operations, staleness
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.operations import percentile
from lightloop.monitoring.staleness import Dates
from lightloop.monitoring.window import Window
from lightloop.serving.log import EDGES, REQUEST, bucket

SLOW = CONFIG.model_copy(update={"answers": AnswerLimits(seconds=0.1)})


def requests(count: int, *, seconds: float = 0.01, status: int = 200, route: str = "/v1/predict") -> dict[str, Any]:
    buckets = [0] * (len(EDGES) + 1)
    buckets[bucket(seconds)] = count
    return {
        "time": START, "worker": "a", "sequence": 1, "version": "v0.1.0", "route": route, "status": status,
        "count": count, "seconds": count * seconds, "buckets": buckets,
    }  # fmt: skip


def served(*rows: dict[str, Any]) -> Window:
    return window([], requests=pa.Table.from_pylist(list(rows), REQUEST))


def of(found: list[Finding], kind: str) -> Finding:
    return next(one for one in found if one.kind == kind)


def test_a_percentile_of_counts_is_that_of_the_requests_up_to_a_bucket() -> None:
    seconds = np.random.default_rng(0).gamma(2, 0.02, size=5000)
    counts = np.bincount([bucket(one) for one in seconds], minlength=len(EDGES) + 1)
    for share in (0.5, 0.95, 0.99):
        assert percentile(counts, share) == pytest.approx(np.quantile(seconds, share), rel=0.1)


def test_slow_requests_are_an_alarm_when_that_is_sure() -> None:
    fast, slow = served(requests(1000)), served(requests(900), requests(100, seconds=0.5))
    lucky = served(requests(37), requests(3, seconds=0.5))
    assert not of(operations.look(fast, [], SLOW), "latency").alarm
    found = of(operations.look(slow, [], SLOW), "latency")
    assert found.alarm
    assert found.p_value is None
    assert "95 % of 1000 requests took at most" in found.sentence
    assert found.value is not None
    assert found.value > 0.3
    assert not of(operations.look(lucky, [], SLOW), "latency").alarm


def test_failures_are_held_against_what_is_allowed() -> None:
    for failed, alarm in ((5, False), (40, True)):
        found = of(operations.look(served(requests(1000 - failed), requests(failed, status=503)), [], CONFIG), "errors")
        assert found.value == pytest.approx(failed / 1000)
        assert found.p_value is not None
        assert (found.alarm and found.p_value < 0.001) == alarm


def test_failures_of_a_release_that_was_replaced_do_not_count() -> None:
    old = {**requests(200, status=500), "version": "v0.0.9"}
    unknown = {**requests(40, status=500), "version": None}
    both = served(requests(1000), old)
    assert of(operations.look(both, [], CONFIG), "errors").alarm
    assert of(operations.look(both, [], CONFIG, "v0.1.0"), "errors").value == 0
    assert of(operations.look(served(requests(1000), old, unknown), [], CONFIG, "v0.1.0"), "errors").alarm
    assert of(operations.look(both, [], CONFIG, "v0.1.0"), "volume").figures["requests"] == 1200


def test_requests_that_hold_something_else_are_told_from_those_without_a_key() -> None:
    for status, alarm in ((422, True), (401, False), (404, False), (429, False)):
        found = operations.look(served(requests(700), requests(300, status=status)), [], CONFIG)
        assert of(found, "schema").alarm == alarm
        assert not of(found, "errors").alarm


def test_pages_and_health_are_no_requests_for_answers() -> None:
    found = operations.look(served(requests(500, route="/health/live"), requests(40)), [], CONFIG)
    assert of(found, "volume").figures["requests"] == 40


def test_volume_is_held_against_the_windows_before() -> None:
    usual = [served(requests(count)) for count in (900, 1000, 1100)]
    for count, alarm in ((1200, False), (300, False), (100, True), (9000, True)):
        found = of(operations.look(served(requests(count)), usual, CONFIG), "volume")
        assert found.alarm == alarm, count
    assert (
        "10 times fewer than the usual 1000"
        in of(operations.look(served(requests(100)), usual, CONFIG), "volume").sentence
    )
    assert not of(operations.look(served(requests(100)), usual[:2], CONFIG), "volume").alarm


def test_little_traffic_varies_without_an_alarm() -> None:
    usual = [served(requests(count)) for count in (1, 2, 3)]
    assert not of(operations.look(served(requests(11)), usual, CONFIG), "volume").alarm


def test_an_empty_window_is_an_alarm_where_there_was_traffic_before() -> None:
    found = of(operations.look(served(), [served(requests(10))], CONFIG), "volume")
    assert found.alarm
    assert found.sentence == "nothing was asked; in the windows before it were 10 requests."
    assert not of(operations.look(served(), [], CONFIG), "volume").alarm


def test_without_counts_the_predictions_are_counted() -> None:
    generator = np.random.default_rng(1)
    found = of(operations.look(window(class_rows(probabilities(12, generator))), [], CONFIG), "volume")
    assert found.figures["requests"] == 12


NOW = datetime(2026, 7, 1, tzinfo=UTC)


def test_old_releases_and_trainings_are_an_alarm() -> None:
    dates = Dates(released=NOW - timedelta(days=200), trained=NOW - timedelta(days=20))
    found = {one.name: one for one in staleness.look(window([]), dates, CONFIG, NOW)}
    assert found["release"].alarm
    assert found["release"].value == pytest.approx(200)
    assert found["release"].sentence.endswith("was registered 200 days ago; 180 are allowed.")
    assert not found["training"].alarm
    assert "labels" not in found


def test_labels_that_no_longer_come_are_an_alarm_where_they_are_asked_for() -> None:
    config = CONFIG.model_copy(update={"answers": AnswerLimits(label_days=30)})
    generator = np.random.default_rng(2)
    p_NK = probabilities(5, generator)
    dates = Dates()
    labelled = window(class_rows(p_NK, labels_of(p_NK, generator)))
    for days, alarm in ((3, False), (40, True)):
        (found,) = staleness.look(labelled, dates, config, START + timedelta(days=days))
        assert (found.name, found.alarm) == ("labels", alarm)
    (none,) = staleness.look(window(class_rows(p_NK)), dates, config, START + timedelta(days=40))
    assert none.alarm
    assert staleness.look(window(class_rows(p_NK)), dates, CONFIG, START + timedelta(days=40)) == []
