"""What drifts and what does not: each kind on the real loans."""

import numpy as np
import pandas as pd
import pytest

from lightloop.config.compose import compose_config
from lightloop.config.tabular import TabularSpec
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.simulation.plan import RAMP, Plan, strength
from lightloop.simulation.records import MOVED, REGION, Asked, Stream, halves

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def spec() -> TabularSpec:
    found = compose_config(Project.find(), ["experiment=loans-fast"]).data
    assert isinstance(found, TabularSpec)
    return found


@pytest.fixture(scope="module")
def table(spec: TabularSpec) -> pd.DataFrame:
    return pd.read_parquet(Project.find().root / spec.path / spec.files["train"])


def stream(table: pd.DataFrame, spec: TabularSpec, **plan: object) -> Stream:
    kinds = dict.fromkeys(spec.features, "number") | {"prop": "text", "gift": "text", "mortg": "text"}
    return Stream(halves(table, 42)[1], spec, Plan.model_validate({"records": 800, "days": 20} | plan), kinds)


def column(day: list[Asked], name: str) -> np.ndarray:
    return np.array([np.nan if one.record[name] is None else one.record[name] for one in day], dtype=float)


def rejected(day: list[Asked]) -> float:
    return sum(one.label == "rejected" for one in day) / len(day)


def test_no_record_is_in_both_halves_and_none_is_lost(table: pd.DataFrame):
    history, rest = halves(table, 7)
    assert set(history["id"]).isdisjoint(rest["id"])
    assert len(history) + len(rest) == len(table)
    assert 0.5 < len(history) / len(table) < 0.6
    assert len(history) >= 994, "the expectations want so many"


