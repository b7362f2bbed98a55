"""What is said of a model as a whole, of functions whose importances and interactions are known.

Shapes: N records, Q columns, D components, P positions, R resamples.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.stats import bootstrap, spearmanr
from torch import nn

from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.explanation.dependence import dependence, interactions, partial
from lightloop.explanation.outside import spearman_interval
from lightloop.explanation.overall import features
from lightloop.explanation.population import DRAWS, Population, attribute_all
from lightloop.explanation.reference import Reference
from lightloop.explanation.subject import Subject
from lightloop.explanation.tally import cell_shares, mean_intervals
from lightloop.explanation.versions import attention, compare

NAMES = ("first", "second", "third", "idle")


class Known(nn.Module):
    """Logits (N, 2) of columns (N, 1, 4): 0, and a function of them."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x_N1P):
        score_N = self.function(*x_N1P[:, 0].unbind(1))
        return torch.stack([torch.zeros_like(score_N), score_N], 1)


def population(function, records=60, method="integrated_gradients", seed=0):
    generator = torch.Generator().manual_seed(seed)
    x_N1P = torch.randn((records, 1, 4), generator=generator)
    baselines_S1P = torch.randn((64, 1, 4), generator=generator)
    everywhere = torch.ones((records, 4), dtype=torch.bool)
    columns_P = torch.arange(4)
    reference = Reference(baselines_S1P.mean(0), baselines_S1P, 32, seed=0, units_P=columns_P)
    network = Known(function)
    targets_N = torch.ones(records, dtype=torch.int64)
    subject = Subject(
        network, network, x_N1P, targets_N, reference, everywhere, everywhere, columns_P=columns_P, noun="columns"
    )
    schema = TabularInput(features=tuple(Feature(name=name, kind="number") for name in NAMES))
    model = SimpleNamespace(preprocessor=SimpleNamespace(positions=NAMES, input=schema))
    table = pa.table({name: x_N1P[:, 0, place].double().numpy() for place, name in enumerate(NAMES)})
    return Population(
        model=model,
        subject=subject,
        records=table,
        predictions=table,
        method=method,
        trusted=True,
        maps_NQ=attribute_all(method, subject),
        answer="yes",
        seed=0,
    )


def test_columns_are_ranked_by_what_they_weigh():
    rows = features(population(lambda a, b, c, d: 3 * a - 2 * b + 0.5 * c + 0 * d))
    assert [row["name"] for row in rows] == list(NAMES)
    assert rows[0]["low"] < rows[0]["value"] < rows[0]["high"]
    assert rows[3] == {"name": "idle", "n": 60, "value": 0, "low": 0, "high": 0, "share": 0, "signed": 0}
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-4)


def test_all_drawn_baselines_are_taken_though_no_record_sees_more_than_a_few():
    made = population(lambda a, b, c, d: a + b + c + d, method="gradient_shap", records=400)
    drawn_SP = made.subject.reference.baselines_SDP[:, 0]
    steps = replace(made.subject, columns_P=None, noun="steps")
    maps_NP = attribute_all("gradient_shap", steps)
    halves = [made.subject.x_NDP[place::2, 0] - maps_NP[place::2] for place in (0, 1)]
    for half_NP, part_SP in zip(halves, drawn_SP.split(DRAWS), strict=True):
        torch.testing.assert_close(half_NP, part_SP.mean(0).expand(200, -1), atol=1e-5, rtol=0)
    whole_NP = made.subject.x_NDP[:, 0] - made.maps_NQ
    torch.testing.assert_close(whole_NP, drawn_SP.mean(0).expand(400, -1), atol=1e-5, rtol=0)


def test_interactions_are_found_where_they_are_and_nowhere_else():
    content = interactions(population(lambda a, b, c, d: a * b + 2 * c + d))
    pairs = {(row["first"], row["second"]): row for row in content["pairs"]}
    strongest = content["pairs"][0]
    assert {strongest["first"], strongest["second"]} == {"first", "second"}
    assert strongest["h"]["low"] > 0.8
    assert strongest["strength"]["low"] <= strongest["strength"]["value"] <= strongest["strength"]["high"]
    others = [row for pair, row in pairs.items() if set(pair) != {"first", "second"}]
    assert max(row["strength"]["value"] for row in others) < 1e-5
    assert max(row["h"]["value"] for row in others if row["h"]["value"] is not None) < 1e-4


