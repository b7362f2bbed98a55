"""What the explain stage found beside the methods: what the model looks at overall, what changed, who taught it.

From explanation/{global,concepts,versions,influence}.json; nothing is computed here. Each function returns None
where the file was not written, and otherwise a dictionary with `why`: None, or why it does not apply.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightloop.report.charts import MODEL, Chart, Rows, Spec, lines, make_chart, ranking
from lightloop.report.differences import differences
from lightloop.report.evidence import Evidence
from lightloop.report.explanations import RANKED, method_title
from lightloop.report.figures import figure, percent, plain, plural, words
from lightloop.report.scatter import scatter

MEASURES = {
    "mutual_information": "Mutual information",
    "recursive_elimination": "Recursive elimination",
    "permutation": "Permutation",
}
CHECKS = {
    "planted_errors": "Finds labels that were made wrong",
    "harmful_lists": "Made-wrong labels among the harmful",
    "removal": "Removal of helpers raises the loss",
}
PARTS = {"train": "training"}
TAUGHT = 3  # training records of each list that are shown
TAUGHT_RECORDS = 24  # explained records of which they are


def reason(content: Mapping[str, Any]) -> dict[str, Any]:
    """That a file does not apply."""
    return {"why": str(content["why"]).rstrip(".") + "."}


def overall(evidence: Evidence) -> dict[str, Any] | None:
    """What the predictions rest on: features with intervals, dependence, pairs, and what other measures say."""
    content = evidence.further.get("global")
    if content is None or not content["applies"]:
        return content and reason(content)
    unit = f"mean size of attributions, {plural(content['n'], 'record')}"
    charts = []
    noun = content["noun"]
    if noun == "steps":
        charts.append(_by_step(content["features"], unit))
    elif content["features"]:
        charts.append(ranking(content["features"][:RANKED], f"Most important {noun}", unit, "feature"))
    # of feature: series
    if content.get("channels"):
        charts.append(ranking(content["channels"], "Channels", unit, "channel"))
    # end
    if content.get("maps"):
        charts += _maps(content["maps"])
    return {
        "why": None,
        "content": content,
        "method": method_title(content["method"]),
        "charts": charts,
        "dependence": _dependence(content["dependence"]),
        "interactions": _pairs(content["interactions"]),
        "outside": _outside(content["outside"], content["agreement"]),
    }


def _by_step(features: Rows, unit: str) -> Chart:
    rows = sorted(features, key=lambda row: int(row["name"]))
    points = {"attention": [(int(row["name"]), row["value"]) for row in rows]}
    bands = {"attention": [(int(row["name"]), row["low"], row["high"]) for row in rows]}
    return lines("Attention by step", points, x="steps before the last known one", y=unit, bands=bands, width=330)


def _maps(maps: Mapping[str, Any]) -> list[Chart]:
    def cells(name: str, grid: Mapping[str, Any]) -> Rows:
        return [
            {
                "class": name,
                "row": row,
                "column": column,
                "share": value,
                "tip": f"{name}: row {row + 1}, column {column + 1}\n{percent(value, 1)} of the attention "
                f"[{percent(grid['low'][row][column], 1)}, {percent(grid['high'][row][column], 1)}]",
            }
            for row, line in enumerate(grid["value"])
            for column, value in enumerate(line)
        ]

    def spec(side: int) -> Spec:
        place = {"type": "ordinal", "axis": None}
        shade = {
            "field": "share",
            "type": "quantitative",
            "scale": {"range": [0.02, 1], "zero": True},
            "legend": None,
        }
        return {
            "width": side,
            "height": round(side * maps["height"] / maps["width"]),
            "mark": {"type": "rect", "color": MODEL},
            "encoding": {"x": {"field": "column", **place}, "y": {"field": "row", **place}, "opacity": shade},
        }

    whole = cells("all", maps)
    largest = max(whole, key=lambda cell: cell["share"])
    said = f"largest in row {largest['row'] + 1}, column {largest['column'] + 1}: {percent(largest['share'], 1)}"
    columns = ("row", *(f"column {place + 1}" for place in range(maps["width"])))
    charts = [
        make_chart(
            "Where in the image",
            {"data": {"values": whole}, **spec(220)},
            f"Share of the attention by cell of a {maps['height']} by {maps['width']} grid, {said}",
            columns=columns,
            rows=[(row + 1, *line) for row, line in enumerate(maps["value"])],
        )
    ]
    if maps["classes"]:
        rows = [cell for one in maps["classes"] for cell in cells(one["class"], one)]
        names = [one["class"] for one in maps["classes"]]
        facet = {"field": "class", "type": "nominal", "title": None, "sort": names}
        spots = []
        for one in maps["classes"]:
            best = max(cells(one["class"], one), key=lambda cell: cell["share"])
            spots.append((one["class"], one["n"], f"{best['row'] + 1}, {best['column'] + 1}", best["share"]))
        charts.append(
            make_chart(
                "By predicted class",
                {
                    "data": {"values": rows},
                    "facet": {**facet, "header": {"labelColor": "#0a0b00", "labelFontSize": 11}},
                    "columns": 5,
                    "spacing": 8,
                    "spec": spec(64),
                    "resolve": {"scale": {"opacity": "independent"}},
                },
                "Share of the attention by cell, by predicted class. Largest: "
                + "; ".join(f"{name} in row, column {spot}" for name, _, spot, _ in spots),
                columns=("class", "n", "largest in row, column", "share"),
                rows=spots,
            )
        )
    return charts


def _dependence(content: Mapping[str, Any]) -> dict[str, Any]:
    if not content["applies"]:
        return reason(content)
    said = f"for {content['answer']}" if content.get("answer") else "of the answer"
    charts = []
    for column in content["columns"]:
        points = [(a, b, "") for a, b in column["points"]]
        rho = column["correlation"]
        shown = list(column["points"])
        charts.append(
            scatter(
                column["name"],
                points,
                f"Attribution over the value of {column['name']}, {plural(column['n'], 'record')}"
                + (f"; rank correlation {figure(rho, 2)}" if rho is not None else ""),
                x=column["name"],
                y=f"attribution {said}",
                columns=("value", "attribution"),
                rows=shown[:: max(1, len(shown) // 12)],
                size=(220, 150),
                names=column["kind"] != "number",
            )
        )
    return {"why": None, "charts": charts, "answer": content.get("answer")}


def _pairs(content: Mapping[str, Any]) -> dict[str, Any]:
    return {"why": None, "content": content} if content["applies"] else reason(content)


def _outside(content: Mapping[str, Any], agreement: Mapping[str, Any]) -> dict[str, Any]:
    if not content["applies"]:
        return reason(content)
    measures = [
        {
            **row,
            "title": MEASURES.get(row["name"], words(row["name"])),
            "records": plural(row["n"], f"{PARTS.get(row['split'], row['split'])} record"),
        }
        for row in content["measures"]
    ]
    names = content["features"]
    rows = [(name, [row["values"][place] for row in measures]) for place, name in enumerate(names)]
    rows.sort(key=lambda row: (row[1][0] is None, -(row[1][0] or 0)))
    compared = agreement["rows"] if agreement["applies"] else []
    titled = [{**row, "first": _titled(row, "first"), "second": _titled(row, "second")} for row in compared]
    return {
        "why": None,
        "measures": measures,
        "rows": rows[:RANKED],
        "agreement": titled,
        "n": agreement.get("n"),
        "no_agreement": None if agreement["applies"] else reason(agreement)["why"],
    }


def _titled(row: Mapping[str, Any], key: str) -> str:
    name = row[key]
    return method_title(name) if row[f"{key}_kind"] == "method" else MEASURES.get(name, words(name))


def concepts(evidence: Evidence) -> dict[str, Any] | None:
    """Which concepts speak for which answers, and which of them random concepts match."""
    content = evidence.further.get("concepts")
    if content is None or not content["applies"]:
        return content and reason(content)
    return {"why": None, "content": content}


def versions(evidence: Evidence) -> dict[str, Any] | None:
    """What the new model looks at that the champion did not."""
    content = evidence.further.get("versions")
    if content is None or not content["applies"]:
        return content and reason(content)
    rows = [{**row["difference"], "name": row["name"]} for row in content["features"][:RANKED]]
    unit = "share of attention, new less old"
    chart = differences(rows, "Attention that moved", unit, "feature") if rows else None
    return {
        "why": None,
        "content": content,
        "method": method_title(content["method"]),
        "chart": chart,
        "moved": [row for row in content["features"] if row["change"]],
    }


def influence(evidence: Evidence) -> dict[str, Any] | None:
    """The training records that helped and hurt the explained answers most, and whether the lists can be believed."""
    content = evidence.further.get("influence")
    if content is None or not content["applies"]:
        return content and reason(content)
    shown = content["training"]
    answers = {record["id"]: record for record in (evidence.explanation or {}).get("records", [])}

    def taught(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "label": plain(row["label"]), **_seen(shown.get(row["id"]))} for row in rows]

    records = []
    for record in content["records"]:
        answer = answers.get(record["id"], {})
        records.append(
            {
                **record,
                "label": plain(record["label"]),
                "prediction": answer.get("prediction"),
                "input": answer.get("input"),
                **{name: taught(record[name][:TAUGHT]) for name in ("helped", "hurt")},
            }
        )
    # Some of each kind, as records are in the order of their classes.
    kinds = list(dict.fromkeys(record["kind"] for record in records))
    each = max(1, TAUGHT_RECORDS // max(1, len(kinds)))
    chosen = [record for kind in kinds for record in [one for one in records if one["kind"] == kind][:each]]
    return {
        "why": None,
        "content": content,
        "records": chosen,
        "kinds": kinds,
        "strangest": taught(content["strangest"]),
        "checks": [
            {**check, "title": CHECKS.get(name, words(name))} for name, check in content["checks"].items() if check
        ],
    }


def _seen(one: Mapping[str, Any] | None) -> dict[str, Any]:
    found = one or {}
    return {"picture": found.get("picture"), "text": found.get("text")}
