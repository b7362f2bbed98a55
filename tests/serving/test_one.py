"""A single record's answer in few steps is the general one: every rule, ties, edges; and how novel it is."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundles import PLAIN, tiny_bundle

from lightloop.calibration.rules import Abstain, Calibration, Conformal, Decision, Quantiles
from lightloop.data.image.input import ImageInput
from lightloop.data.inputs import Feeds, RecordInput
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.serving.novelty import Describer, Reference
from lightloop.serving.one import MOST, One, one_of
from lightloop.serving.predictor import Predictor

K = 4
DECISIONS = (
    Decision(),
    Decision(name="threshold", positive=2, threshold=0.25),
    Decision(name="costs", costs=((0, 9, 1, 1), (1, 0, 1, 1), (5, 1, 0, 1), (1, 1, 1, 0))),
)
SETS = (
    None,
    Conformal(score="lac", n=(99,), levels=(Quantiles(level=0.9, quantiles=(0.75,)),)),
    Conformal(score="aps", n=(99,), levels=(Quantiles(level=0.8, quantiles=(0.75,)),)),
    Conformal(score="aps", by_class=True, n=(9,) * K, levels=(Quantiles(level=0.8, quantiles=(0.5, None, 0.9, 1.0)),)),
)
ABSTAINS = (Abstain(), Abstain(name="set"), Abstain(name="accuracy", limit=0.5))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Its classes are as many as the rules below know."""
    found = Predictor.load(tiny_bundle(PLAIN, tmp_path_factory.mktemp("one") / "bundle"))
    found.classes = tuple("abcd")
    found.manifest = found.manifest.model_copy(update={"answer": "probabilities", "classes": found.classes})
    return found


def probabilities() -> NDArray[np.float32]:
    drawn = np.random.default_rng(0).dirichlet([0.5] * K, 40)
    # Ties, and what lies on the edges of sets and thresholds.
    edges = [[0.25] * K, [0.5, 0.5, 0, 0], [0, 0.25, 0.75, 0], [0.25, 0.5, 0.25, 0], [1, 0, 0, 0], [0, 0, 0.25, 0.75]]
    return np.array([*edges, *drawn], dtype=np.float32)


@pytest.mark.parametrize(("decision", "conformal", "abstain"), list(product(DECISIONS, SETS, ABSTAINS)))
def test_every_rule_says_the_same(predictor: Predictor, decision: Any, conformal: Any, abstain: Any) -> None:
    rules = Calibration(decision=decision, conformal=conformal, abstain=abstain)
    predictor.manifest = predictor.manifest.model_copy(update={"calibration": rules})
    one = One(predictor.manifest, None)
    for p_K in probabilities():
        answers = {"probabilities": p_K[None]}
        (expected,) = predictor.told(predictor.concluded(answers, [()]))
        assert one({}, answers) == expected


def test_what_is_not_finite_is_left_to_the_general_way(predictor: Predictor) -> None:
    one = One(predictor.manifest, None)
    for wrong in (np.nan, np.inf, -np.inf):
        assert one({}, {"probabilities": np.array([[wrong, 0, 0, 0]], dtype=np.float32)}) is None


def test_numbers_and_many_classes_are_left_to_the_general_way(predictor: Predictor) -> None:
    many = predictor.manifest.model_copy(update={"classes": tuple(map(str, range(MOST + 1)))})
    assert one_of(many, None) is None
    assert one_of(predictor.manifest.model_copy(update={"answer": "prediction"}), None) is None
    assert one_of(predictor.manifest, None) is not None


def records(kind: str) -> tuple[RecordInput, Feeds, dict[str, NDArray[Any]]]:
    """A schema, 200 encoded records, and what describing them needs to know of the training records."""
    random, count = np.random.default_rng(1), 200
    # of feature: image
    if kind in ("grey", "colour"):
        schema = ImageInput(channels=1 if kind == "grey" else 3, size=(9, 30))
        pixels = random.integers(0, 256, (count, schema.channels, *schema.size), dtype=np.uint8)
        pixels[:50, :, :4] = 0  # without any spread
        return schema, {"image": pixels}, {}
    # end
    # of feature: tabular
    if kind == "tabular":
        columns = TabularInput(features=(Feature(name="a", kind="number"), Feature(name="b", kind="category")))
        numbers = random.normal(0, 1, (count, 1)).astype(np.float32)
        numbers[:9] = np.nan
        towns = random.choice(np.array(["x", "y", ""], dtype=object), (count, 1))
        knots = {"knots0": np.linspace(-2, 2, 9), "normal0": np.linspace(-1.5, 1.5, 9), "shown1": np.array(["x"])}
        return columns, {"a": numbers, "b": towns}, knots
    # end
    # of feature: text
    if kind == "text":
        ids = random.integers(0, 50, (count, 12))
        return TextInput(max_length=12), {"ids": ids}, {"surprise": random.uniform(1, 9, 50)}
    # end
    raise KeyError(kind)


