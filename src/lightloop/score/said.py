"""The score for people: lines for the terminal, the page of the docs, and a page of the report."""

import shutil
from pathlib import Path

from lightloop.errors import LightloopError
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.report.site import ROOM, environment
from lightloop.score.rubric import RUBRIC, SECTIONS
from lightloop.score.score import Score, score

PAGE = "score.html"
MARKS = {"holds": "holds", "manual": "by hand", "fails": "FAILS", "owed": "OWED"}
BEGIN, END = "<!-- made by `lightloop score --markdown` -->", "<!-- end -->"


def lines(found: Score) -> str:
    """The lines of the terminal: all tests by section, then the sum."""
    told: list[str] = []
    for section, title in SECTIONS.items():
        told.append(f"{title}: {found.sections[section]:g} of 7")
        told += [
            f"  {one.id:<17} {MARKS[one.state]:<8} {one.title}\n{'':28}{one.why}"
            for one in found.tests
            if one.section == section
        ]
    owed = [one.id for one in found.tests if one.state == "owed"]
    told.append(
        f"{found.held} of {len(found.tests)} hold by themselves; ML Test Score {found.score:g} of 7: {found.meaning}"
    )
    if owed:
        told.append(f"a person owes: {', '.join(owed)}")
    return "\n".join(told)


def markdown() -> str:
    """The tables of docs/ml-test-score.md."""
    told = [BEGIN]
    for section, title in SECTIONS.items():
        told += [
            f"\n## {title}\n",
            "| test | of the paper | what does it here | `lightloop score` looks at |",
            "|---|---|---|---|",
        ]
        told += [
            f"| `{one.id}` | {one.title} | {one.check} | {one.evidence} |" for one in RUBRIC if one.section == section
        ]
    return "\n".join([*told, "", END])


def keep_page(project: Project, *, anew: bool = False) -> None:
    """Write the page where a run removed it with the rest of the report, or `anew`: there is something new to tell."""
    if (project.reports / PAGE).exists() and not anew:
        return
    try:
        write_page(project, score(project))
    except LightloopError as error:
        print(f"no page of the ML Test Score: {error}")


def write_page(project: Project, found: Score) -> Path:
    """Write `reports/score.html`, a page of the report."""
    text = (
        environment()
        .get_template("score.html.j2")
        .render(
            found=found,
            linked=True,
            titles=SECTIONS,
            navigation=[("score", "Score"), *SECTIONS.items()],
            marks={"holds": "holds", "manual": "by hand", "fails": "fails", "owed": "a person owes it"},
        )
    )
    if not (project.reports / "assets").is_dir():
        shutil.copytree(ROOM / "static", project.reports / "assets")
    path = project.reports / PAGE
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
