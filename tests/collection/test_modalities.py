"""Labelled images, texts and series of the log become data of their data sets, which are read again with them."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_world import START, prediction
from registry_world import DVC_CONFIG, dvc, git
from small_project import REPOSITORY, make_project
from standing import with_data

from lightloop.collection.collect import Collection, collect
from lightloop.config.compose import compose_config, read_params, write_params
from lightloop.config.series import SeriesSpec
from lightloop.data.collected import ID, collected_path
from lightloop.data.splits import read_splits
from lightloop.errors import RefusedError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.serving.log import write_log

pytestmark = pytest.mark.slow  # Great Expectations
FEW = 20


def project_of(root: Path, name: str) -> Project:
    """A part of a data set under DVC, in git."""
    project = make_project(root)
    config = compose_config(project) if name == "fashion" else with_data(project, name)
    write_params(project, config)
    write_json(project.expectations / f"{config.data.expectations}.json", suite(project, config.data))
    git(root, "init", "--quiet")
    dvc(root, "init", "--quiet")
    (root / ".dvc/config").write_text(DVC_CONFIG)
    (root / ".gitignore").write_text("/data\n/.lightloop\n")
    dvc(root, "add", "--quiet", "data")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    return project


def suite(project: Project, spec: Any) -> Any:
    """As wide as the part is: the committed one expects all records."""
    return suite_for(spec, read_metadata(spec, project.root))


def write(root: Path, records: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]], **answer: Any) -> None:
    """A prediction a minute, and what turned out to be true."""
    when = [START + timedelta(minutes=number) for number in range(len(records))]
    rows = [
        {"prediction_id": prediction(number), "time": time, "input": record} | answer
        for number, (time, record) in enumerate(zip(when, records, strict=True))
    ]
    write_log(root / ".lightloop/log", rows)
    lines = [
        {"prediction_id": prediction(number), "received": START.isoformat(), "version": "v0.1.0"} | truth
        for number, truth in enumerate(told)
    ]
    folder = root / ".lightloop/feedback"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "2026-11-20.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def run(project: Project) -> Collection:
    return collect(project, window=timedelta(days=30), now=START + timedelta(days=1))


def sizes(project: Project) -> dict[str, int]:
    config = read_params(project)
    return {str(side): len(table) for side, table in read_splits(config.data, project.root, config.seed).items()}


def test_images_are_learned_from_as_they_were_asked(tmp_path: Path) -> None:
    project = project_of(tmp_path / "fashion", "fashion")
    before = sizes(project)
    # Beyond those that the project has: its own are the first of each class.
    late = pq.read_table(REPOSITORY / "data/fashion/train.parquet").slice(11_000, FEW)
    labels = late.column("label").to_pylist()
    pixels = [one["bytes"] for one in late.column("image").to_pylist()]
    write(project.root, [{"image": one} for one in pixels], [{"label": one} for one in labels], label="shirt")
    found = run(project)
    assert (found.labelled, sum(found.added.values()), found.set_aside) == (FEW, FEW, {})
    kept = pq.read_table(collected_path(read_params(project).data, project.root))
    assert sorted(kept.column("image").to_pylist()) == sorted(pixels)
    after = sizes(project)
    assert {side: after[side] - count for side, count in before.items()} == {
        side: found.added.get(side, 0) for side in before
    }
    assert sum(run(project).added.values()) == 0


def test_images_of_which_only_numbers_were_kept_are_refused(tmp_path: Path) -> None:
    project = project_of(tmp_path / "fashion", "fashion")
    write(project.root, [{"brightness": 0.5}] * FEW, [{"label": "shirt"}] * FEW, label="shirt")
    with pytest.raises(RefusedError, match=r"does not keep 'image'.*serve\.log\.images=true"):
        run(project)
    assert git(project.root, "status", "--porcelain") == ""


def test_texts_are_learned_from_as_they_were_asked(tmp_path: Path) -> None:
    project = project_of(tmp_path / "spam", "spam")
    before = sizes(project)
    texts = [f"Offer {number}: a loan of {number * 1000} dollars, reply today" for number in range(FEW)]
    write(project.root, [{"text": one} for one in texts], [{"label": "spam"}] * FEW, label="ham")
    found = run(project)
    assert (found.labelled, sum(found.added.values()), found.labels) == (FEW, FEW, {"spam": FEW})
    kept = pq.read_table(collected_path(read_params(project).data, project.root))
    assert sorted(kept.column("text").to_pylist()) == sorted(texts)
    assert sum(sizes(project).values()) == sum(before.values()) + FEW
    assert sum(run(project).added.values()) == 0


def test_steps_of_a_series_go_on_where_it_ended(tmp_path: Path) -> None:
    project = project_of(tmp_path / "co2", "co2")
    spec = read_params(project).data
    assert isinstance(spec, SeriesSpec)
    assert spec.time is not None
    known = pq.read_table(project.root / spec.path / spec.files["train"])
    weeks = np.array(known.column("week").to_pylist(), dtype="datetime64[D]")
    values = known.column("co2").to_pylist()  # with gaps
    window, horizon = 104, 26
    record = {spec.known: values[-window:], spec.time: weeks[-1].astype("datetime64[s]").item()}
    ahead = [420.0 + 0.1 * step for step in range(horizon)]
    write(project.root, [record], [{"values": ahead}], values=ahead)
    found = run(project)
    assert found.labelled == 1
    kept = pq.read_table(collected_path(spec, project.root)).sort_by("week")
    assert kept.column("co2").to_pylist() == ahead
    expected = weeks[-1] + np.arange(1, horizon + 1) * np.timedelta64(7, "D")
    assert [str(one)[:10] for one in kept.column("week").to_pylist()] == expected.astype(str).tolist()
    assert all(one.startswith("step-") for one in kept.column(ID).to_pylist())
    assert pa.types.is_floating(kept.schema.field("co2").type)
    assert sum(run(project).added.values()) == 0