WORLDS: dict[str, tuple[Reference, Feeds, NDArray[np.float32]]] = {}
KINDS = [
    # of feature: image
    "grey",
    "colour",
    # end
    # of feature: tabular
    "tabular",
    # end
    # of feature: text
    "text",
    # end
]


def reference_of(kind: str) -> tuple[Reference, Feeds, NDArray[np.float32]]:
    """A reference of 150 of the records, held against the other 50; all of them with their logits."""
    schema, feeds, arrays = records(kind)
    logits = np.random.default_rng(2).normal(0, 3, (200, 2)).astype(np.float32)
    describe = Describer(schema, ("input", "answer"), arrays)
    x_ND = describe(feeds, {"logits": logits})
    spread_D = np.maximum(x_ND.std(0), 1e-3)
    space = {"mean": x_ND.mean(0), "whiten": np.diag(1 / spread_D)}
    rows = ((x_ND[:150] - space["mean"]) / spread_D).astype(np.float32)
    own = Reference(describe, arrays | space | {"rows": rows})
    scores_V = np.sort(own.distances(x_ND[150:]))
    return Reference(describe, arrays | space | {"rows": rows, "scores": scores_V}), feeds, logits


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_as_novel_alone_as_among_others(kind: str) -> None:
    reference, feeds, logits = reference_of(kind)
    scores_N, p_N = reference.judge(feeds, {"logits": logits})
    assert len(np.unique(p_N)) > 20
    for row in range(200):
        alone = {name: values[row : row + 1] for name, values in feeds.items()}
        score, p_value = reference.judge_one(alone, {"logits": logits[row : row + 1]})
        # A record that the reference holds is near to itself, by the rounding of the numbers that are taken apart.
        assert score**2 == pytest.approx(scores_N[row] ** 2, rel=2e-5, abs=1e-4)
        if row >= 150:  # its own score is among those that it is held against
            assert p_value == p_N[row]


@pytest.mark.parametrize("kind", KINDS)
@given(row=st.integers(0, 199), logits=st.lists(st.floats(width=32), min_size=2, max_size=2))
def test_any_logits_have_a_finite_distance_the_same_alone(kind: str, row: int, logits: list[float]) -> None:
    reference, feeds, _ = WORLDS.setdefault(kind, reference_of(kind))
    alone = {name: values[row : row + 1] for name, values in feeds.items()}
    answers = {"logits": np.array([logits], dtype=np.float32)}
    (expected,), (p_expected,) = reference.judge(alone, answers)
    with np.errstate(over="ignore", invalid="ignore"):  # as a request has it
        score, p_value = reference.judge_one(alone, answers)
    assert np.isfinite(expected)
    assert score == pytest.approx(expected, rel=1e-5, abs=1e-2)
    calibration_V = reference.arrays["scores"]
    if np.abs(calibration_V - expected).min() > 1e-5 * expected + 1e-2:
        assert p_value == p_expected


# of feature: image
def test_numbers_that_are_too_large_are_far_away() -> None:
    schema, feeds, arrays = records("grey")
    describe = Describer(schema, ("input", "answer"), arrays)
    first = {"image": feeds["image"][:1]}
    answers = {"logits": np.zeros((200, 2), dtype=np.float32)}
    x_ND = describe(feeds, answers)
    space = {"mean": x_ND.mean(0), "whiten": np.eye(x_ND.shape[1])}
    rows = (x_ND - space["mean"]).astype(np.float32)
    reference = Reference(describe, space | {"rows": rows, "scores": np.array([1.0, 2.0])})
    for wrong in (np.inf, np.nan):
        far = {"logits": np.array([[wrong, 0]], dtype=np.float32)}
        scores_N, p_N = reference.judge(first, far)
        with np.errstate(invalid="ignore"):
            assert reference.judge_one(first, far) == (scores_N[0], p_N[0])
        assert np.isfinite(scores_N[0])
    # Finite numbers whose squares are too large for float32 are as far away as they are.
    for number in (1e10, 1e20, 3e38):
        far = {"logits": np.array([[number, 0]], dtype=np.float32)}
        scores_N, p_N = reference.judge(first, far)
        with np.errstate(over="ignore", invalid="ignore"):
            score, p_value = reference.judge_one(first, far)
        assert score == pytest.approx(number, rel=1e-5) == scores_N[0]
        assert p_value == p_N[0] == 1 / 3


# end
