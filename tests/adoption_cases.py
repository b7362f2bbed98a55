"""Tables and folders as people have them, made from a seed, with and without the fault that a test is about."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lightloop.adoption.guess import make_guess
from lightloop.adoption.model import Finding, Guess, Source
from lightloop.adoption.source import open_source
from lightloop.adoption.warnings import find_warnings


def customers(records: int = 240, seed: int = 0) -> pd.DataFrame:
    """A clean table: numbers, categories, an ordered column, two classes that the features tell a little of."""
    rng = np.random.default_rng(seed)
    spent = rng.gamma(2.0, 50.0, records).round(2)
    town = rng.choice(["Bonn", "Köln", "Rom"], records)
    size = rng.choice(["small", "medium", "large"], records)
    chance = 1 / (1 + np.exp(-(spent - 100) / 60 - (town == "Rom")))
    churned = np.where(rng.random(records) < chance, "yes", "no")
    return pd.DataFrame(
        {"spent": spent, "orders": rng.integers(0, 40, records), "town": town, "size": size, "churned": churned}
    )


def months(steps: int = 120, seed: int = 0) -> pd.DataFrame:
    """A series of months with a trend and a season."""
    rng = np.random.default_rng(seed)
    time = np.arange(steps)
    value = 100 + 0.5 * time + 20 * np.sin(2 * np.pi * time / 12) + rng.normal(0, 2, steps)
    stamps = pd.date_range("2010-01-01", periods=steps, freq="MS").strftime("%Y-%m-%d")
    return pd.DataFrame({"month": stamps, "passengers": value.round(1)})


def waves(records: int = 60, steps: int = 40, seed: int = 0) -> pd.DataFrame:
    """Whole series, a step a column, of two classes."""
    rng = np.random.default_rng(seed)
    label = rng.choice(["slow", "fast"], records)
    time = np.linspace(0, 2 * np.pi, steps)
    phase = rng.uniform(0, 2 * np.pi, records)[:, None]
    values = np.sin(np.where(label == "fast", 2, 1)[:, None] * time + phase) + rng.normal(0, 0.05, (records, steps))
    return pd.DataFrame(values, columns=[f"t{step}" for step in range(steps)]).assign(label=label)


def messages(records: int = 120, seed: int = 0) -> pd.DataFrame:
    """Texts of two classes."""
    rng = np.random.default_rng(seed)
    words = np.array([f"{first}{second}" for first in "bdfgklmn" for second in ("ana", "olo", "ire", "umu", "ete")])
    label = rng.choice(["ham", "spam"], records)
    texts = [
        " ".join(rng.choice(words, 12)) + (" win money" if one == "spam" and rng.random() < 0.6 else "")
        for one in label
    ]
    return pd.DataFrame({"label": label, "text": texts})


def write_images(folder: Path, classes: tuple[str, ...] = ("cats", "dogs"), each: int = 12, seed: int = 0) -> Path:
    """Class folders of images in colour that differ."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(folder / name / f"{number}.png")
    return folder


def write_texts(folder: Path, seed: int = 0) -> Path:
    """Class folders of texts."""
    for number, (label, text) in enumerate(messages(seed=seed).itertuples(index=False)):
        path = folder / str(label) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))
    return folder


def save(table: pd.DataFrame, path: Path) -> Path:
    """A CSV file."""
    table.to_csv(path, index=False)
    return path


def guessed(path: Path, **more: object) -> tuple[Source, Guess]:
    """A source and the guess of it."""
    source = open_source([path])
    return source, make_guess(source, **more)  # type: ignore[arg-type]


def warned(path: Path, kind: str, **more: object) -> list[Finding]:
    """The findings of a kind."""
    source, guess = guessed(path, **more)
    return [finding for finding in find_warnings(source, guess) if finding.kind == kind]
