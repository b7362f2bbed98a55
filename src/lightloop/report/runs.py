"""The page that compares runs and releases over time: what is known of them, as tables and charts by data set."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightloop.config.metrics import METRICS
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.release.runs import Run, Runs, all_runs, record_run
from lightloop.report.charts import Chart, lines
from lightloop.report.figures import words
from lightloop.report.site import environment

ROOM = Path(__file__).resolve().parent

# Charts that are seen at once; the others are a click away.
FIRST = 3


@dataclass(frozen=True)
class Row:
    """A run in the table.

    Attributes:
        number: its place in time, from 1 on, by which charts name it.
        run: what is known of it.
        other_data: whether its test data differ from those of the newest run, so that figures can't be compared.
    """

    number: int
    run: Run
    other_data: bool


@dataclass(frozen=True)
class Section:
    """The runs of one data set and problem, whose metrics are the same.

    Attributes:
        anchor: its id on the page.
        title: for people.
        rows: the newest first.
        metrics: names, in display order, the gate's first.
        charts: one a metric, over the runs; none where there is one run alone.
    """

    anchor: str
    title: str
    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    charts: tuple[Chart, ...]


def update_runs(project: Project, folder: Path | None = None) -> None:
    """Record the run whose evidence lies there, and write the page anew.

    Args:
        project: after a run.
        folder: of the site; default: `reports/`.

    Raises:
        LightloopError: evidence is missing or damaged.
    """
    record_run(project)
    write_runs(project, folder)


def write_runs(project: Project, folder: Path | None = None) -> Path:
    """Write runs.html beside the report, and the assets that it needs where they are not there.

    The same record, tags and commits give the same bytes. DVC ignores the page (`.dvcignore`), so that a run that it
    tells of does not change the report's output.

    Args:
        project: whose runs.
        folder: of the site; default: `reports/`.

    Returns:
        The page.
    """
    page = (folder or project.reports) / project.runs_page.name
    runs = all_runs(project)
    made_of = fingerprint(runs)
    if project.runs_page.exists() and made_of in project.runs_page.read_text(encoding="utf-8"):
        # Charts take a fifth of a second each, and mostly nothing is new.
        text = project.runs_page.read_text(encoding="utf-8")
    else:
        template = environment().get_template("runs.html.j2")
        text = template.render(runs=runs, sections=run_sections(runs), specs=METRICS, made_of=made_of, FIRST=FIRST)
    if not (page.parent / "assets").exists():
        shutil.copytree(ROOM / "static", page.parent / "assets")
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def fingerprint(runs: Runs) -> str:
    """What a page is made of: the runs, and the code and templates of the report."""
    files = sorted([*ROOM.glob("*.py"), *(ROOM / "templates").glob("*.j2")])
    return hashlib.sha256(b"\0".join([repr(runs).encode(), *(path.read_bytes() for path in files)])).hexdigest()


def run_sections(runs: Runs) -> list[Section]:
    """The runs by data set, that of the newest run first."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs.runs:
        found.setdefault((run.data, run.problem), []).append(run)
    newest_first = sorted(found, key=lambda key: found[key][-1].when, reverse=True)
    return [_section(number, found[key]) for number, key in enumerate(newest_first, start=1)]


def _section(number: int, runs: Sequence[Run]) -> Section:
    newest = runs[-1]
    known = {name for run in runs for name in run.metrics}
    order = [name for name in (newest.metric, *METRICS) if name in known]
    metrics = tuple(dict.fromkeys([*order, *sorted(known)]))
    rows = [
        Row(place, run, run.data_version != newest.data_version or run.n != newest.n)
        for place, run in enumerate(runs, start=1)
    ]
    charts = [_chart(name, rows) for name in metrics] if len(runs) > 1 else []
    return Section(
        anchor=f"runs-{number}",
        title=f"{newest.data}: {words(newest.problem)}",
        rows=tuple(reversed(rows)),
        metrics=metrics,
        charts=tuple(charts),
    )


def _chart(name: str, rows: Sequence[Row]) -> Chart:
    """A metric over the runs; releases are drawn by themselves, since they are what users got."""
    spec = METRICS.get(name)
    title = spec.title if spec else words(name)
    parts = {"runs": [row for row in rows if not row.run.version], "releases": [row for row in rows if row.run.version]}
    points: dict[str, list[tuple[float, float | None]]] = {}
    bands: dict[str, list[tuple[float, float | None, float | None]]] = {}
    for part, chosen in parts.items():
        estimates: list[tuple[int, dict[str, Any]]] = [(row.number, row.run.metrics.get(name, {})) for row in chosen]
        if any(found.get("value") is not None for _, found in estimates):
            points[part] = [(number, found.get("value")) for number, found in estimates]
            bands[part] = [(number, found.get("low"), found.get("high")) for number, found in estimates]
    direction = f", {spec.direction} is better" if spec else ""
    return lines(
        f"{title}{direction}",
        points,
        x="run",
        y=spec.unit if spec else title,
        styles=("model",) if list(points) == ["runs"] else ("model", "second"),
        bands=bands,
    )
