"""Seconds of all metrics with intervals, beside plain loops over resamples with torchmetrics and with scikit-learn.

    python benchmarks/bootstrap.py [RECORDS] [CLASSES] [RESAMPLES]

The peers are what people write: draw records, compute each of the metrics, again and again. They run PEER_RESAMPLES
resamples, and their seconds are scaled up; each loop is linear in them. All in one process, two threads.
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from numpy.typing import NDArray

from lightloop.evaluation.bootstrap import class_intervals, intervals, paired_difference
from lightloop.evaluation.metrics import WeightedMetrics

PEER_RESAMPLES = 10
Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def draw(records: int, classes: int) -> tuple[Labels, Probabilities]:
    """Labels and the probabilities of a model that is right about two times in three."""
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=records)
    logits = generator.normal(size=(records, classes))
    logits[np.arange(records), labels] += 2
    probabilities = np.exp(logits)
    return labels, (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)


def by_torchmetrics(labels: Labels, probabilities: Probabilities) -> list[float]:
    """The twelve metrics of one resample."""
    classes = probabilities.shape[1]
    p, y = torch.from_numpy(probabilities), torch.from_numpy(labels)
    one_hot = torch.nn.functional.one_hot(y, classes)
    return [
        float(tm.multiclass_accuracy(p, y, classes, average="micro", validate_args=False)),
        float(tm.multiclass_f1_score(p, y, classes, average="macro", validate_args=False)),
        float(tm.multiclass_auroc(p, y, classes, validate_args=False)),
        float(torch.nn.functional.nll_loss(p.log(), y)),
        float((p - one_hot).square().sum(1).mean()),
        float(tm.multiclass_calibration_error(p, y, classes, n_bins=15, validate_args=False)),
        float(tm.multiclass_accuracy(p, y, classes, average="macro", validate_args=False)),
        float(tm.multiclass_precision(p, y, classes, average="macro", validate_args=False)),
        float(tm.multiclass_recall(p, y, classes, average="macro", validate_args=False)),
        float(tm.multiclass_average_precision(p, y, classes, validate_args=False)),
        float(tm.multiclass_matthews_corrcoef(p, y, classes, validate_args=False)),
        float(tm.multiclass_cohen_kappa(p, y, classes, validate_args=False)),
    ]


def by_scikit_learn(labels: Labels, probabilities: Probabilities) -> list[float]:
    """Eleven metrics of one resample; scikit-learn has no calibration error."""
    classes = range(probabilities.shape[1])
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    predictions = probabilities.argmax(1)
    return [
        float(sk.accuracy_score(labels, predictions)),
        float(sk.f1_score(labels, predictions, average="macro")),
        float(sk.roc_auc_score(labels, exact, multi_class="ovr", labels=classes)),
        float(sk.log_loss(labels, exact, labels=classes)),
        float(sk.brier_score_loss(labels, exact, labels=classes, scale_by_half=False)),
        float(sk.balanced_accuracy_score(labels, predictions)),
        float(sk.precision_score(labels, predictions, average="macro")),
        float(sk.recall_score(labels, predictions, average="macro")),
        float(sk.average_precision_score(np.eye(len(classes))[labels], exact)),
        float(sk.matthews_corrcoef(labels, predictions)),
        float(sk.cohen_kappa_score(labels, predictions)),
    ]


def seconds_of(work: Callable[[], object], repeats: int = 3) -> float:
    """The quickest of some runs."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def seconds_of_loop(score: Callable[[Labels, Probabilities], list[float]], labels: Labels, p: Probabilities) -> float:
    """Seconds for one resample of a plain loop, drawing included."""
    generator = np.random.default_rng(1)

    def loop() -> None:
        for _ in range(PEER_RESAMPLES):
            rows = generator.integers(len(labels), size=len(labels))
            score(labels[rows], p[rows])

    return seconds_of(loop, repeats=1) / PEER_RESAMPLES


def main() -> None:
    """Print a table of seconds and ratios."""
    given = [int(text) for text in sys.argv[1:]]
    records, classes, resamples = given + [10_000, 10, 1_000][len(given) :]
    torch.set_num_threads(2)
    labels, p = draw(records, classes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = seconds_of(lambda: intervals(WeightedMetrics(labels, p), resamples=resamples, seed=1))
    by_class = seconds_of(lambda: class_intervals(WeightedMetrics(labels, p), resamples=resamples, seed=1))
    paired = seconds_of(
        lambda: paired_difference(
            WeightedMetrics(labels, p), WeightedMetrics(labels, p[:, ::-1]), "accuracy", resamples=resamples, seed=1
        )
    )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{resamples:,} resamples of {records:,} records, {classes} classes")
    print(f"  intervals of all metrics        {ours:8.2f} s   ({grown:.0f} MB at most)")
    print(f"  intervals of each class         {by_class:8.2f} s")
    print(f"  paired difference of accuracy   {paired:8.2f} s")
    for name, score in (
        ("torchmetrics, 12 metrics", by_torchmetrics),
        ("scikit-learn, 11 metrics", by_scikit_learn),
    ):
        peer = seconds_of_loop(score, labels, p) * resamples
        print(f"  loop with {name:26s}{peer:6.1f} s   {peer / ours:.0f} times ours")


if __name__ == "__main__":
    main()
