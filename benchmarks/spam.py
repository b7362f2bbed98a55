"""F1 of spam and false positives on hard-ham: the network of `experiment=spam` against tf-idf with a linear SVM.

    python benchmarks/spam.py [seeds=42,43,44,45,46] [split=validation] [OVERRIDES...]

Each seed is a split of its own (copies and near-copies of a message stay on one side) and an initialisation; intervals
and differences are corrected for the overlap of the splits. Published F1, mean over four spam corpora, this one among
them (arXiv:2304.01238): 0.956 for the SVM, 0.967 for RoBERTa, 0.974 for Spam-T5.
"""

import sys
from typing import Any

import numpy as np
import pyarrow as pa
from _common import find_project, interval, overlap, print_differences, read_words, train
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.evaluation.baseline import baseline_answers
from lightloop.evaluation.metrics import WeightedMetrics

SVM = "tf-idf + linear SVM"


def figures(config: Config, asked: pa.Table, probabilities_NK: NDArray[Any]) -> dict[str, float]:
    """F1 of spam, its log loss, and the shares of ham that is called spam, of all ham and of hard-ham."""
    spam = config.data.classes.index("spam")
    labels_N = label_codes(asked["label"].to_pylist(), config.data.classes)
    metrics = WeightedMetrics(labels_N, probabilities_NK)
    ones_1N = np.ones((1, len(labels_N)), dtype=np.int32)
    called_N = probabilities_NK.argmax(1) == spam
    hard = [row for row, source in enumerate(asked["source"].to_pylist()) if source == "hard-ham"]
    return {
        "F1": float(metrics.class_scores(ones_1N)["f1"][0, spam]),
        "log loss": float(metrics.scores(ones_1N)["log_loss"][0]),
        "ham called spam": float(called_N[labels_N != spam].mean()),
        "hard-ham called spam": float(called_N[hard].mean()),
    }


def main() -> None:
    words = read_words(sys.argv[1:])
    found: dict[str, list[dict[str, float]]] = {SVM: [], "network": []}
    ratio = 0.0
    for seed in words.seeds:
        trained = train(find_project(), seed, ("experiment=spam", *words.overrides))
        config, asked = trained.config, trained.splits[words.split]
        ratio = overlap(trained, words.split)
        found["network"].append(figures(config, asked, trained.model.answers(asked)["probabilities"]))
        answers = baseline_answers(config, trained.splits, asked)["probabilities"]
        found[SVM].append(figures(config, asked, answers))
        for name, rows in found.items():
            said = ", ".join(f"{key} {value:.4f}" for key, value in rows[-1].items())
            print(f"seed {seed}, {name}: {said}" + f" ({trained.seconds:.0f} s)" * (name == "network"), flush=True)
    for key in found["network"][0]:
        for name, rows in found.items():
            print(f"{name}: {key} {interval([row[key] for row in rows], ratio, digits=4)}")
        print_differences({name: [row[key] for row in rows] for name, rows in found.items()}, ratio, digits=4)


if __name__ == "__main__":
    main()
