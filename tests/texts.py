"""A small data set of texts, written anew for each kind of damage."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lightloop.config.text import TextSpec

Rows = list[dict[str, Any]]
SCHEMA = pa.schema([(name, pa.string()) for name in ("text", "label", "source", "group")])
# Words that tell the class, words that do not.
TELLING = {"ham": ["patch", "kernel", "meeting"], "spam": ["winner", "cheap", "pills"]}
FILLING = [
    "the",
    "a",
    "of",
    "we",
    "you",
    "list",
    "mail",
    "now",
    "see",
    "http://a.example/x?y=1",
    "3.50",
    "me@b.example",
]


def make_spec(**changes: Any) -> TextSpec:
    """One file, divided by groups."""
    content: dict[str, Any] = {
        "name": "mails",
        "modality": "text",
        "problem": "classification",
        "path": "data/mails",
        "files": {"train": "mails.parquet"},
        "columns": {"text": "feature", "label": "target", "source": "slice", "group": "group"},
        "classes": ["ham", "spam"],
        "split": {"policy": "group", "test": 0.25, "validation": 0.2},
        "expectations": "mails",
    }
    return TextSpec.model_validate(content | changes)


def make_rows(count: int = 80, seed: int = 0) -> Rows:
    """As many texts of each class, of 4 to 30 words, one or two of which tell the class; each its own group."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = ("ham", "spam")[number % 2]
        words = list(generator.choice(FILLING, size=int(generator.integers(4, 30))))
        for word in generator.choice(TELLING[label], size=int(generator.integers(1, 3))):
            words.insert(int(generator.integers(len(words))), word)
        source = "hard-ham" if label == "ham" and number % 10 == 0 else label
        rows.append({"text": f"{' '.join(words)} {number}", "label": label, "source": source, "group": f"g{number}"})
    return rows


def write_rows(root: Path, rows: Rows, spec: TextSpec | None = None, part: str = "train") -> Path:
    """Write a part's Parquet file below a project's folder, and return that folder."""
    spec = spec or make_spec()
    path = root / spec.path / spec.files[part]  # type: ignore[index]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return root