def test_records_are_drawn_by_seed_none_twice_a_day_and_few_are_copies_of_earlier_ones(
    table: pd.DataFrame, spec: TabularSpec
):
    one, same, other = (stream(table, spec, seed=seed).day(0) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    first = stream(table, spec, seed=1)
    days = [[tuple(asked.record.values()) for asked in first.day(day)] for day in (0, 1)]
    assert [len(set(day)) for day in days] == [800, 800]
    assert len({*days[0], *days[1]}) > 0.98 * 1600


def test_what_several_records_share_is_not_shaken(table: pd.DataFrame, spec: TabularSpec):
    """A fifth of the price is the usual down payment: next to it is nobody, and a classifier would see it at once."""
    pool = halves(table, 42)[1]
    day = stream(table, spec, records=len(pool)).day(0)
    for name in ("loanprc", "atotinc", "hexp", "hrat"):
        counts = pool[name].value_counts()
        for value in counts.index[:3]:
            # A number beside it may be rounded to it.
            assert counts[value] <= (column(day, name) == value).sum() <= counts[value] + 2, (name, value)
    assert (column(day, "atotinc") % 1 == 0).all()
    assert 0.2 < (~np.isin(column(day, "loanprc"), pool["loanprc"])).mean() < 0.9


def test_values_are_as_json_has_them(table: pd.DataFrame, spec: TabularSpec):
    day = stream(table, spec).day(0)
    assert {type(one.record["prop"]) for one in day} == {str}
    assert {one.record["prop"] for one in day} <= {"1", "2", "3"}
    assert any(one.record["liq"] is None for one in stream(table, spec, records=895).day(0))
    assert {type(value) for one in day for value in one.record.values()} <= {str, int, float, type(None)}


@pytest.mark.parametrize("kind", ["covariate", "label", "concept", "none"])
def test_before_the_drift_all_kinds_are_the_same_world(table: pd.DataFrame, spec: TabularSpec, kind: str):
    assert stream(table, spec, kind=kind).day(1) == stream(table, spec, kind="none").day(1)


def test_covariate_drift_moves_the_stated_columns_by_the_stated_size(table: pd.DataFrame, spec: TabularSpec):
    calm, moved = stream(table, spec, kind="none").day(5), stream(table, spec, kind="covariate", size=2).day(5)
    deviation = halves(table, 42)[1].std(numeric_only=True)
    for name in ("hrat", "obrat"):
        difference = np.nanmean(column(moved, name) - column(calm, name))
        assert difference == pytest.approx(2 * MOVED[name] * deviation[name], rel=1e-6), name
    assert np.nanmean(column(moved, "atotinc")) < np.nanmean(column(calm, "atotinc"))
    assert np.array_equal(column(moved, "loanamt"), column(calm, "loanamt"))
    assert [one.label for one in moved] == [one.label for one in calm]


def test_label_drift_makes_the_rarer_class_more_frequent(table: pd.DataFrame, spec: TabularSpec):
    calm, moved = stream(table, spec, kind="none").day(5), stream(table, spec, kind="label", size=0.4).day(5)
    assert rejected(calm) == pytest.approx(0.12, abs=0.04)
    assert rejected(moved) == pytest.approx(rejected(calm) + 0.4, abs=0.06)


def test_concept_drift_turns_labels_round_in_its_region_alone(table: pd.DataFrame, spec: TabularSpec):
    calm, moved = stream(table, spec, kind="none").day(5), stream(table, spec, kind="concept", size=1).day(5)
    assert [one.record for one in moved] == [one.record for one in calm]
    border = halves(table, 42)[1][REGION].median()
    for a, b in zip(calm, moved, strict=True):
        assert (a.label != b.label) == (a.record[REGION] >= border)
    half = stream(table, spec, kind="concept", size=0.5).day(5)
    turned = sum(a.label != b.label for a, b in zip(calm, half, strict=True))
    whole = sum(a.label != b.label for a, b in zip(calm, moved, strict=True))
    assert turned == pytest.approx(whole / 2, rel=0.15)


def test_a_gradual_drift_grows_within_the_day_and_a_seasonal_one_goes_again(table: pd.DataFrame, spec: TabularSpec):
    day = stream(table, spec, form="gradual", drift_day=2).day(3)
    drifts = [one.drift for one in day]
    assert drifts == sorted(drifts)
    assert (drifts[0], drifts[-1]) == (pytest.approx(1 / RAMP), pytest.approx(2 / RAMP, rel=0.01))
    plan = Plan(form="seasonal", days=40)
    assert strength(plan, 2 + 2 * RAMP) == pytest.approx(1)
    assert strength(plan, 2 + 4 * RAMP) == pytest.approx(0)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"kind": "label", "size": 1.5}, "expected a share of the records, at most 1"),
        ({"days": 3, "drift_day": 3}, "drift begins on day 3, but only 3 days are simulated"),
        ({"kind": "covariate", "size": -1}, "greater than or equal to 0"),
        ({"kind": "sudden"}, "Input should be 'none', 'covariate', 'label' or 'concept'"),
    ],
)
def test_a_plan_that_is_none_says_so(plan: dict[str, object], said: str):
    with pytest.raises(ValueError, match=said):
        Plan.model_validate(plan)


def test_of_other_tables_the_numbers_with_the_most_values_move(table: pd.DataFrame, spec: TabularSpec):
    """As `lightloop simulate --experiment` has them."""
    kinds = {"atotinc": "number", "hexp": "number", "netw": "number", "dep": "number", "prop": "text"}
    calm, moved, turned = (
        Stream(table, spec, Plan(kind=kind, days=20), kinds).day(5) for kind in ("none", "covariate", "concept")
    )
    for name in ("atotinc", "hexp", "netw"):
        assert np.nanmean(column(moved, name) - column(calm, name)) == pytest.approx(2 * table[name].std(), rel=1e-6)
    assert np.array_equal(column(moved, "dep"), column(calm, "dep"), equal_nan=True)
    above = column(turned, "atotinc") >= table["atotinc"].median()
    assert [a.label != b.label for a, b in zip(calm, turned, strict=True)] == above.tolist()


def test_a_table_without_numbers_has_nothing_to_move(table: pd.DataFrame, spec: TabularSpec):
    with pytest.raises(LightloopError, match="concept drift is of numbers, but loans has none: simulate label drift"):
        Stream(table, spec, Plan(), {"prop": "text"})
