"""The section of the audit: what disturbs the model, what its data are like, what other data would give."""

from collections.abc import Mapping
from typing import Any

from lightloop.report.charts import Chart, lines
from lightloop.report.evidence import Evidence
from lightloop.report.figures import estimate, figure, percent, plural, words
from lightloop.report.scatter import scatter

TITLES = {
    "robustness": "Robustness",
    "labels": "Doubtful labels",
    "duplicates": "Copies across splits",
    "data_map": "Easy and hard records",
    "learning": "More data",
    "staleness": "Age",
    "mitigation": "Fairness by other trainings",
}
VARIANTS = {
    "released": "Released: without the sensitive columns",
    "with_sensitive_columns": "With the sensitive columns",
    "reweighed": "Without them, reweighed",
}
GAPS = {
    "demographic_parity_difference": "Demographic parity",
    "equal_opportunity_difference": "Equal opportunity",
    "equalized_odds_difference": "Equalised odds",
}
ATTACKS = {"fgsm": "One step (FGSM)", "pgd": "Many steps (PGD)"}
STYLES = ("model", "second", "third", "fourth", "fifth")
SHOWN = 12  # rows of a list of single records


def audit(evidence: Evidence) -> dict[str, Any] | None:
    """The parts that apply, ready to be shown, and why the others do not; None where nothing was audited.

    Returns:
        `left_out`: title and reason of each part that does not apply; and by part what its place in the template shows.
    """
    found = evidence.audit
    applies = {name: content for name, content in found.items() if content.get("applies")}
    if not applies:
        return None
    titles = {name: TITLES.get(name, words(name)) for name in found}
    shown = {name: make(applies[name], evidence) for name, make in SECTIONS.items() if name in applies}
    left_out = [(titles[name], content["why"]) for name, content in found.items() if name not in applies]
    return {"titles": TITLES, "left_out": left_out, **{name: shown.get(name) for name in TITLES}}


def _title(evidence: Evidence, metric: str) -> str:
    spec = evidence.specs.get(metric)
    return spec.title if spec else words(metric)


