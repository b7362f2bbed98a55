"""AUROC on loans: networks against gradient boosting and logistic regression, on the same splits.

    python benchmarks/loans.py [seeds=42,43,44,45,46] [split=validation] [only=MLP] [OVERRIDES...]

The MLP is the network of `experiment=loans`; the FT-Transformer has the settings below, chosen by the validation split.
Each seed is a split and an initialisation. Intervals and differences are corrected for the overlap of the splits.
"""

import sys

import numpy as np
import pyarrow as pa
from _common import find_project, interval, overlap, print_differences, read_words, train
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.data.records import label_codes
from lightloop.evaluation.baselines.tabular_classification import probabilities_of
from lightloop.evaluation.metrics import WeightedMetrics

NETWORKS: dict[str, tuple[str, ...]] = {
    "MLP": (),
    "FT-Transformer": (
        "network=ft_transformer",
        "preprocess=tabular_embedding",
        "network.width=32",
        "network.blocks=2",
        "network.heads=4",
    ),
}


def auroc(config: Config, asked: pa.Table, probabilities_NK: NDArray[np.floating]) -> float:
    labels_N = label_codes(asked["label"].to_pylist(), config.data.classes)
    ones_1N = np.ones((1, len(labels_N)), dtype=np.int32)
    return float(WeightedMetrics(labels_N, probabilities_NK, ["auroc"]).scores(ones_1N)["auroc"][0])


def main() -> None:
    words = read_words(sys.argv[1:], "only")
    networks = {name: own for name, own in NETWORKS.items() if name.startswith(words.own.get("only", ""))}
    found: dict[str, list[float]] = {}
    ratio = 0.0
    for seed in words.seeds:
        for name, own in networks.items():
            trained = train(find_project(), seed, ("experiment=loans", *own, *words.overrides))
            asked = trained.splits[words.split]
            value = auroc(trained.config, asked, trained.model.answers(asked)["probabilities"])
            found.setdefault(name, []).append(value)
            parameters = trained.summary["parameters"]
            print(f"seed {seed}, {name}: {value:.3f} ({parameters:,} parameters, {trained.seconds:.0f} s)", flush=True)
        ratio = overlap(trained, words.split)
        for name, probabilities_NK in probabilities_of(trained.config, trained.splits, asked).items():
            found.setdefault(name, []).append(auroc(trained.config, asked, probabilities_NK))
            print(f"seed {seed}, {name}: {found[name][-1]:.3f}", flush=True)
    for name, values in found.items():
        print(f"{name}: AUROC {interval(values, ratio)} over seeds {words.seeds}, {words.split} split")
    print_differences(found, ratio)


if __name__ == "__main__":
    main()
