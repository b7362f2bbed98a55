"""`dvc plots` and `dvc metrics` show the figures of the report: what dvc.yaml names is there and holds its numbers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from report_evidence import Story, tell

from lightloop.config.metrics import METRICS
from lightloop.project import Project
from lightloop.report.audit import learning
from lightloop.report.evidence import Evidence, read_evidence
from lightloop.report.plots import TABLES, plot_tables, write_plots
from lightloop.report.sections import metric_rows


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, Project]:
    config, project = tell(tmp_path_factory.mktemp("plots"), Story(per_class=30))
    evidence = read_evidence(config, project, METRICS)
    after = evidence.calibration["after"]
    bound = {"value": 0.91, "low": 0.9, "high": 0.92}
    sure = {
        "applies": True,
        "conformal": {"applies": True, "levels": [{"level": 0.9, "coverage": bound}]},
        "abstention": {"applies": True, "curve": [{"share": 0.5, "n": 10, "limit": 0.7, "accuracy": 0.99}]},
    }
    row = {"column": "sex", "value": "f", "n": 40, "metrics": {"accuracy": bound}}
    old = {"applies": True, "ages": [{"share": 0.0, **bound}, {"share": 0.4, **bound, "value": 0.8}]}
    evidence = replace(
        evidence,
        calibration={**evidence.calibration, "before": after},
        uncertainty=sure,
        slices={"applies": True, "metric": "accuracy", "rows": [row]},
        audit={**evidence.audit, "staleness": old},
    )
    write_plots(evidence, project)
    return evidence, project


def pipeline(repository: Project) -> dict[str, Any]:
    return dict(yaml.safe_load((repository.root / "dvc.yaml").read_text()))


def outputs(stage: dict[str, Any], *kinds: str) -> list[str]:
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return [name for entry in entries for name in (entry if isinstance(entry, dict) else [entry])]


def test_every_plot_reads_a_file_of_a_stage_with_the_fields_that_it_names(repository: Project, told: Any):
    _, project = told
    content = pipeline(repository)
    written = {name for stage in content["stages"].values() for name in outputs(stage, "outs", "metrics", "plots")}
    for plot in content["plots"]:
        ((title, settings),) = plot.items()
        for path, fields in settings["y"].items():
            assert {path, str(Path(path).parent)} & written, f"{title}: no stage writes {path}"
            rows = json.loads((project.root / path).read_text())
            assert rows, f"{title}: {path} is empty"
            for name in [settings["x"], *([fields] if isinstance(fields, str) else fields)]:
                assert all(name in row for row in rows), f"{title}: {path} has no {name}"


def test_the_report_stage_names_the_tables(repository: Project):
    assert "artifacts/plots" in outputs(pipeline(repository)["stages"]["report"], "outs")


def test_the_run_cache_keeps_every_stage(repository: Project):
    """DVC leaves a stage out of it that has an uncached output which is neither metric nor plot."""
    for name, stage in pipeline(repository)["stages"].items():
        assert [one for one in stage.get("outs", []) if isinstance(one, dict)] == [], name


def test_tables_are_flat_and_hold_the_numbers_of_the_report(told: Any):
    evidence, _ = told
    tables = plot_tables(evidence)
    assert all(not isinstance(value, dict | list) for rows in tables.values() for row in rows for value in row.values())
    curve = [row for row in evidence.calibration["after"]["curve"] if row["n"]]
    assert [(row["said"], row["found"]) for row in tables["calibration"]] == [
        (row["confidence"], row["accuracy"]["value"]) for row in curve
    ]
    assert tables["coverage"] == [{"level": 0.9, "coverage": 0.91, "low": 0.9, "high": 0.92}]
    assert tables["abstention"] == [{"share": 0.5, "n": 10, "accuracy": 0.99}]
    assert tables["slices"] == [{"group": "sex = f", "value": 0.91, "low": 0.9, "high": 0.92, "n": 40}]
    assert [row["value"] for row in tables["staleness"]] == [0.91, 0.8]
    shown = learning(evidence.audit["learning"], evidence)["chart"].rows
    assert [row["records"] for row in tables["learning"]] == [row[0] for row in shown if row[1] is not None]
    noise = next(row for row in tables["robustness"] if row["records"] == "noise, strength 2")
    assert noise["value"] == evidence.audit["robustness"]["corruptions"]["noise"]["levels"][1]["value"]


def test_what_does_not_apply_is_an_empty_table(tmp_path: Path):
    config, project = tell(tmp_path, Story(without=("audit",)))
    evidence = replace(read_evidence(config, project, METRICS), calibration={"applies": False, "why": "no classes"})
    assert set(map(len, plot_tables(evidence).values())) == {0}
    write_plots(evidence, project)
    assert {path.name for path in project.plots.iterdir()} == {f"{name}.json" for name in TABLES}


def test_dvc_compares_the_headlines_and_they_are_those_of_the_report(repository: Project, told: Any):
    evidence, project = told
    named = [name for stage in pipeline(repository)["stages"].values() for name in outputs(stage, "metrics")]
    assert project.relative(project.metrics) in named
    assert project.relative(project.gate) in named
    shown = {row["title"]: row["model"] for row in metric_rows(evidence)}
    read = json.loads(project.metrics.read_text())["metrics"]
    assert shown == {METRICS[name].title: found for name, found in read.items()}