def robustness(content: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """Curves by strength and by size of the attack; checks, failed first; extreme records."""
    metric, clean = _title(evidence, content["metric"]), content["clean"]["value"]
    kinds = {
        words(name): [(0.0, clean), *((float(level["strength"]), level["value"]) for level in kind["levels"])]
        for name, kind in content["corruptions"].items()
    }
    doubts = {
        words(name): [(float(level["strength"]), level["low"], level["high"]) for level in kind["levels"]]
        for name, kind in content["corruptions"].items()
    }
    attacks = content["attacks"]
    moved = {
        ATTACKS.get(name, words(name)): [
            (0.0, attacks["clean"]["value"]),
            *((row["epsilon"], row["value"]) for row in rows),
        ]
        for name, rows in attacks["methods"].items()
    }
    checks = content["metamorphic"]
    return {
        "content": content,
        "metric": metric,
        "charts": [
            lines(f"{metric} on worse records", kinds, x="strength", y=metric, styles=STYLES, bands=doubts),
            lines(f"{metric} under attack", moved, x=f"moved by, in {attacks['unit']}", y=metric, styles=STYLES),
        ],
        "kinds": [
            {"name": words(name), "unit": kind["unit"], "levels": kind["levels"], "mean": kind["mean"]}
            for name, kind in content["corruptions"].items()
        ],
        "checks": [check for check in checks if not check["passed"]] + [check for check in checks if check["passed"]],
        "failed": sum(not check["passed"] for check in checks),
        "extremes": content["extremes"],
        "wild": sum(not row["passed"] for row in content["extremes"]),
    }


def labels(content: Mapping[str, Any], _: Evidence) -> dict[str, Any]:
    """The doubted labels, worst first."""
    share = content["estimated_share"]
    said = f"The labels of {plural(content['n'], 'training record')} were compared with answers of {content['source']}"
    said += f", each by a model that never saw the record ({plural(content['folds'], 'fold')})."
    if share:
        said += f" {plural(content['found'], 'label')} {'is' if content['found'] == 1 else 'are'} doubted, a share of "
        said += f"{percent(share['value'], 1)} [{percent(share['low'], 1)}, {percent(share['high'], 1)}]."
    if not content["network"] and share:
        said += " Where that model is wrong itself, a right label is doubted: look before you change one."
    return {"content": content, "said": said, "rows": content["suspects"][:SHOWN]}


def duplicates(content: Mapping[str, Any], _: Evidence) -> dict[str, Any]:
    """Copies by pair of splits."""
    examples = [
        {**one, "splits": f"{pair['asked']}, {pair['known']}"} for pair in content["pairs"] for one in pair["examples"]
    ]
    return {"content": content, "examples": examples[:SHOWN]}


def data_map(content: Mapping[str, Any], _: Evidence) -> dict[str, Any]:
    """Mean and deviation of the label's probability, and the regions."""
    regions = {name: found for name, found in content["regions"].items() if name != "limits"}
    return {
        "content": content,
        "chart": _scatter(content),
        "regions": regions,
        "classes": list(next(iter(regions.values()))["by_class"]),
        "rows": content["hardest"][:SHOWN],
    }


def _scatter(content: Mapping[str, Any]) -> Chart:
    limits = content["regions"]["limits"]
    shares = {name: found["share"]["value"] for name, found in content["regions"].items() if name != "limits"}
    said = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
    points = content["points"]
    return scatter(
        "Mean probability of the label over its deviation",
        [(deviation, mean, "a training record") for mean, deviation in points],
        f"{plural(len(points), 'training record')} by mean and deviation: {said}",
        x="deviation over the epochs",
        y="mean",
        columns=("region", "share"),
        rows=tuple(shares.items()),
        across=[limits["hard"]],
        down=[limits["ambiguous"]],
        axis_y={
            "scale": {"domain": [0, 1]},
            "axis": {"format": ".0%", "tickCount": 5, "domain": False, "ticks": False},
        },
        dot=16,
    )


def learning(content: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """The curve and what doubling the data would give."""
    metric = _title(evidence, content["metric"])
    points = {metric.lower(): [(float(row["records"]), row["value"]) for row in content["points"]]}
    released = content["released"]
    if content["epochs"] is not None:
        points |= {"released": [(float(released["records"]), released["value"])]}
    chart = lines("Learning curve", points, x="training records", y=metric, styles=("model", "second"))
    return {"content": content, "metric": metric, "chart": chart, "said": _doubling(content, metric)}


def _doubling(content: Mapping[str, Any], metric: str) -> list[str]:
    doubling, check = content["doubling"], content["check"]
    if doubling is None:
        return ["The curve does not rise with the records, so that nothing can be said of more of them."]
    gain = doubling["gain"]
    said = [
        f"With twice the {plural(doubling['records'], 'record')}, {metric} would go from "
        f"{figure(doubling['now']['value'])} to {estimate(doubling['then'])}, better by {estimate(gain)}."
    ]
    if gain["low"] is not None and gain["low"] <= 0:
        said.append("The interval holds 0: that more data would help is not shown.")
    if check and check["holds"] is False:
        said.append(
            f"Read it with care: for {plural(check['records'], 'record')} the curve says {estimate(check['said'])}, "
            f"but the released model, trained longer, reached {figure(check['reached'])}."
        )
    return said


def staleness(content: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """The metric against age."""
    metric = _title(evidence, content["metric"])
    points = {metric.lower(): [(row["share"], row["value"]) for row in content["ages"]]}
    bands = {metric.lower(): [(row["share"], row["low"], row["high"]) for row in content["ages"]]}
    chart = lines(f"{metric} by age", points, x="share of the time line that is older", y=metric, bands=bands)
    return {"content": content, "metric": metric, "chart": chart}


def mitigation(content: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    """Variants by gap."""
    return {
        "content": content,
        "metric": _title(evidence, content["metric"]),
        "names": VARIANTS,
        "gaps": GAPS,
        "columns": list(content["columns"]),
    }


SECTIONS = {
    "robustness": robustness,
    "labels": labels,
    "duplicates": duplicates,
    "data_map": data_map,
    "learning": learning,
    "staleness": staleness,
    "mitigation": mitigation,
}
