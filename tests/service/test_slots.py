"""Who answers, what is counted, and how two releases are compared, without HTTP or processes."""

import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tiny_bundles import grey, tiny_bundle

from lightloop.config.serve import CanaryConfig
from lightloop.service.loaded import Loaded
from lightloop.service.processes.trial import Trial, judge
from lightloop.service.slots import Candidate, Slots
from lightloop.service.tally import EDGES, Tally


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Loaded, Loaded]:
    """Two releases of an image model that answer differently."""
    folder = tmp_path_factory.mktemp("pair")
    one, two = (tiny_bundle("image", folder / str(bias), bias=bias) for bias in (0.0, 50.0))
    return Loaded.open(one, "v1"), Loaded.open(two, "v2")


@pytest.fixture(scope="module")
def records() -> pa.Table:
    return pa.table({"image": pa.array([grey(level) for level in range(0, 250, 10)], pa.large_binary())})


def wait_for(tally: Tally, comparisons: int) -> None:
    end = time.monotonic() + 20
    while tally.comparisons < comparisons:
        assert time.monotonic() < end, tally
        time.sleep(0.005)


def test_the_current_release_answers_until_another_is_swapped_in(pair: tuple[Loaded, Loaded]) -> None:
    slots = Slots(pair[0])
    assert slots.pick({"x-lightloop-release": "canary"}) is pair[0]
    slots.swap(pair[1])
    assert slots.pick({}) is pair[1]
    assert set(slots.tallies) == {pair[1].digest}
    # An answer of the one before that comes late is nobody's.
    slots.observe(pair[0], failed=True, seconds=1)
    assert slots.tallies[pair[1].digest].requests == 0


def test_a_canary_answers_its_share_or_who_asks(pair: tuple[Loaded, Loaded]) -> None:
    slots = Slots(pair[0])
    slots.offer(Candidate(pair[1], "canary", 0.2))
    picked = Counter(slots.pick({}).version for _ in range(4000))
    assert picked["v2"] / 4000 == pytest.approx(0.2, abs=0.04)
    assert {slots.pick({"x-lightloop-release": "canary"}).version for _ in range(50)} == {"v2"}
    assert {slots.pick({"x-lightloop-release": "current"}).version for _ in range(50)} == {"v1"}
    slots.swap(pair[1])
    assert slots.candidate is None
    assert slots.pick({"x-lightloop-release": "current"}) is pair[1]


def test_a_shadow_answers_nobody(pair: tuple[Loaded, Loaded]) -> None:
    slots = Slots(pair[0])
    slots.offer(Candidate(pair[1], "shadow", 1.0))
    assert {slots.pick({"x-lightloop-release": "canary"}).version for _ in range(50)} == {"v1"}


def test_a_shadow_is_compared_with_what_was_answered(pair: tuple[Loaded, Loaded], records: pa.Table) -> None:
    one, two = pair
    slots = Slots(one)
    slots.offer(Candidate(two, "shadow", 1.0))
    answers = one.predictor.answers(records)
    slots.compare(records, one, answers)
    tally = slots.tallies[two.digest]
    wait_for(tally, len(records))
    labels = [np.asarray(each.predictor.classify(records), dtype=object) for each in pair]
    expected = sum(a.label != b.label for a, b in zip(*labels, strict=True))
    assert expected > 0
    assert tally.differences == expected


def test_the_same_release_never_differs(pair: tuple[Loaded, Loaded], records: pa.Table, tmp_path: Path) -> None:
    again = Loaded.open(tiny_bundle("image", tmp_path / "again", bias=0.0, golden=False), "v1b")
    slots = Slots(pair[0])
    slots.offer(Candidate(again, "canary", 0.5))
    # What the canary answers is compared with the current release, whatever the share is.
    slots.compare(records, again, again.predictor.answers(records))
    tally = slots.tallies[again.digest]
    wait_for(tally, len(records))
    assert tally.differences == 0


def test_a_comparison_never_waits_and_a_candidate_that_raises_counts_against_itself(
    pair: tuple[Loaded, Loaded], records: pa.Table
) -> None:
    slots = Slots(pair[0])
    slots.offer(Candidate(pair[1], "shadow", 1.0))
    wrong = records.rename_columns(["no such column"])
    answers = pair[0].predictor.answers(records)
    tally = slots.tallies[pair[1].digest]
    for _ in range(500):
        slots.compare(wrong, pair[0], answers)
    wait_for(tally, len(records))
    assert tally.differences == tally.comparisons
    assert tally.comparisons <= 500 * len(records)


