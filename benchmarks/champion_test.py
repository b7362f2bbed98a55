"""False alarms of the comparison with the champion on two equal models, and its power on a known gap, by simulation.

    python benchmarks/champion_test.py [RECORDS] [REPEATS] [RESAMPLES]

Two models answer the same records: how hard a record is they share, the rest is their own. In a false alarm the two are
equally good and the challenger is called worse (or, of McNemar's test, different). Power is how often a challenger that
is worse by GAP in accuracy is called so. The main rule of the gate is the other way round: doubt refuses, so what
counts is how often a challenger that is worse by exactly the margin is let through.
"""

import gc
import sys

import numpy as np
from numpy.typing import NDArray

from lightloop.evaluation.comparison import compare_metrics, mcnemar_exact
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.evidence import Resampling
from lightloop.evaluation.metrics import WeightedMetrics

CLASSES = 3
GAP = 0.05
LEVEL = 0.05
MARGIN = 0.02
METRICS = ("accuracy", "macro_f1", "auroc", "log_loss")


def answers(
    generator: np.random.Generator, labels_N: NDArray[np.int64], shared_NK: NDArray[np.float64], skill: float
) -> NDArray[np.float64]:
    """Probabilities of a model; the more skill, the more often right."""
    logits_NK = shared_NK + generator.normal(size=shared_NK.shape)
    logits_NK[np.arange(len(labels_N)), labels_N] += skill
    p_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
    found: NDArray[np.float64] = p_NK / p_NK.sum(1, keepdims=True)
    return found


def accuracy_of(skill: float) -> float:
    """Of very many records."""
    generator = np.random.default_rng(0)
    labels_N = generator.integers(CLASSES, size=100_000)
    p_NK = answers(generator, labels_N, generator.normal(size=(len(labels_N), CLASSES)), skill)
    return float((p_NK.argmax(1) == labels_N).mean())


def skill_for(accuracy: float) -> float:
    """The skill that reaches an accuracy, by bisection."""
    low, high = 0.0, 10.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if accuracy_of(middle) < accuracy else (low, middle)
    return low


def rates(first: float, second: float, *, records: int, repeats: int, resamples: int) -> dict[str, float]:
    """How often each rule speaks, of a challenger and a champion with these skills."""
    said: dict[str, int] = dict.fromkeys(
        ("main metric alone", "one of all, without Holm", "Holm", "McNemar", "let in"), 0
    )
    for seed in range(repeats):
        generator = np.random.default_rng(seed)
        labels_N = generator.integers(CLASSES, size=records)
        shared_NK = generator.normal(size=(records, CLASSES))
        pair = [answers(generator, labels_N, shared_NK, skill) for skill in (first, second)]
        ours, theirs = (WeightedMetrics(labels_N, p_NK, METRICS, draws=Draws(records)) for p_NK in pair)
        how = Resampling(1 - LEVEL, resamples, seed)
        rows = compare_metrics(ours, theirs, dict.fromkeys(METRICS, 0.0), how)
        wrong = [p_NK.argmax(1) != labels_N for p_NK in pair]
        mcnemar = mcnemar_exact(*wrong)["p"]
        said["main metric alone"] += rows[0]["p_worse"] < LEVEL
        said["one of all, without Holm"] += any(row["p_worse"] < LEVEL for row in rows)
        said["Holm"] += any(row["holm_worse"] < LEVEL for row in rows)
        said["McNemar"] += mcnemar < LEVEL
        # The gate's main rule: the lower bound of the one-sided interval is above minus the margin.
        (row,) = compare_metrics(ours, theirs, {"accuracy": 0.0}, Resampling(1 - 2 * LEVEL, resamples, seed))
        said["let in"] += row["low"] >= -MARGIN
    return {name: count / repeats for name, count in said.items()}


def main() -> None:
    """Print a table of rates."""
    given = [int(text) for text in sys.argv[1:]]
    records, repeats, resamples = given + [1000, 300, 500][len(given) :]
    gc.freeze()  # statsmodels collects garbage at each call, which takes 0.1 s with everything that is loaded
    good = skill_for(0.80)
    cases = {
        "equal models": good,
        f"worse by {GAP}": skill_for(0.80 - GAP),
        f"worse by {MARGIN}": skill_for(0.80 - MARGIN),
    }
    print(f"{records:,} records, {repeats} repeats, {resamples} resamples, accuracy 0.80, level {LEVEL}")
    error = 1.96 * np.sqrt(LEVEL * (1 - LEVEL) / repeats)
    print(f"  (a rate of {LEVEL} is seen as {LEVEL - error:.3f} to {LEVEL + error:.3f})")
    for title, skill in cases.items():
        found = rates(skill, good, records=records, repeats=repeats, resamples=resamples)
        print(f"challenger: {title}")
        for name, share in found.items():
            words = f"let in with a margin of {MARGIN}" if name == "let in" else f"called worse: {name}"
            print(f"  {words.replace('worse: McNemar', 'different: McNemar'):48s}{share:7.3f}")


if __name__ == "__main__":
    main()
