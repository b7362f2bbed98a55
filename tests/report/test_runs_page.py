"""The page over runs: what it shows of which run, and that it changes only when there is something new."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from report_evidence import tell

from lightloop.project import Project
from lightloop.release.runs import Run, Runs, recorded_runs
from lightloop.report.runs import run_sections, update_runs, write_runs

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def estimate(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": None if value is None else value - 0.02, "high": value and value + 0.02}


def run(number: int, **other: object) -> Run:
    first = Run(
        when=START + timedelta(days=number),
        name="fashion",
        data="fashion",
        data_version="abc.dir",
        problem="classification",
        network="cnn",
        seed=42,
        metric="accuracy",
        verdict="accepted",
        digest=f"{number:064x}",
        n=200,
        confidence=0.95,
        metrics={"accuracy": estimate(0.8 + number / 100), "log_loss": estimate(None)},
        here=True,
    )
    return replace(first, **other)  # type: ignore[arg-type]


def test_runs_are_compared_within_a_data_set_and_marked_where_the_test_data_differ():
    loans = run(9, data="loans", metric="auroc", metrics={"log_loss": estimate(0.3), "auroc": estimate(0.7)})
    sections = run_sections(Runs((run(1, n=100), run(2), run(3, data_version="old"), run(4), loans)))
    assert [section.title for section in sections] == ["loans: classification", "fashion: classification"]
    assert sections[0].metrics == ("auroc", "log_loss"), "the gate's metric stands first"
    assert sections[0].charts == (), "one run is no comparison"
    rows = sections[1].rows
    assert [row.number for row in rows] == [4, 3, 2, 1]
    assert [row.other_data for row in rows] == [False, True, False, True]


def test_charts_show_each_metric_with_its_interval_and_releases_by_themselves():
    (section,) = run_sections(Runs((run(1), run(2, version="v0.1.0"), run(3))))
    accuracy, loss = section.charts
    assert accuracy.title == "Accuracy, higher is better"
    assert [series.title for series in accuracy.series] == ["runs", "releases"]
    bound = {"value": 0.82, "low": 0.8, "high": 0.84}
    shown = {row[0]: row[1:] for row in accuracy.rows}
    assert shown[2][1] == pytest.approx(bound)
    assert shown[2][0] is None
    assert loss.rows == (), "what is undefined is not drawn as 0"


def test_a_run_is_recorded_and_shown_and_nothing_changes_without_news(tmp_path: Path):
    _, project = tell(tmp_path)
    update_runs(project)
    page = project.runs_page.read_text()
    (known,) = recorded_runs(project)
    accuracy = known.metrics["accuracy"]
    assert f'data-value="{accuracy["value"]}"' in page
    assert f"{accuracy['value']:.3f}" in page
    assert "not a git repository" in page
    assert (project.reports / "assets" / "runs.js").exists()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    update_runs(project)
    assert project.runs_page.read_text() == page
    assert len(recorded_runs(project)) == 1


def test_a_page_without_runs_says_how_to_make_the_first(tmp_path: Path):
    page = write_runs(Project(tmp_path)).read_text()
    assert "No run is recorded yet: <code>lightloop run</code>" in page


def test_names_of_other_people_stay_text(tmp_path: Path):
    _, project = tell(tmp_path)
    project.params.write_text(project.params.read_text().replace("name: fashion\n", "name: <b>x</b>\n", 1))
    update_runs(project)
    assert "<b>x</b>" not in project.runs_page.read_text()
    assert "&lt;b&gt;x&lt;/b&gt;" in project.runs_page.read_text()


def test_dvc_ignores_the_page(repository: Project):
    assert "/reports/runs.html" in (repository.root / ".dvcignore").read_text().splitlines()
