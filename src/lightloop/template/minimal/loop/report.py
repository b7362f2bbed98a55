"""report: one page that opens without a network, of the evidence that the other stages left."""

from pathlib import Path
from typing import Any

import jinja2

from lightloop.files import read_json, write_text
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.paths import Project

WIDTH, HEIGHT = 640, 180
MOST_COLUMNS, MOST_RECORDS, MOST_PARTS = 15, 8, 4


def report(config: Config, project: Project) -> None:
    """Write `reports/index.html`."""
    explanation = read_json(project.explanation)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        config=config,
        validation=read_json(project.validation),
        metrics=read_json(project.metrics),
        gate=read_json(project.gate),
        parity=read_json(project.parity),
        explanation=explanation,
        importance=_bars(explanation["importance"][:MOST_COLUMNS]),
        records=[_record(one) for one in explanation["records"][:MOST_RECORDS]],
        lines=_lines(read_json(project.history)),
        width=WIDTH,
        height=HEIGHT,
    )
    write_text(project.report, page)


def _bars(importance: list[dict[str, Any]]) -> list[dict[str, Any]]:
    largest = max((one["value"] for one in importance), default=1.0) or 1.0
    return [{**one, "share": round(100 * one["value"] / largest, 1)} for one in importance]


def _record(one: dict[str, Any]) -> dict[str, Any]:
    """The columns that count most in one answer, with their sign."""
    strongest = sorted(one["columns"].items(), key=lambda item: -abs(item[1]))[:MOST_PARTS]
    return {"id": one["id"], "parts": [f"{name} {value:+.2f}" for name, value in strongest]}


def _lines(history: list[dict[str, float]]) -> list[dict[str, str]]:
    """The losses over epochs as points of polylines."""
    curves = {
        "training": [row["train_loss"] for row in history],
        "validation": [row["validation_loss"] for row in history],
    }
    low, high = (pick(value for values in curves.values() for value in values) for pick in (min, max))
    span, steps = (high - low) or 1.0, max(len(history) - 1, 1)
    return [
        {
            "name": name,
            "points": " ".join(
                f"{WIDTH * place / steps:.1f},{HEIGHT * (1 - (value - low) / span):.1f}"
                for place, value in enumerate(values)
            ),
            "last": f"{values[-1]:.4f}",
        }
        for name, values in curves.items()
    ]
