"""concepts.json: does a class's score rise along what the records of a concept have in common? TCAV, by Captum.

Source: Kim et al. 2018, arXiv:1711.11279: concept activation vectors, and their test against random concepts.

Shapes: N records, D components, P positions, A activations of a layer.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from captum.concept import TCAV, Classifier, Concept
from numpy.typing import NDArray
from scipy.stats import ttest_ind
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightloop.config.explain import ConceptConfig
from lightloop.config.schema import Config
from lightloop.data.splits import SplitName
from lightloop.evaluation.comparison import corrected
from lightloop.explanation.curves import mean_interval
from lightloop.explanation.explained import prepare
from lightloop.explanation.gradients import quiet
from lightloop.explanation.sanity import WRAPPED, layers_from_top
from lightloop.explanation.subject import Subject
from lightloop.explanation.tally import rounded
from lightloop.networks._ensemble import Ensemble
from lightloop.tasks.checkpoint import Model

RANDOM_SETS = 20  # what a concept is told from, and what is told from each other for comparison
EXAMPLES, FEWEST = 50, 10  # of a concept or a random set: at most, and at least
INPUTS = 50  # test records of a class whose sensitivity is measured
LEVEL = 0.05  # of all tests together, by Holm
HELD_OUT = 1 / 3  # of the examples, by which a vector's accuracy is told
CHANCE = 0.5  # balanced accuracy of a vector that tells nothing
PENALTY = 0.01


def concepts_content(
    config: Config, model: Model, subject: Subject, tables: Mapping[SplitName, pa.Table]
) -> dict[str, Any]:
    """What concepts.json holds.

    A concept's vector is the normal of the plane that tells its activations from those of random records. The score of
    a class is the share of its test records whose logit rises along that vector. Vectors between random sets show what
    scores mean nothing.

    Args:
        config: of the run; `explain.concepts` says what the concepts are.
        model: the trained one.
        subject: its network, frozen, and of texts the length.
        tables: the splits; examples are training records, scores are of test records.

    Returns:
        `applies`; `layer` whose input is looked at, `random_sets`, `level`; `concepts`: `name`, `n` records
        that show it, `examples` of each vector, `accuracy` of the vectors on examples that were held out, `told_apart`
        (that accuracy is above chance), and `classes`: `class`, `n` records, `member` (the
        class is one of the concept's own), `score` and `random` with `low` and `high` over random sets, `p` (two-sided
        t-test of both), `holm`, and `direction`: for, against, or null where random concepts
        match it or it is not told apart; `skipped`: by
        concept why nothing is said.
    """
    concepts = config.explain.concepts
    if not concepts:
        return _not("The config names no concepts: say which records show one in explain.concepts.")
    if config.data.problem != "classification":
        return _not("Concepts are asked about classes, and nothing is classified.")
    if any(isinstance(module, Ensemble) for module in subject.network.modules()):
        return _not("An ensemble has no layer that all members share.")
    layer = _layer(subject.network, subject)
    if layer is None:
        return _not("Below its last layer the network has no linear or convolutional one to look for concepts in.")
    examples = {name: matching(tables["train"], concept) for name, concept in concepts.items()}
    skipped = {
        name: f"Only {len(rows)} training records show it, and {FEWEST} are needed."
        for name, rows in examples.items()
        if len(rows) < FEWEST
    }
    kept = {name: rows for name, rows in examples.items() if name not in skipped}
    found = _Asking(config, model, subject, layer, tables).ask(kept)
    return {
        "applies": True,
        "layer": layer.removeprefix(WRAPPED),
        "random_sets": RANDOM_SETS,
        "level": LEVEL,
        "concepts": found,
        "skipped": skipped,
    }


def matching(table: pa.Table, concept: ConceptConfig) -> NDArray[np.int64]:
    """The rows of records that show a concept.

    Examples:
        >>> table = pa.table({"label": ["a", "b", "a"], "age": [20.0, 40.0, None]})
        >>> matching(table, ConceptConfig(classes=("a",))).tolist()
        [0, 2]
        >>> matching(table, ConceptConfig(column="age", above=30)).tolist()
        [1]
    """
    if concept.classes:
        return np.flatnonzero([label in concept.classes for label in table.column("label").to_pylist()])
    assert concept.column is not None
    low = -np.inf if concept.above is None else concept.above
    high = np.inf if concept.below is None else concept.below

    def shows(value: Any) -> bool:
        if value is None:
            return False
        if concept.values:
            return str(value) in concept.values
        return bool(low <= float(value) <= high)

    return np.flatnonzero([shows(value) for value in table.column(concept.column).to_pylist()])


def _layer(network: nn.Module, subject: Subject) -> str | None:
    """The layer below the last one, whose input is looked at; None where there is none.

    Above it a logit's gradient is the same for all records, and a score could only be 0 or 1.
    """
    layers = [names[0] for names in layers_from_top(network, subject.x_NDP, subject.extras)]
    if len(layers) < 2 or not isinstance(network.get_submodule(layers[1]), nn.Linear | nn.Conv1d | nn.Conv2d):
        return None
    return layers[1]


class _Plane(Classifier):
    """The plane between two sets of activations, by logistic regression; `accs` is of examples that were held out."""

    def __init__(self, seed: int) -> None:
        self.model = LogisticRegression(C=PENALTY, max_iter=500, class_weight="balanced")
        self.seed = seed

    def train_and_eval(self, dataloader: DataLoader[Any], **_: Any) -> dict[str, float]:
        parts, labels = zip(*dataloader, strict=True)
        x_NA, y_N = torch.cat(parts).numpy(), torch.cat(labels).numpy()
        learned_NA, held_NA, learned_N, held_N = train_test_split(
            x_NA, y_N, test_size=HELD_OUT, random_state=self.seed, stratify=y_N
        )
        # A small concept stands against larger random sets.
        answers_N = self.model.fit(learned_NA, learned_N).predict(held_NA)
        return {"accs": float(balanced_accuracy_score(held_N, answers_N))}

    def weights(self) -> Tensor:
        normal_A = torch.from_numpy(self.model.coef_[0])
        return torch.stack([-normal_A, normal_A])

    def classes(self) -> list[int]:
        return [int(one) for one in self.model.classes_]


def examples_each(records: int) -> int:
    """How many examples a vector is made from: at most half of the records, so that no two have the same.

    Examples:
        >>> examples_each(30), examples_each(1000)
        (15, 50)
    """
    return min(EXAMPLES, max(FEWEST // 2, records // 2))


@dataclass
class _Asking:
    config: Config
    model: Model
    subject: Subject
    layer: str
    tables: Mapping[SplitName, pa.Table]

    def ask(self, examples: Mapping[str, NDArray[np.int64]]) -> list[dict[str, Any]]:
        """The rows of concepts.json."""
        seed, train = self.config.seed, self.tables["train"]
        generator = np.random.default_rng(seed)
        sets = [
            self._concept(place, f"random-{place}", generator.permutation(len(train))[:EXAMPLES])
            for place in range(RANDOM_SETS)
        ]
        # Each time other examples. The same ones would share what is peculiar to them, and a concept of records that
        # were drawn at random would pass the test as well.
        named = {
            name: [
                self._concept(
                    RANDOM_SETS * (1 + place) + number,
                    f"concept-{place}-{number}",
                    generator.permutation(rows)[: examples_each(len(rows))],
                )
                for number in range(RANDOM_SETS)
            ]
            for place, (name, rows) in enumerate(examples.items())
        }
        pairs = [[one, sets[(place + 1) % len(sets)]] for place, one in enumerate(sets)]
        against = {name: [list(pair) for pair in zip(own, sets, strict=True)] for name, own in named.items()}
        # Captum keeps activations and vectors in files, and asks NumPy for a name of old as it reads them.
        with tempfile.TemporaryDirectory() as folder, quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tcav = TCAV(
                self.subject.network,
                [self.layer],
                classifier=_Plane(seed),
                attribute_to_layer_input=True,
                save_path=folder,
            )
            every = [*pairs, *(pair for one in against.values() for pair in one)]
            tcav.compute_cavs(every)
            scores = {name: self._scores(tcav, every, name) for name in self.config.data.classes}
            accuracy = {
                name: [self._stats(tcav, pair)["accs"] for pair in one_against] for name, one_against in against.items()
            }
        rows = {name: self._rows(name, scores, pairs, against[name]) for name in named}
        tested = iter(corrected([row for one in rows.values() for row in one], {"p": "holm"}))
        return [
            {
                "name": name,
                "n": len(examples[name]),
                "examples": examples_each(len(examples[name])),
                "accuracy": (found := _over_sets(accuracy[name], seed)),
                "told_apart": (apart := found["low"] > CHANCE),
                "classes": [_directed(next(tested), apart=apart) for _ in rows[name]],
            }
            for name in named
        ]

    def _rows(
        self,
        name: str,
        scores: Mapping[str, tuple[int, Mapping[str, float]]],
        pairs: Sequence[Sequence[Concept]],
        against: Sequence[Sequence[Concept]],
    ) -> list[dict[str, Any]]:
        found = []
        for label, (count, by_pair) in scores.items():
            if not count:
                continue
            own, others = ([by_pair[_key(pair)] for pair in several] for several in (against, pairs))
            found.append(
                {
                    "class": label,
                    "n": count,
                    "member": label in self.config.explain.concepts[name].classes,
                    "score": _over_sets(own, self.config.seed),
                    "random": _over_sets(others, self.config.seed),
                    "p": _t_test(own, others),
                }
            )
        return found

    def _concept(self, number: int, name: str, rows: NDArray[np.int64]) -> Concept:
        inputs = self._inputs(self.tables["train"].take(np.sort(rows)))
        return Concept(number, name, [inputs])

    def _inputs(self, table: pa.Table) -> tuple[Tensor, ...]:
        prepared = prepare(self.model, table, length=self.subject.x_NDP.shape[-1])
        return prepared.x_NDP, *prepared.extras

    def _scores(self, tcav: TCAV, every: list[list[Concept]], label: str) -> tuple[int, dict[str, float]]:
        """How many test records of a class there are, and by pair the share of them that rise along its vector."""
        labels = np.array(self.tables["test"].column("label").to_pylist(), dtype=object)
        rows = np.flatnonzero(labels == label)[:INPUTS]
        if not len(rows):
            return 0, {}
        x_NDP, *extras = self._inputs(self.tables["test"].take(rows))
        found = tcav.interpret(
            x_NDP, every, target=self.config.data.classes.index(label), additional_forward_args=tuple(extras) or None
        )
        return len(rows), {key: float(layers[self.layer]["sign_count"][0]) for key, layers in found.items()}

    def _stats(self, tcav: TCAV, pair: Sequence[Concept]) -> dict[str, Any]:
        stats: dict[str, Any] = tcav.cavs[_key(pair)][self.layer].stats
        return stats


def _key(pair: Sequence[Concept]) -> str:
    """As Captum names a pair."""
    return "-".join(str(concept.id) for concept in pair)


def _over_sets(values: Sequence[float], seed: int) -> dict[str, float]:
    values_R = np.array(values, dtype=float)
    low, high = mean_interval(values_R, seed)
    return {"value": rounded(values_R.mean()), "low": rounded(low), "high": rounded(high)}


def _t_test(own: Sequence[float], others: Sequence[float]) -> float:
    """Two-sided; where neither varies it is known for sure whether they differ."""
    if len(set(own)) == 1 and len(set(others)) == 1:
        return float(own[0] == others[0])
    with warnings.catch_warnings():
        # That one of the two does not vary is no loss of precision.
        warnings.simplefilter("ignore", RuntimeWarning)
        return rounded(float(ttest_ind(own, others, equal_var=False).pvalue))


def _directed(row: dict[str, Any], *, apart: bool) -> dict[str, Any]:
    """A vector of a concept that can't be told from random records points nowhere."""
    significant = apart and row["holm"] < LEVEL
    above = row["score"]["value"] > row["random"]["value"]
    return {**row, "holm": rounded(row["holm"]), "direction": ("for" if above else "against") if significant else None}


def _not(why: str) -> dict[str, Any]:
    return {"applies": False, "why": why}
