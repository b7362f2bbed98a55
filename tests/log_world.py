"""A log of labelled predictions beside a small data set of a table."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from tables import SMALL_COLUMNS, config_of, small_frame, spec_of

from lightloop.config.compose import write_params
from lightloop.config.schema import Config
from lightloop.files import write_json
from lightloop.monitoring.window import Window, read_window
from lightloop.project import Project
from lightloop.serving.log import write_log

START = datetime(2026, 11, 20, tzinfo=UTC)
FEATURES = ("size", "age", "town", "grade")


def table_project(root: Path, repository: Project, frame: pd.DataFrame | None = None, **values: Any) -> Config:
    """A data set of 60 rows in a project of its own, with its committed suite; the params name it."""
    from lightloop.quality.modality import read_metadata, suite_for

    frame = small_frame() if frame is None else frame
    config = config_of(repository, spec_of(root, frame, values.pop("columns", SMALL_COLUMNS), **values))
    project = Project(root)
    write_params(project, config)
    write_json(project.expectations / "small.json", suite_for(config.data, read_metadata(config.data, root)))
    (root / "configs/serve").mkdir(parents=True, exist_ok=True)
    (root / "configs/serve/default.yaml").write_text(yaml.safe_dump({"name": "default"}))
    return config


def prediction(number: int) -> str:
    return f"0198a000-0000-7000-8000-{number:012d}"


def write_answers(root: Path, records: Sequence[dict[str, Any]], labels: Sequence[str | None], **more: Any) -> None:
    """A log of one prediction a minute, and what turned out to be true of those that have a label."""
    rows = [
        {"prediction_id": prediction(n), "time": START + timedelta(minutes=n), "input": record, "label": "dear"} | more
        for n, record in enumerate(records)
    ]
    write_log(root / ".lightloop/log", rows)
    lines = [
        json.dumps({"prediction_id": prediction(n), "label": label, "received": START.isoformat(), "version": "v0.1.0"})
        for n, label in enumerate(labels)
        if label is not None
    ]
    folder = root / ".lightloop/feedback"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "2026-11-20.jsonl").write_text("".join(f"{line}\n" for line in lines))


def applicants(count: int, seed: int = 1) -> tuple[list[dict[str, Any]], list[str]]:
    """Records that are in no data set, and their labels."""
    frame = small_frame(count, seed)
    records = json.loads(frame[list(FEATURES)].to_json(orient="records"))
    return records, frame["kind"].tolist()


def window_of(root: Path) -> Window:
    return read_window(
        str(root / ".lightloop/log"), str(root / ".lightloop/feedback"), START, START + timedelta(days=1)
    )
