"""The smallest changes that would flip a decision, from explanation/counterfactuals.json; nothing is computed here."""

from typing import Any

from lightloop.report.charts import ranking
from lightloop.report.evidence import Evidence
from lightloop.report.figures import plural
from lightloop.report.insights import reason

RECORDS = 24  # that are shown


def counterfactuals(evidence: Evidence) -> dict[str, Any] | None:
    """What would have to change for another decision; None where the file was not written.

    Returns:
        `why` where it does not apply; else `content`, `records` (those with a counterfactual first), and `chart` of the
        columns that are changed most, None where nothing was found.
    """
    content = evidence.further.get("counterfactuals")
    if content is None or not content["applies"]:
        return content and reason(content)
    flipped = [record for record in content["records"] if record["counterfactuals"]]
    others = [record for record in content["records"] if not record["counterfactuals"]]
    changed = sorted((row for row in content["columns"] if row["n"]), key=lambda row: -row["share"])
    rows = [{"name": row["name"], "value": row["share"], "low": None, "high": None} for row in changed]
    unit = f"share of {plural(len(flipped), 'record')}"
    return {
        "why": None,
        "content": content,
        "records": [*flipped, *others][:RECORDS],
        "chart": ranking(rows, "What is changed to flip a decision", unit, "column") if rows else None,
    }
