"""An empty project under git and DVC that takes data sets, and sources to adopt."""

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from registry_world import DVC_CONFIG, dvc, git

from lightloop.adoption.model import ColumnGuess, Guess, Pictures, Rhythm
from lightloop.project import Project

REPOSITORY = Path(__file__).parent.parent


def empty_project(root: Path) -> Project:
    """The repository's configs and pipeline, under git and DVC, with one small file in `data/`."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root)
    git(root, "init", "--quiet", "--initial-branch=main")
    dvc(root, "init", "--quiet")
    (root / ".dvc/config").write_text(DVC_CONFIG)
    (root / "data/other").mkdir(parents=True)
    (root / "data/other/kept.txt").write_text("of somebody else\n")
    dvc(root, "add", "--quiet", "data")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    return Project(root)


def changed(project: Project) -> list[str]:
    """What git says has changed, files one by one."""
    return git(project.root, "status", "--porcelain", "--untracked-files=all").splitlines()


def everything(root: Path) -> dict[str, bytes]:
    """All files below a folder but those of git, DVC's cache and scratch."""
    skip = (".git", ".dvc", ".lightloop")
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in files
        if path.relative_to(root).parts[0] not in skip
    }


def customers(records: int = 240, seed: int = 0) -> pd.DataFrame:
    """A table as people have them: an id, spaces and umlauts in names, gaps, a target that can be learned."""
    random = np.random.default_rng(seed)
    income = random.normal(3000, 800, records).round(0)
    months = random.integers(1, 72, records)
    town = random.choice(["Köln", "Bern", "Linz"], records)
    score = 0.002 * (income - 3000) - 0.05 * (months - 36) + (town == "Bern") + random.normal(0, 0.7, records)
    frame = pd.DataFrame(
        {
            "Kunden-Nr": [f"K{number:05d}" for number in range(records)],
            "Einkommen netto": income,
            "Größe (Monate)": months,
            "Ort": town,
            "bleibt": np.where(score > 0, "ja", "nein"),
        }
    )
    frame.loc[random.random(records) < 0.05, "Einkommen netto"] = np.nan
    return frame


def picture(random: np.random.Generator, kind: int, size: tuple[int, int] = (24, 20)) -> bytes:
    """A colour image, PNG: one kind has a bright band across it, another one down it."""
    pixels = random.integers(0, 120, (*size, 3), dtype=np.uint8)
    place = int(random.integers(4, min(size) - 6))
    if kind:
        pixels[place : place + 4, :, 0] = 230
    else:
        pixels[:, place : place + 4, 1] = 230
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def picture_folder(root: Path, each: int = 40, seed: int = 0) -> Path:
    """Class folders of colour images of several sizes."""
    random = np.random.default_rng(seed)
    for kind, name in enumerate(("down", "across here")):
        (root / name).mkdir(parents=True)
        for number in range(each):
            size = (24, 20) if number % 3 else (30, 26)
            (root / name / f"{number:03d}.png").write_bytes(picture(random, kind, size))
    return root


WORDS = {
    "praise": ["good", "lovely", "fine", "warm", "bright", "friendly", "quick", "clean", "tasty", "quiet"],
    "complaint": ["bad", "broken", "cold", "slow", "dirty", "rude", "late", "loud", "stale", "dull"],
}
COMMON = ["the", "room", "food", "staff", "was", "and", "we", "had", "our", "stay", "it", "very", "at", "in", "hotel"]


def text_folder(root: Path, each: int = 60, seed: int = 0) -> Path:
    """Class folders of texts."""
    random = np.random.default_rng(seed)
    for name, own in WORDS.items():
        (root / name).mkdir(parents=True)
        for number in range(each):
            words = [*random.choice(COMMON, 20), *random.choice(own, 3), str(number)]
            random.shuffle(words)
            (root / name / f"{number:03d}.txt").write_text(" ".join(words))
    return root


def sales(months: int = 180, seed: int = 0) -> pd.DataFrame:
    """Monthly figures with a season and a trend."""
    random = np.random.default_rng(seed)
    steps = np.arange(months)
    values = 100 + 0.5 * steps + 15 * np.sin(2 * np.pi * steps / 12) + random.normal(0, 2, months)
    return pd.DataFrame({"month": pd.date_range("2005-01-01", periods=months, freq="MS"), "sales": values.round(2)})


def guessed(frame: pd.DataFrame, target: str, problem: str = "classification", **more: Any) -> Guess:
    """A guess as `adoption.guess` makes it, of a table."""
    columns = []
    for name in frame.columns:
        number = pd.api.types.is_numeric_dtype(frame[name])
        role = "target" if name == target else "feature"
        kind = None if name == target else "number" if number else "category"
        columns.append(ColumnGuess(name, name, "number" if number else "category", role, kind, 0.9, "by hand"))  # type: ignore[arg-type]
    classes = tuple(sorted(frame[target].dropna().unique())) if problem == "classification" else ()
    given = {
        "modality": "tabular",
        "problem": problem,
        "confidence": 0.9,
        "reason": "made by hand",
        "columns": tuple(columns),
        "classes": classes,
        "favourable": None,
        "policy": "stratified" if classes else "random",
        "policy_reason": "nothing speaks against it",
        "parts": {"train": len(frame)},
    }
    return Guess(**(given | more))


MONTHLY = Rhythm(step="month", resample="MS", season=12, steps=180)
PHOTOS = Pictures(size=(24, 20), channels=3, commonest=(24, 20), sizes=2, looked_at=80)


def with_customers(project: Project, frame: pd.DataFrame | None = None, **split: Any) -> Project:
    """The data set `customers` in a project, as an adoption leaves it but for experiment and card; committed."""
    from lightloop.adoption.configs import DataSet, data_yaml
    from lightloop.files import write_json
    from lightloop.quality.modality import read_metadata, suite_for
    from lightloop.versions.specs import read_spec

    frame = customers() if frame is None else frame
    folder = project.root / "data/customers"
    folder.mkdir()
    frame.to_parquet(folder / "train.parquet", index=False)
    guess = guessed(frame, "bleibt", **split)
    columns = [
        replace(column, role="ignored", kind=None, why="an id") if column.name == "Kunden-Nr" else column
        for column in guess.columns
    ]
    guess = replace(guess, columns=tuple(columns), id="Kunden-Nr")
    text = data_yaml(DataSet("customers", "a.csv", {"train": "train.parquet"}, guess.classes), guess)
    (project.configs / "data/customers.yaml").write_text(text)
    spec = read_spec(project.configs, "customers")
    write_json(project.expectations / "customers.json", suite_for(spec, read_metadata(spec, project.root)))
    dvc(project.root, "add", "--quiet", "data")
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "customers")
    return project


def newcomers(records: int = 40, seed: int = 7) -> pd.DataFrame:
    """Customers with numbers of their own."""
    frame = customers(records, seed)
    frame["Kunden-Nr"] = [f"N{number}" for number in range(records)]
    return frame