def test_friedmans_h_is_as_it_is_written_down():
    made = population(lambda a, b, c, d: torch.sin(a + b) + a * c + d, records=12)
    x_NP = made.subject.x_NDP[:, 0]
    network = made.subject.network

    def effect(columns):
        found = []
        for one in range(12):
            mixed = x_NP.clone()
            mixed[:, columns] = x_NP[one, columns]
            found.append(float(network(mixed[:, None])[:, 1].mean()))
        return np.array(found) - np.mean(found)

    np.testing.assert_allclose(partial(made, (0,)).mean(1) - partial(made, (0,)).mean(), effect([0]), atol=1e-6)
    both, first, second = effect([0, 1]), effect([0]), effect([1])
    expected = np.sqrt(((both - first - second) ** 2).sum() / (both**2).sum())
    pairs = {frozenset((row["first"], row["second"])): row for row in interactions(made)["pairs"]}
    assert pairs[frozenset(("first", "second"))]["h"]["value"] == pytest.approx(expected, rel=1e-3)


def test_a_dependence_shows_values_beside_their_attributions():
    made = population(lambda a, b, c, d: -4 * a + b)
    content = dependence(made)
    assert content["answer"] == "yes"
    first = content["columns"][0]
    assert (first["name"], first["kind"], first["n"], first["missing"]) == ("first", "number", 60, 0)
    assert first["correlation"] == -1
    values, attributions = np.array(first["points"]).T
    np.testing.assert_allclose(values, made.records["first"].to_numpy())
    np.testing.assert_allclose(np.diff(attributions) / np.diff(values), -4, rtol=1e-2)


def test_intervals_of_many_means_are_those_of_a_percentile_bootstrap():
    values_NQ = np.random.default_rng(3).gamma(2.0, size=(80, 2))
    low_Q, high_Q = mean_intervals(values_NQ, seed=0)
    for place in (0, 1):
        options = {"n_resamples": 2000, "method": "percentile", "rng": 1}
        found = bootstrap((values_NQ[:, place],), np.mean, **options).confidence_interval
        width = found.high - found.low
        assert low_Q[place] == pytest.approx(found.low, abs=0.1 * width)
        assert high_Q[place] == pytest.approx(found.high, abs=0.1 * width)


def test_rank_correlations_are_spearmans_with_ties_and_their_interval_covers_them():
    generator = np.random.default_rng(0)
    first_F = generator.integers(0, 6, 40).astype(float)
    second_F = first_F + generator.normal(size=40)
    found = spearman_interval(first_F, second_F, seed=0)
    assert found["value"] == pytest.approx(spearmanr(first_F, second_F).statistic, abs=1e-4)
    assert found["low"] < found["value"] < found["high"] < 1
    assert spearman_interval(np.ones(9), second_F[:9], seed=0) == {"value": None, "low": None, "high": None}


def test_shares_of_cells_of_an_image_sum_to_one_and_lie_where_it_is_bright():
    maps_NHW = torch.zeros(2, 28, 28)
    maps_NHW[0, :4, 24:] = -3
    shares_NHW = cell_shares(maps_NHW)
    assert shares_NHW[0, 0, 6] == shares_NHW[0].sum() == 1
    assert shares_NHW[1].sum() == 0


def test_two_versions_of_one_model_look_at_the_same():
    made = population(lambda a, b, c, d: a + 2 * b * b, method="gradient_shap")
    content = compare(made, made)
    assert content["correlation"]["value"] == content["correlation"]["low"] == 1
    assert content["noise"]["value"] < 1
    assert {row["change"] for row in content["features"]} == {None}
    assert content["gained"] == content["lost"] == []


def test_what_the_new_model_looks_at_is_named():
    new = population(lambda a, b, c, d: 3 * a + 0.2 * b + 0.1 * c)
    old = population(lambda a, b, c, d: 0.2 * a + 3 * b + 0.1 * c)
    content = compare(new, old)
    changes = {row["name"]: row["change"] for row in content["features"]}
    assert (changes["first"], changes["second"], changes["idle"]) == ("rose", "fell", None)
    assert (content["gained"], content["lost"], content["noise"]) == (["first"], ["second"], None)
    first = next(row for row in content["features"] if row["name"] == "first")
    expected = np.mean(
        [one["first"] - other["first"] for one, other in zip(attention(new), attention(old), strict=True)]
    )
    assert first["difference"]["value"] == pytest.approx(expected, rel=1e-4)
    assert first["difference"]["low"] < expected < first["difference"]["high"]
    assert content["correlation"]["high"] < 1


def test_a_column_that_one_version_lacks_has_neither_risen_nor_fallen():
    new, old = (population(lambda a, b, c, d: a + b + c + d) for _ in range(2))
    old = replace(
        old, model=SimpleNamespace(preprocessor=SimpleNamespace(positions=("first", "second", "third", "gone")))
    )
    content = compare(new, old)
    assert (content["only_new"], content["only_old"]) == (["idle"], ["gone"])
    assert {row["name"] for row in content["features"]} == {"first", "second", "third"}
