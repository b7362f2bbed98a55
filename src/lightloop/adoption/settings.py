"""Network and training for a data set of some size and kind: what `configs/experiment/NAME.yaml` says, and why.

Numbers without a source are rules of thumb, checked on the public data sets of `benchmarks/adoption.py`: where a
network of these settings does not beat saying the commonest answer, they are wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightloop.adoption.commented import Said
from lightloop.adoption.model import Guess
from lightloop.quality.suite import down, up

# A class of less than this share of what it would have in equal shares is rare.
RARE = 0.6
# Test records below which a calibration error says nothing.
CALIBRATED = 200
STEPS = {"tabular": 2500, "image": 1200, "text": 900, "series": 1800}
# Of a batch; so that there are some dozens of steps in an epoch, and not more than needed.
BATCHES = (16, 32, 64, 128, 256)
GLYPHS = 1  # characters of a class name that stands for a letter or digit


@dataclass(frozen=True)
class Facts:
    """What the settings depend on beside the guess.

    Attributes:
        train, validation, test: records of the splits.
        shares: of the classes among the training records, in their order; empty where numbers are predicted.
        deviation: of the target in the training records, where numbers are predicted.
        naive: of a forecast, what the simpler model reaches in MASE on the validation windows.
    """

    train: int
    validation: int
    test: int
    shares: tuple[float, ...] = ()
    deviation: float | None = None
    naive: float | None = None


@dataclass(frozen=True)
class Settings:
    """What an experiment chooses.

    Attributes:
        groups: the option of each group, with the reason.
        values: settings within groups.
    """

    groups: Mapping[str, Said]
    values: Mapping[str, Any]


def choose(name: str, guess: Guess, facts: Facts) -> Settings:
    """Settings for a data set.

    Args:
        name: of the data set and of its experiment.
        guess: of the data set.
        facts: of its records.
    """
    by_modality = {"tabular": _tables, "image": _images, "text": _texts, "series": _series}
    groups, values = by_modality[guess.modality](guess, facts)
    groups = {
        "data": Said(name),
        **groups,
        "task": Said("classification" if guess.problem == "classification" else "regression"),
        **_loss(guess),
        "gate": Said({"classification": "default"}.get(guess.problem, guess.problem)),
        "card": Said(name, "what only a person can say: fill it in"),
    }
    values = {**values, "audit": _audit(facts), "gate": _gate(guess, facts)}
    if guess.problem == "classification":
        values = {**values, "loss": {"label_smoothing": Said(0.0, "probabilities as the data have them")}}
    return Settings(groups, {key: value for key, value in values.items() if value})


def _loss(guess: Guess) -> dict[str, Said]:
    if guess.problem == "classification":
        return {"loss": Said("cross_entropy")}
    if guess.problem == "forecasting":
        return {"loss": Said("huber", "single wild steps count less than with squares")}
    return {"loss": Said("mse", "the gate judges by the root of the mean squared error")}


def _tables(guess: Guess, facts: Facts) -> tuple[dict[str, Said], dict[str, Any]]:
    n = facts.train
    hidden, why = (
        ([64, 32], "small: a few thousand records teach no more")
        if n < 3_000
        else ([128, 64], "for some thousand records")
        if n < 20_000
        else ([256, 128], "records enough for it")
    )
    noisy = guess.problem == "classification" and n < 20_000
    groups = {
        "preprocess": Said("tabular", "median for gaps, standard scale, one-hot categories"),
        "augment": Said("tabular", "a little noise keeps few records from being learned by heart")
        if noisy
        else Said("none", "records enough" if n >= 20_000 else "noise on the features blurs numbers"),
        "network": Said("mlp", "the sound choice for tables of any size; also tabular, ft_transformer"),
        "explain": Said("tabular"),
    }
    values: dict[str, Any] = {
        "network": {"hidden": Said(hidden, why), "dropout": Said(0.1 if n < 20_000 else 0.2)},
        "optimizer": {"lr": Said(0.002, "small steps for small batches")},
        "trainer": _trainer("tabular", facts, least=20, most=150, patience=25),
    }
    if noisy:
        values["augment"] = {"noise": Said(0.05, "deviations"), "swap": Said(0.02, "of values")}
    return groups, values


def _images(guess: Guess, facts: Facts) -> tuple[dict[str, Said], dict[str, Any]]:
    glyphs = all(len(name) <= GLYPHS for name in guess.classes)
    height, width = guess.pictures.size if guess.pictures else (28, 28)
    groups = {
        "preprocess": Said("image"),
        "augment": Said("image", "shifts; mirrored too, where that changes nothing of the class"),
        "network": Said("cnn", "trains in minutes on a processor; also resnet, timm with weights of your own"),
        "explain": Said("default"),
    }
    values: dict[str, Any] = {
        "augment": {
            "flip": Said(not glyphs, "a mirrored letter or digit is another one" if glyphs else "false where left and "
                         "right mean something"),
            "shift": Said(max(1, round(min(height, width) / 14)), "pixels"),
        },
        "optimizer": {"lr": Said(0.003, "with batches of this size")},
        "trainer": _trainer("image", facts, least=8, most=60, patience=12),
    }  # fmt: skip
    return groups, values


def _texts(guess: Guess, facts: Facts) -> tuple[dict[str, Said], dict[str, Any]]:
    words = guess.length or 200
    # Marks are tokens too.
    length = min(512, max(32, 2 ** math.ceil(math.log2(1.25 * words))))
    few = facts.train < 1_000
    groups = {
        "preprocess": Said("text"),
        "augment": Said("text", "words that are left out at random"),
        "network": Said("embedding_bag", "about as good as a small transformer, and far quicker"),
        "explain": Said("text"),
    }
    values: dict[str, Any] = {
        "preprocess": {
            "max_length": Said(length, f"tokens; 95 % of the texts have at most {words} words"),
            "min_count": Said(
                1 if few else 2, "few texts: every word counts" if few else "times in the training texts"
            ),
        },
        "optimizer": {"lr": Said(0.003)},
        "trainer": _trainer("text", facts, least=10, most=60, patience=8),
    }
    return groups, values


def _series(guess: Guess, facts: Facts) -> tuple[dict[str, Said], dict[str, Any]]:
    forecast = guess.problem == "forecasting"
    groups = {
        "preprocess": Said("series", "differences to the last known value")
        if forecast
        else Said("series_plain", "each series by its own scale"),
        "augment": Said("none"),
        "network": Said("mlp", "of windows that overlap; also gru, tcn, transformer")
        if forecast
        else Said("tcn", "looks at the whole series; also inception_time, gru, transformer"),
        "explain": Said("series"),
    }
    values: dict[str, Any] = {
        "network": {
            "hidden": Said([64], "larger ones learn windows that overlap by heart"),
            "normalisation": Said("none"),
        }
        if forecast
        else {"channels": Said([32, 32, 32, 32]), "dropout": Said(0.1)},
        "optimizer": {"lr": Said(0.003)},
        "trainer": _trainer("series", facts, least=20, most=100, patience=20),
    }
    if forecast and guess.rhythm:
        names, why = _calendar(guess.rhythm.step, guess.rhythm.season)
        values["preprocess"] = {"calendar": Said(names, why)}
    return groups, values


def _calendar(step: str, season: int) -> tuple[list[str], str]:
    """Places in the calendar that a step has one of."""
    unit = step.lower()
    if any(word in unit for word in ("second", "minute", "hour")):
        return ["day", "week"], "the time of the day and the day of the week"
    if "day" in unit:
        return ["week", "year"], "the day of the week and the time of the year"
    if any(word in unit for word in ("week", "month", "quarter")):
        return ["year"], "the time of the year"
    return [], "steps of a year have no place in it" if season < 2 else "none fits steps of this length"


def _trainer(kind: str, facts: Facts, *, least: int, most: int, patience: int) -> dict[str, Said]:
    """A batch of a fiftieth of the records, and so many epochs that there are steps enough."""
    batch = next((size for size in BATCHES if size >= facts.train / 50), BATCHES[-1])
    steps = max(1, facts.train // batch)
    epochs = min(most, max(least, round(STEPS[kind] / steps)))
    return {
        "max_epochs": Said(epochs, f"{steps} steps each; training stops earlier when the validation loss stays"),
        "batch_size": Said(batch, f"of {facts.train:,} training records"),
        "patience": Said(min(patience, epochs), "epochs without a better validation loss"),
    }


def _audit(facts: Facts) -> dict[str, Said]:
    if facts.train >= 20_000:
        return {}
    return {
        "shares": Said([0.25, 0.5], "of few records smaller shares say little"),
        "seeds": Said(2),
        "learning_epochs": Said(None, "trainings are short"),
    }


def _gate(guess: Guess, facts: Facts) -> dict[str, Any]:
    if guess.problem == "classification":
        return _gate_of_classes(facts)
    deviation = facts.deviation or 1.0
    margin = rounded(0.02 * deviation)
    if guess.problem == "forecasting":
        least = rounded(2 * (facts.naive or 1.0))
        return {
            "metric": Said("rmse", "in the unit of the target"),
            "margin": Said(margin, "a fiftieth of the target's deviation: how much worse is still not worse"),
            "further": {"mae": Said(margin)},
            "bounds": {"mase": Said(least, "twice what the seasonal naive forecast has on the validation part")},
        }
    return {
        "metric": Said("rmse", "in the unit of the target"),
        "margin": Said(margin, "a fiftieth of the target's deviation: how much worse is still not worse"),
        "bounds": {"r2": Said(0.0, "no better than saying the mean")},
    }


def _gate_of_classes(facts: Facts) -> dict[str, Any]:
    shares = [share for share in facts.shares if share > 0]
    commonest = max(shares)
    rare = min(shares) * len(shares) < RARE
    metric = "accuracy" if not rare else "auroc" if len(shares) == 2 else "macro_f1"
    entropy = -sum(share * math.log(share) for share in shares)
    why = {
        "accuracy": "no class is rare",
        "auroc": f"accuracy says little where {commonest:.0%} are of one class",
        "macro_f1": "each class counts the same, however rare",
    }[metric]
    error = math.sqrt(0.9 * 0.1 / max(1, facts.test))
    gate: dict[str, Any] = {
        "metric": Said(metric, why),
        "margin": Said(
            max(0.005, round(error, 3)), f"the standard error of a share of 0.9 in {facts.test:,} test records"
        ),
        "bounds": {
            "accuracy": Said(
                down(commonest - error if rare else commonest, 3),
                "what saying the commonest class reaches" + (", less its standard error" if rare else ""),
            ),
            "log_loss": Said(up(entropy, 3), "what saying the shares of the classes reaches"),
        },
        "max_ece": Said(None, f"{facts.test:,} test records are too few to tell a calibration error")
        if facts.test < CALIBRATED
        else Said(0.1, "of the calibration error"),
        "further": {"macro_f1": Said(max(0.02, round(2 * error, 3))), "log_loss": Said(0.05)},
        "smallest_group": Said(max(10, min(30, facts.test // 10)), "records of a group of which something is said"),
    }
    if metric == "auroc":
        gate["bounds"]["auroc"] = Said(0.5, "guessing")
    return gate


def window_and_horizon(steps: int, season: int) -> tuple[int, int]:
    """How far a forecast looks back and ahead: two seasons and one, where the series is long enough for them.

    With 15 % of the steps for the test, a horizon of a twelfth leaves at least some windows to judge by.

    Examples:
        >>> window_and_horizon(144, 12), window_and_horizon(2284, 52), window_and_horizon(60, 1)
        ((24, 12), (104, 52), (12, 3))
    """
    horizon = season if season > 1 and steps >= 12 * season else min(24, max(1, steps // 20))
    window = 2 * season if season > 1 and steps >= 8 * season else max(4, 4 * horizon)
    return max(2, min(window, steps // 5)), horizon


def rounded(value: float, digits: int = 2) -> float:
    """To so many significant digits.

    Examples:
        >>> rounded(0.012345), rounded(98765.0)
        (0.012, 99000.0)
    """
    return float(f"{value:.{digits}g}")
