"""`lightloop ci bench`: how long people wait, beside the nights before. Artifacts of the runs hold the history."""

import io
import json
import os
import re
import statistics
import subprocess
import sys
import zipfile
from typing import Any

from pydantic import BaseModel, ConfigDict

from lightloop import clock
from lightloop.ci.api import Api
from lightloop.ci.git import token
from lightloop.ci.outputs import summarise, warn
from lightloop.ci.training import FOLDER
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.repository import require_commit

SCRIPT = "benchmarks/run_times.py"
ARTIFACT = "benchmarks"
KEPT = 400  # nights
FEWEST = 5  # of them, before one is called slow
SLOWER = 1.3  # times the median of the last nights: hosted runners differ by a fifth
# "make run, first time      93.1 s", and in what follows "train 20 s".
FIGURE = re.compile(r"^(?P<name>\S.*?) {2,}(?P<value>[\d.]+) (?P<unit>s|MB)\b")
STAGE = re.compile(r"\b(?P<name>[a-z]+) (?P<value>\d+) s\b")


class Night(BaseModel):
    """A line of `benchmarks.jsonl`.

    Attributes:
        at: day, UTC.
        commit: that was measured.
        figures: by name, with its unit at the end of the name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    commit: str
    figures: dict[str, float]


def bench() -> None:
    """Measure, append the figures to the history in `ci/benchmarks.jsonl`, and show both.

    What takes longer than usual is warned of; nothing fails by that: a runner may be slow.

    Raises:
        LightloopError: the benchmark failed.
    """
    project = Project.find()
    before = _history()
    done = subprocess.run([sys.executable, SCRIPT], cwd=project.root, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    if done.returncode:
        raise LightloopError(f"{SCRIPT} ended with {done.returncode}; what it said stands above")
    night = Night(
        at=clock.now().date().isoformat(), commit=require_commit(project.root), figures=read_figures(done.stdout)
    )
    nights = [*before, night][-KEPT:]
    path = project.root / FOLDER / "benchmarks.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{one.model_dump_json()}\n" for one in nights), encoding="utf-8")
    for sentence in slow(before, night):
        warn(sentence)
    summarise(table(nights))


def read_figures(text: str) -> dict[str, float]:
    """The figures in what `benchmarks/run_times.py` prints.

    Examples:
        >>> read_figures("make run, first time      93.1 s   validate 2 s, train 20 s")
        {'make run, first time, s': 93.1, 'validate, s': 2.0, 'train, s': 20.0}
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        figure = FIGURE.match(line)
        if figure:
            found[f"{figure['name']}, {figure['unit']}"] = float(figure["value"])
            found |= {f"{one['name']}, s": float(one["value"]) for one in STAGE.finditer(line[figure.end() :])}
    return found


def slow(before: list[Night], night: Night) -> list[str]:
    """What takes much longer than in the last nights, a sentence each.

    Examples:
        >>> nights = [Night(at="2026-11-01", commit="c", figures={"train, s": 20.0})] * 5
        >>> slow(nights, Night(at="2026-11-02", commit="c", figures={"train, s": 30.0}))
        ['train, s is 30, usually 20']
    """
    said = []
    for name, value in night.figures.items():
        usual = [one.figures[name] for one in before[-30:] if name in one.figures]
        if len(usual) >= FEWEST and value > SLOWER * statistics.median(usual):
            said.append(f"{name} is {value:g}, usually {statistics.median(usual):g}")
    return said


def table(nights: list[Night], most: int = 14) -> str:
    """Markdown: a row a figure, the newest night first."""
    shown = nights[::-1][:most]
    head = f"| | {' | '.join(one.at for one in shown)} |"
    rows = [
        f"| {name} | {' | '.join(f'{one.figures[name]:g}' if name in one.figures else '' for one in shown)} |"
        for name in shown[0].figures
    ]
    return "\n".join(["### Benchmarks", "", head, "|---|" + "---|" * len(shown), *rows])


def _history() -> list[Night]:
    """The nights before, from the newest artifact; none on a laptop, and none where it can't be had."""
    if not (os.environ.get("GITHUB_REPOSITORY") and token()):
        return []
    try:
        with Api.of_environment() as api:
            found: list[dict[str, Any]] = api.get("/actions/artifacts", name=ARTIFACT, per_page=20)["artifacts"]
            kept = [one for one in found if not one["expired"]]
            if not kept:
                return []
            newest = max(kept, key=lambda one: str(one["created_at"]))
            content = api.download(f"/actions/artifacts/{newest['id']}/zip")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            lines = archive.read(archive.namelist()[0]).decode().splitlines()
        return [Night.model_validate(json.loads(line)) for line in lines]
    except (LightloopError, zipfile.BadZipFile, ValueError, KeyError, IndexError) as error:
        warn(f"the nights before can't be read, so that the history begins anew: {error}")
        return []
