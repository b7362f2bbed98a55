"""How often intervals hold what they promise to: conformal sets and intervals, and those of the bootstrap.

Conformal: simulated records, and the validation and test records of the model that lies in artifacts/, divided anew for
each seed. Bootstrap: metrics of records drawn again and again from a world whose true values are known.

    python benchmarks/conformal_coverage.py            # prints means with 95 % intervals over splits or simulations
"""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightloop.calibration.conformal import conformal_intervals, conformal_sets
from lightloop.calibration.rules import Calibration
from lightloop.config.calibration import UncertaintyConfig
from lightloop.config.compose import read_params
from lightloop.data.splits import read_splits
from lightloop.data.targets import encode_targets
from lightloop.evaluation.bootstrap import intervals
from lightloop.evaluation.metrics import WeightedMetrics
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model

Floats = NDArray[np.float64]
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "auroc", "auprc", "log_loss", "brier", "ece")
WORLD = 400_000


def world(n: int, seed: int, classes: int = 3) -> tuple[Floats, NDArray[np.int64]]:
    """Probabilities that are a little too sure, and labels."""
    generator = np.random.default_rng(seed)
    logits_NK = generator.normal(size=(n, classes)) * 1.5
    true_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
    labels_N = (true_NK.cumsum(1) > generator.random((n, 1))).argmax(1)
    said_NK = np.exp(1.3 * logits_NK)
    return said_NK / said_NK.sum(1, keepdims=True), labels_N


def show(name: str, values: Sequence[float], promised: float) -> None:
    """The mean over splits with its interval, and the range of single ones."""
    values_S = np.asarray(values)
    error = values_S.std(ddof=1) / len(values_S) ** 0.5
    low, high = values_S.mean() - 1.96 * error, values_S.mean() + 1.96 * error
    ends = np.quantile(values_S, [0.025, 0.975])
    print(
        f"{name:<46} promised {promised:.2f}   mean {values_S.mean():.4f} [{low:.4f}, {high:.4f}]"
        f"   single splits {ends[0]:.3f} to {ends[1]:.3f}"
    )


def sets(p_NK: Floats, labels_N: NDArray[np.int64], score: str, by_class: str, *, level: float, splits: int) -> None:
    """Coverage of sets where half of the records give the quantiles and the other half is asked."""
    settings = UncertaintyConfig.model_validate({"levels": (level,), "score": score, "by_class": by_class})
    covered, worst, sizes = [], [], []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(labels_N))
        fit, ask = order[: len(order) // 2], order[len(order) // 2 :]
        released = Calibration(conformal=conformal_sets(p_NK[fit], labels_N[fit], settings))
        found_NK = released.sets(p_NK[ask])
        inside_N = found_NK[np.arange(len(ask)), labels_N[ask]]
        covered.append(float(inside_N.mean()))
        worst.append(min(float(inside_N[labels_N[ask] == k].mean()) for k in np.unique(labels_N[ask])))
        sizes.append(float(found_NK.sum(1).mean()))
    name = f"{score}, {'a quantile a class' if by_class == 'always' else 'one quantile'}, n={len(labels_N) // 2}"
    show(name, covered, level)
    print(f"{'':<46} size {np.mean(sizes):.3f}   worst class {np.mean(worst):.4f}")


def numbers(level: float, splits: int, n: int = 200) -> None:
    """Coverage of residual intervals and of widened quantiles, with noise that grows with a feature."""
    for score in ("residual", "cqr"):
        covered, widths = [], []
        for seed in range(splits):
            generator = np.random.default_rng(seed)
            scale_N = generator.uniform(0.5, 3, 2 * n)
            labels_NH = (scale_N * generator.standard_t(4, size=2 * n))[:, None]
            zeros_NH = np.zeros((2 * n, 1))
            quantiles = np.stack([-scale_N, 0 * scale_N, scale_N], 1)[:, None, :] if score == "cqr" else None
            fit, ask = slice(0, n), slice(n, 2 * n)
            found = conformal_intervals(
                labels_NH[fit], zeros_NH[fit], None if quantiles is None else quantiles[fit], (level,)
            )
            ends = Calibration(conformal=found).intervals(zeros_NH[ask], None if quantiles is None else quantiles[ask])[
                :, 0
            ]
            covered.append(float(((ends[:, 0] <= labels_NH[ask, 0]) & (labels_NH[ask, 0] <= ends[:, 1])).mean()))
            widths.append(float((ends[:, 1] - ends[:, 0]).mean()))
        show(f"{score}, n={n}", covered, level)
        print(f"{'':<46} width {np.mean(widths):.3f}")


def bootstrap(n: int, simulations: int, resamples: int) -> None:
    """How often the 95 % intervals of each metric hold its true value, and how often it lies below or above them."""
    p_NK, labels_N = world(WORLD, seed=10**6)
    ones = np.ones((1, WORLD), dtype=np.int32)
    truth = {name: float(value[0]) for name, value in WeightedMetrics(labels_N, p_NK, METRICS).scores(ones).items()}
    hits = {name: np.zeros(3) for name in METRICS}
    for seed in range(simulations):
        found = intervals(WeightedMetrics(*world(n, seed)[::-1], METRICS), resamples=resamples, seed=seed)
        for name, one in found.items():
            if one.low is None or one.high is None:
                continue
            hits[name] += [one.low <= truth[name] <= one.high, truth[name] < one.low, truth[name] > one.high]
    for name, (inside, below, above) in hits.items():
        share = inside / simulations
        error = 1.96 * (share * (1 - share) / simulations) ** 0.5
        print(
            f"{name:<18} n={n}  true {truth[name]:.4f}   holds it {share:.3f} [{share - error:.3f}, "
            f"{min(1.0, share + error):.3f}]   below {below / simulations:.3f}   above {above / simulations:.3f}"
        )


def released(level: float, splits: int) -> None:
    """The same for the model that was trained last, on its test records."""
    project = Project.find()
    if not project.checkpoint.exists():
        print("no model lies in artifacts/training: run `lightloop run` for its coverage")
        return
    config = read_params(project)
    if config.data.problem != "classification":
        return
    test = read_splits(config.data, project.root, config.seed)["test"]
    p_NK = load_model(project.checkpoint, project.calibration).answers(test)["probabilities"].astype(np.float64)
    print(f"\n{config.name}: {len(test)} test records, divided into halves {splits} times")
    for by_class in ("never", "always"):
        sets(p_NK, encode_targets(test, config.data).numpy(), "lac", by_class, level=level, splits=splits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1000)
    asked = parser.parse_args()
    print(f"conformal sets of simulated records, {asked.splits} splits")
    for score, by_class, level in (("lac", "never", 0.9), ("lac", "always", 0.9), ("aps", "never", 0.9)):
        sets(*world(1000, seed=1), score, by_class, level=level, splits=asked.splits)
    print(f"\nconformal intervals of simulated records, {asked.splits} splits")
    numbers(0.9, asked.splits)
    released(0.9, asked.splits)
    print(f"\nbootstrap intervals at 95 %, {asked.simulations} simulations of {asked.resamples} resamples")
    for n in (200, 1000):
        bootstrap(n, asked.simulations, asked.resamples)


if __name__ == "__main__":
    main()
