"""The report's figures as flat tables for `dvc plots`, which reads lists of plain rows and nothing nested.

The same evidence files feed the site and these tables; what does not apply is an empty table.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lightloop.files import replacing, write_json
from lightloop.project import Project
from lightloop.report.evidence import Evidence
from lightloop.report.figures import words

Rows = list[dict[str, Any]]
BOUNDS = ("low", "high")


def write_plots(evidence: Evidence, project: Project) -> None:
    """Write `artifacts/plots/NAME.json` for each name of `TABLES`; dvc.yaml says how they are drawn."""
    with replacing(project.plots) as folder:
        for name, rows in plot_tables(evidence).items():
            write_json(folder / f"{name}.json", rows)


def plot_tables(evidence: Evidence) -> dict[str, Rows]:
    """All tables by name."""
    return {name: make(evidence) for name, make in TABLES.items()}


def _calibration(evidence: Evidence, part: str) -> Rows:
    """What the model says (`said`: confidence, or the level of an interval) and how often it was so (`found`)."""
    content = _applying(evidence.calibration)
    if content and part in content:
        rows = [row for row in content[part]["curve"] if row["n"]]
        return [{"said": row["confidence"], **_estimate(row["accuracy"], "found"), "n": row["n"]} for row in rows]
    if content and part == "after" and "curve" in content:
        return [{"said": row["level"], **_estimate(row["coverage"], "found")} for row in content["curve"]]
    return []


def _coverage(evidence: Evidence) -> Rows:
    """Share of truths in the conformal set or interval of each level."""
    content = _applying((_applying(evidence.uncertainty) or {}).get("conformal"))
    return [
        {"level": row["level"], **_estimate(row["coverage"], "coverage")} for row in (content or {}).get("levels", [])
    ]


def _abstention(evidence: Evidence) -> Rows:
    """Accuracy of the surest answers, by their share."""
    content = _applying((_applying(evidence.uncertainty) or {}).get("abstention"))
    return [{key: row[key] for key in ("share", "n", "accuracy")} for row in (content or {}).get("curve", [])]


def _slices(evidence: Evidence) -> Rows:
    """The gate's metric in each declared group."""
    content = _applying(evidence.slices)
    if not content:
        return []
    return [
        {
            "group": f"{words(row['column'])} = {row['value']}",
            **_estimate(row["metrics"][content["metric"]], "value"),
            "n": row["n"],
        }
        for row in content["rows"]
    ]


def _robustness(evidence: Evidence) -> Rows:
    """The metric on records as they are, and on worse ones."""
    content = _applying(evidence.audit.get("robustness"))
    if not content:
        return []
    rows = [{"records": "as they are", "strength": 0, **_estimate(content["clean"], "value")}]
    for name, kind in content["corruptions"].items():
        for level in kind["levels"]:
            label = f"{words(name)}, strength {level['strength']}"
            rows.append({"records": label, "strength": level["strength"], **_estimate(level, "value")})
    return rows


def _learning(evidence: Evidence) -> Rows:
    """The metric by the number of training records."""
    content = _applying(evidence.audit.get("learning"))
    return [{"records": row["records"], **_estimate(row, "value")} for row in (content or {}).get("points", [])]


def _staleness(evidence: Evidence) -> Rows:
    """The metric by the share of the time line that the model is older."""
    content = _applying(evidence.audit.get("staleness"))
    return [{"share": row["share"], **_estimate(row, "value")} for row in (content or {}).get("ages", [])]


TABLES: Mapping[str, Callable[[Evidence], Rows]] = {
    "calibration": lambda evidence: _calibration(evidence, "after"),
    "calibration_raw": lambda evidence: _calibration(evidence, "before"),
    "coverage": _coverage,
    "abstention": _abstention,
    "slices": _slices,
    "robustness": _robustness,
    "learning": _learning,
    "staleness": _staleness,
}


def _applying(content: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return content if content and content["applies"] else None


def _estimate(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: content["value"], **{bound: content.get(bound) for bound in BOUNDS}}
