"""The section of champion against challenger: both on the same records, from comparison.json."""

from typing import Any

from lightloop.report.differences import differences
from lightloop.report.evidence import Evidence
from lightloop.report.figures import words


def champion(evidence: Evidence) -> dict[str, Any]:
    """What differs and how sure that is.

    Returns:
        `why` where there is nothing to compare; else `content` of the file and `charts`: of the metrics, and of the
        groups of sensitive columns where there are any.
    """
    content = evidence.comparison
    if content is None:
        return {"why": "No evidence was found: lightloop run makes it in its gate stage."}
    if not content["applies"]:
        return {"why": content["why"]}

    def title(metric: str) -> str:
        spec = evidence.specs.get(metric)
        return spec.title if spec else words(metric)

    unit = "new model less champion; positive is better"
    metrics = [{**row, "name": title(row["metric"])} for row in content["metrics"]]
    charts = [differences(metrics, "Metrics", unit, "metric")]
    groups = [
        {**row["difference"], "margin": row["margin"], "name": f"{row['column']}: {row['value']}"}
        for row in content["protected"]
    ]
    if groups:
        metric = title(content["protected"][0]["metric"])
        charts.append(differences(groups, f"{metric} by sensitive group", unit, "group"))
    return {"why": None, "content": content, "charts": charts}