def test_counts_of_many_threads_add_up() -> None:
    tally = Tally()

    def count() -> None:
        for number in range(2000):
            tally.add(failed=number % 4 == 0, seconds=0.003)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tally.requests, tally.failures, sum(tally.seconds)) == (8000, 2000, 8000)
    both = Tally.total([tally, Tally.from_json(tally.as_json())])
    assert (both.requests, both.failures) == (16000, 4000)


def test_a_quantile_is_known_to_within_a_quarter() -> None:
    times = np.random.default_rng(7).lognormal(-5, 1, 5000)
    tally = Tally()
    for seconds in times:
        tally.add(failed=False, seconds=float(seconds))
    for share in (0.01, 0.5, 0.95, 0.999):
        true = float(np.quantile(times, share, method="inverted_cdf"))
        assert true <= tally.quantile(share) <= true * 1.2501
    tally.add(failed=False, seconds=2 * EDGES[-1])
    assert tally.quantile(1.0) == float("inf")


def counted(requests: int, failures: int = 0, seconds: float = 0.002, compared: tuple[int, int] = (0, 0)) -> Tally:
    tally = Tally()
    for number in range(requests):
        tally.add(failed=number < failures, seconds=seconds)
    tally.compared(*compared)
    return tally


BOUNDS = CanaryConfig(requests=200, seconds=60)
OLD = counted(2000, 2)


@pytest.mark.parametrize(
    ("candidate", "seconds", "word", "why"),
    [
        (counted(199), 1, "on", None),
        (counted(200), 1, "take", None),
        (counted(200, 2), 1, "take", None),
        (counted(200, 3), 1, "back", "3 of its 200 answers failed"),
        # Early: chance alone does not take it back, what is sure does.
        (counted(20, 1), 1, "on", None),
        (counted(20, 6), 1, "back", "6 of its 20 answers failed"),
        (counted(3, 3), 1, "back", "3 of its 3 answers failed"),
        (counted(150, compared=(150, 50)), 1, "on", None),
        (counted(150, compared=(150, 100)), 1, "back", "100 of 150 compared answers differ"),
        (counted(200, compared=(200, 51)), 1, "back", "51 of 200 compared answers differ"),
        (counted(200, compared=(200, 50)), 1, "take", None),
        (counted(200, seconds=0.02), 1, "back", "its 95th percentile is"),
        (counted(200, seconds=0.004), 1, "take", None),
        (counted(20, seconds=0.2), 1, "on", None),
        (counted(150), 61, "back", "only 150 of 200 requests came in 60 s"),
        (counted(0), 61, "back", "only 0 of 200 requests"),
    ],
)
def test_a_canary_is_judged_by_its_counts(candidate: Tally, seconds: float, word: str, why: str | None) -> None:
    verdict = judge(BOUNDS, Trial("canary", candidate, OLD, seconds))
    assert verdict.word == word, verdict
    assert (verdict.why is None) if why is None else (why in (verdict.why or ""))


@pytest.mark.parametrize(
    ("candidate", "seconds", "word"),
    [
        (counted(0), 59, "on"),
        (counted(0), 61, "take"),
        (counted(20), 61, "take"),
        # Of few, too: what speaks against it counts, as it does at the end of any trial.
        (counted(20, 1), 59, "on"),
        (counted(20, 1), 61, "back"),
        (counted(40, seconds=0.02), 61, "back"),
        (counted(20, compared=(20, 12)), 61, "back"),
    ],
)
def test_where_few_requests_come_it_may_be_taken(candidate: Tally, seconds: float, word: str) -> None:
    bounds = BOUNDS.model_copy(update={"few": "take"})
    assert judge(bounds, Trial("canary", candidate, OLD, seconds)).word == word


def test_what_fails_as_often_as_the_old_one_is_taken() -> None:
    assert judge(BOUNDS, Trial("canary", counted(200, 20), counted(2000, 200), 1)).word == "take"
    assert judge(BOUNDS, Trial("canary", counted(200, 20), counted(2000, 100), 1)).word == "back"


def test_a_shadow_is_judged_by_what_was_compared() -> None:
    assert judge(BOUNDS, Trial("shadow", counted(0, compared=(200, 10)), OLD, 1)).word == "take"
    assert judge(BOUNDS, Trial("shadow", counted(0, compared=(199, 10)), OLD, 1)).word == "on"
    assert judge(BOUNDS, Trial("shadow", counted(0, compared=(200, 60)), OLD, 1)).word == "back"
