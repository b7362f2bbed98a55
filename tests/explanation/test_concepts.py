"""A network that looks for one thing, and concepts of which one is that thing.

Shapes: N records, T positions, D components.
"""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from lightloop.config.compose import compose_config
from lightloop.config.explain import ConceptConfig
from lightloop.errors import UsageError
from lightloop.explanation.concepts import concepts_content, matching

CLASSES = ("dark", "bright")


class Numbers:
    def encode(self, table):
        return (torch.tensor(table.column("numbers").to_pylist())[:, :, None],)

    def __call__(self, x_NTD):
        return (x_NTD,)


class Looking(nn.Sequential):
    """Nothing is embedded."""

    def embed(self, x_NTD):
        return x_NTD


def records(count, seed):
    """Sixteen numbers; in half of the records the first eight are larger. `lot` is drawn, whatever they are."""
    generator = np.random.default_rng(seed)
    numbers_NT = generator.normal(size=(count, 16))
    left_N = np.arange(count) % 2
    numbers_NT[:, :8] += 2.0 * left_N[:, None]
    return pa.table(
        {
            "label": [CLASSES[one] for one in left_N],
            "left": [str(one) for one in left_N],
            "lot": [str(one) for one in generator.integers(0, 2, count)],
            "numbers": numbers_NT.tolist(),
        }
    )


@pytest.fixture(scope="module")
def content():
    torch.manual_seed(1)
    network = Looking(nn.Flatten(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    with torch.no_grad():
        left_16 = torch.zeros(16)
        left_16[:8] = 0.3
        network[1].weight.mul_(0.1).add_(left_16)
        network[3].weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 16))
    network.eval().requires_grad_(False)
    tables = {"train": records(400, 0), "test": records(80, 1)}
    named = {
        "left half": ConceptConfig(column="left", values=("1",)),
        "lot": ConceptConfig(column="lot", values=("1",)),
        "nowhere": ConceptConfig(column="left", values=("7",)),
    }
    spec = SimpleNamespace(modality="tabular", problem="classification", classes=CLASSES)
    config = SimpleNamespace(data=spec, explain=SimpleNamespace(concepts=named), seed=0)
    model = SimpleNamespace(config=config, preprocessor=Numbers(), network=network)
    subject = SimpleNamespace(network=network, x_NDP=torch.zeros(2, 1, 16), extras=())
    return concepts_content(config, model, subject, tables)


def test_a_concept_that_the_network_looks_for_speaks_for_its_class(content):
    concept = content["concepts"][0]
    assert (content["layer"], concept["name"], concept["n"], concept["examples"]) == ("1", "left half", 200, 50)
    # Half of the random records show it too: no plane tells them apart better than three of four.
    assert concept["accuracy"]["low"] > 0.6
    assert concept["told_apart"] is True
    by_class = {row["class"]: row for row in concept["classes"]}
    assert {name: row["direction"] for name, row in by_class.items()} == {"dark": "against", "bright": "for"}
    assert by_class["bright"]["score"]["value"] > 0.9
    assert by_class["dark"]["score"]["value"] < 0.1
    assert all(row["p"] <= row["holm"] < 0.05 for row in by_class.values())


def test_a_concept_that_random_ones_match_is_marked_so(content):
    concept = content["concepts"][1]
    assert concept["name"] == "lot"
    assert concept["accuracy"]["high"] < 0.65
    assert [row["direction"] for row in concept["classes"]] == [None, None]


def test_a_concept_without_examples_says_why(content):
    assert content["skipped"] == {"nowhere": "Only 0 training records show it, and 10 are needed."}


def test_bounds_of_a_column():
    table = pa.table({"label": ["a"] * 4, "age": [1.0, 5.0, 9.0, None]})
    assert matching(table, ConceptConfig(column="age", above=5)).tolist() == [1, 2]
    assert matching(table, ConceptConfig(column="age", above=2, below=6)).tolist() == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{thing: {classes: [hat]}}", r"explain\.concepts\.thing names the class 'hat'"),
        ("{thing: {column: colour, values: [red]}}", r"explain\.concepts\.thing names the column 'colour'"),
        ("{thing: {column: label}}", "a concept is either"),
        ("{thing: {classes: [bag], column: label, values: [bag]}}", "a concept is either"),
    ],
)
def test_what_is_no_concept_is_refused(repository, words, said):
    with pytest.raises(UsageError, match=said):
        compose_config(repository, [f"+explain.concepts={words}"])


def test_the_concepts_of_the_demo_are_of_its_classes(repository):
    concepts = compose_config(repository, ["explain=fashion_full"]).explain.concepts
    assert list(concepts) == ["footwear", "long sleeves", "short sleeves"]
