"""The text of a pull request: what changed against the champion, what the gate said, how training went."""

import json
from collections.abc import Mapping
from typing import Any

from lightloop.ci.training import Proposal
from lightloop.config.metrics import METRICS
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.release.repository import file_at

MARK = "<!-- lightloop: retrain -->"
POINTS = 40  # of a chart


def title_of(told: Proposal) -> str:
    """One line.

    Examples:
        >>> of = {"branch": "b", "commit": "c", "base": "b", "digest": "d", "champion": None}
        >>> told = Proposal(**of, verdict="refused", reason="drift")
        >>> title_of(told)
        'Retrain (drift): refused by the gate'
    """
    word = "accepted" if told.verdict == "accepted" else "refused"
    return f"Retrain ({' '.join(told.reason.split())[:100]}): {word} by the gate"


def describe(project: Project, told: Proposal) -> str:
    """Markdown for people who decide on a merge, from the evidence in the checked-out commit.

    Args:
        project: with the candidate checked out.
        told: of it.
    """
    gate = read_json(project.gate)
    against = f"**{told.champion}**, which stands in production" if told.champion else "no champion: nothing stands yet"
    verdict = "**accepted**" if told.verdict == "accepted" else "**refused**"
    parts = [
        MARK,
        f"The gate {verdict} this model, judged against {against}.",
        f"Why it was trained: {_plain(told.reason)}.",
        _what_changed(project, told),
        _metrics(project, told),
        _comparison(project),
        _checks(gate),
        _curve(project),
        _next(told),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what_changed(project: Project, told: Proposal) -> str:
    """What it was trained on, beside the champion."""
    if told.champion is None:
        return ""
    tag = f"model@{told.champion}"
    said = []
    for name, title in (("data.dvc", "data"), ("params.yaml", "config")):
        before, now = file_at(project.root, tag, name), file_at(project.root, told.commit, name)
        said.append(f"{title} {'as before' if before == now else '**changed**'}")
    return f"Against {told.champion}: {', '.join(said)}. Bundle `{told.digest[:12]}`, trained from `{told.base[:7]}`."


def _metrics(project: Project, told: Proposal) -> str:
    """All metrics, beside those of the simpler model and of the champion, as they are in git at its tag."""
    now = read_json(project.metrics)
    columns = {"simpler model": now.get("baseline", {})}
    if told.champion is not None:
        text = file_at(project.root, f"model@{told.champion}", project.relative(project.metrics))
        columns[f"{told.champion}, when it was released"] = json.loads(text)["metrics"] if text else {}
    columns["this model"] = now["metrics"]
    rows = [
        "| " + " | ".join([METRICS[name].title, *(_interval(column.get(name)) for column in columns.values())]) + " |"
        for name in now["metrics"]
    ]
    return "\n".join(
        [
            "### Metrics",
            "",
            f"On {now['n']:,} test records, with {now['confidence']:.0%} bootstrap intervals.",
            "",
            f"| metric | {' | '.join(columns)} |",
            "|---|" + "---|" * len(columns),
            *rows,
        ]
    )


def _comparison(project: Project) -> str:
    """Challenger and champion on the same records."""
    if not project.comparison.exists():
        return ""
    content = read_json(project.comparison)
    if not content.get("applies"):
        return ""
    rows = [
        f"| {METRICS[row['metric']].title} | {_interval(row, sign=True)} |"
        for row in content["metrics"]
        if row.get("value") is not None
    ]
    head = ["### Difference on the same records", "", "Above 0 this model is better.", "", "| metric | difference |"]
    return "\n".join([*head, "|---|---|", *rows]) if rows else ""


def _checks(gate: Mapping[str, Any]) -> str:
    rows = []
    for check in gate["checks"]:
        word = "yes" if check["passed"] else "warning" if check.get("warning") else "**no**"
        rows.append(f"| {check['name'].replace('_', ' ')} | {word} | {_plain(check['message'])} |")
    passed = sum(check["passed"] for check in gate["checks"])
    head = f"### Gate: {passed} of {len(rows)} checks passed"
    return "\n".join([head, "", "| check | passed | |", "|---|---|---|", *rows])


def _curve(project: Project) -> str:
    """Loss by epoch as a chart that GitHub draws from text."""
    history = read_json(project.history) if project.history.exists() else []
    lines = []
    for name in ("train_loss", "validation_loss"):
        values = [row.get(name) for row in history]
        if len(values) > 1 and all(value is not None for value in values):
            step = -(-len(values) // POINTS)
            lines.append(f"    line [{', '.join(f'{value:.4g}' for value in values[::step])}]")
    if not lines:
        return ""
    chart = [
        "```mermaid",
        "xychart-beta",
        '    title "Loss by epoch: of training, then of validation"',
        f'    x-axis "epoch" 1 --> {len(history)}',
        '    y-axis "loss"',
        *lines,
        "```",
    ]
    return "\n".join(["<details><summary>Training</summary>", "", *chart, "", "</details>"])


def _next(told: Proposal) -> str:
    if told.verdict != "accepted":
        return (
            "A refused model is not promoted, also when this is merged: the gate judges again before a promotion. "
            "Close this, or mend data or config and train again."
        )
    return "Merging promotes this model to production and deploys it. The report is an artifact of the run."


def _interval(found: Mapping[str, Any] | None, *, sign: bool = False) -> str:
    if found is None:
        return "-"
    value, low, high = (found.get(name) for name in ("value", "low", "high"))
    if value is None:
        return "undefined"
    form = "+.4f" if sign else ".4f"
    return f"{value:{form}}" + ("" if low is None or high is None else f" [{low:{form}}, {high:{form}}]")


def _plain(text: str) -> str:
    """A text that stays one cell of a table, names nobody and starts no markup."""
    flat = " ".join(text.split())
    for letter in "\\`*_|<>[]#":
        flat = flat.replace(letter, f"\\{letter}")
    return flat.replace("@", "@\u200b")
