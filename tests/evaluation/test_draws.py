"""What a bootstrap draws together, and that intervals then hold the truth where independent draws do not."""

import numpy as np
import pyarrow as pa
import pytest
from small_project import REPOSITORY

from lightloop.config.compose import compose_config
from lightloop.data.records import group_codes
from lightloop.evaluation.bootstrap import intervals
from lightloop.evaluation.draws import Draws, blocks, draws_of
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.evaluation.number_metrics import NumberMetrics
from lightloop.project import Project


def spec_of(experiment, **changes):
    return compose_config(Project(REPOSITORY), [f"experiment={experiment}"]).data.model_copy(update=changes)


def test_records_of_a_group_are_drawn_alike_as_often_as_groups():
    codes = np.random.default_rng(0).integers(40, size=300)
    counts = np.concatenate(list(Draws(300, groups_N=codes).counts(500, seed=1)))
    assert counts.dtype == np.int32
    by_group = np.stack([counts[:, codes == code][:, 0] for code in range(40)], axis=1)
    for code in range(40):
        assert (counts[:, codes == code] == by_group[:, [code]]).all()
    assert (by_group.sum(1) == 40).all()
    assert by_group.var() == pytest.approx(1 - 1 / 40, abs=0.05)


def test_blocks_follow_the_order_of_time():
    order = np.random.default_rng(0).permutation(60)
    counts = np.concatenate(list(Draws(60, block=6, order_N=order).counts(200, seed=1)))
    assert (counts.sum(1) == 60).all()
    in_time = counts[:, order]
    apart = np.abs(np.diff(np.concatenate([in_time, in_time[:, :1]], axis=1), axis=1)).mean()
    plain = np.abs(np.diff(counts, axis=1)).mean()
    assert apart < 0.5 * plain  # neighbours in time are drawn together, neighbours in the table are not


def test_what_is_drawn_follows_the_data_spec():
    spam = draws_of(spec_of("spam"), pa.table({"group": ["a", "a", None, "b"]}))
    assert spam.as_json() == {"unit": "group", "units": 3, "block": None, "column": "group"}
    assert not spam.independent
    fashion = draws_of(spec_of("fashion"), pa.table({"id": ["a", "b"]}))
    assert (fashion.independent, fashion.as_json()["unit"]) == (True, "record")
    co2 = pa.table({"week": np.arange(200).astype("datetime64[D]")})
    assert draws_of(spec_of("co2"), co2, block=26).as_json()["block"] == 26
    assert draws_of(spec_of("co2", block=40), co2, block=26).as_json() == {
        "unit": "block",
        "units": 5,
        "block": 40,
        "column": "week",
    }
    assert draws_of(spec_of("co2"), co2).block == round(200 ** (1 / 3))
    assert blocks(Draws(10, block=9)).block == 3


def test_records_without_a_group_are_groups_of_their_own():
    assert group_codes([None, "x", None, "x"]).tolist() == [0, 1, 2, 1]


def shares_that_hold(make, *, repeats, truth):
    """How often 90 % intervals of accuracy hold the truth: with the draws of the data, and with records alone."""
    hits = np.zeros(2)
    for seed in range(repeats):
        right, draws = make(np.random.default_rng(seed))
        p = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
        labels = np.zeros(len(right), dtype=np.int64)
        for place, drawn in enumerate((draws, None)):
            scorer = WeightedMetrics(labels, p, ["accuracy"], draws=drawn)
            found = intervals(scorer, confidence=0.9, resamples=300, seed=seed)["accuracy"]
            hits[place] += found.low <= truth <= found.high
    return hits / repeats


def grouped(generator):
    """60 groups of 10 records, right with a chance of the group's own."""
    chance = generator.beta(2, 1, size=60)
    codes = np.repeat(np.arange(60), 10)
    return generator.random(600) < chance[codes], Draws(600, groups_N=codes)


def test_intervals_of_grouped_records_hold_the_truth_and_those_of_single_records_do_not():
    by_group, by_record = shares_that_hold(grouped, repeats=150, truth=2 / 3)
    # Binomial(150, 0.9) lies within 0.82 and 0.97 but for once in 1,000 times.
    assert 0.82 < by_group < 0.97, by_group
    assert by_record < 0.7, by_record


def in_time(generator, records=800, memory=0.9):
    """Records in time whose chance to be right wanders slowly around one half."""
    steps = generator.normal(size=records + 200)
    level = np.zeros(records + 200)
    for place in range(1, len(level)):
        level[place] = memory * level[place - 1] + steps[place]
    chance = 1 / (1 + np.exp(-level[200:]))
    return generator.random(records) < chance, Draws(records, block=25)


def test_intervals_of_records_in_time_hold_the_truth_and_those_of_single_records_do_not():
    by_block, by_record = shares_that_hold(in_time, repeats=150, truth=0.5)
    assert 0.80 < by_block < 0.97, by_block
    assert by_record < 0.75, by_record


def test_a_resample_without_a_record_of_a_part_is_undefined_not_an_error():
    nothing = np.zeros((1, 4), dtype=np.int32)
    labels = np.array([0, 1, 0, 1])
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    for scores in (WeightedMetrics(labels, p).scores(nothing), NumberMetrics(p, p).scores(nothing)):
        assert all(np.isnan(value).all() for value in scores.values())
