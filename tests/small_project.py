"""A small project on real data: this repository's configs and pipeline, 30 + 10 images a class."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lightloop.config.compose import compose_config, write_params
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.quality.image.metadata import read_metadata
from lightloop.quality.image.suite import suite_for

REPOSITORY = Path(__file__).parent.parent
# Small enough for seconds, large enough to learn something.
SMALL = (
    "trainer.max_epochs=2",
    "trainer.batch_size=50",
    "audit=none",
    "explain.records=10",
    "explain.steps=16",
    "explain.samples=8",
)


def shrink(source: Path, target: Path, per_class: int) -> None:
    """Write the first `per_class` records of each class."""
    table = pq.read_table(source)
    labels = table.column("label").to_numpy(zero_copy_only=False)
    rows = np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in sorted(set(labels))])
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.take(np.sort(rows)), target)


def make_project(root: Path) -> Project:
    """The repository's configs and pipeline in an empty folder, with 30 + 10 images a class."""
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    for name in ("dvc.yaml", "pyproject.toml", ".gto"):
        shutil.copy(REPOSITORY / name, root / name)
    for part, per_class in (("train", 30), ("test", 10)):
        shrink(REPOSITORY / f"data/fashion/{part}.parquet", root / f"data/fashion/{part}.parquet", per_class)
    project = Project(root)
    write_params(project, compose_config(project))
    # The committed suite expects thousands of records.
    spec = compose_config(project).data
    suite = suite_for(spec, read_metadata(spec, root))
    write_json(project.expectations / f"{spec.expectations}.json", suite)
    return project
