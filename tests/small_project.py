"""A small project on real data: this repository's configs and pipeline, a few records of each class."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lightloop.config.compose import compose_config, write_params
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for

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


def shrink(source: Path, target: Path, per_class: int, label: str = "label") -> None:
    """Write the first `per_class` records of each class."""
    table = pq.read_table(source)
    labels = table.column(label).to_numpy(zero_copy_only=False)
    rows = np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in sorted(set(labels))])
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.take(np.sort(rows)), target)


def make_project(root: Path) -> Project:
    """The repository's configs and pipeline in an empty folder, with 300 + 100 records of the data of its default."""
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    for name in ("dvc.yaml", "pyproject.toml", ".gto"):
        shutil.copy(REPOSITORY / name, root / name)
    project = Project(root)
    config = compose_config(project)
    write_params(project, config)
    spec = config.data
    records = {"train": 300, "test": 100} if "test" in spec.files else {"train": 400}
    for part, file in spec.files.items():
        source, target = REPOSITORY / spec.path / file, root / spec.path / file
        if spec.classes:
            shrink(source, target, records[part] // len(spec.classes), spec.target)
        else:  # a series is no longer one when records are picked out
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    # The committed suite expects thousands of records.
    suite = suite_for(spec, read_metadata(spec, root))
    write_json(project.expectations / f"{spec.expectations}.json", suite)
    return project
