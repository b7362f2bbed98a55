import json
from pathlib import Path
from typing import Any

from PIL import Image
from report_evidence import tell

from lightloop.config.metrics import METRICS
from lightloop.report.evidence import FURTHER, Evidence, read_evidence
from lightloop.report.insights import influence, overall
from lightloop.stages.report import report

BOUND = {"low": 0.1, "high": 0.3}
NOT = {"applies": False, "why": "there is nothing of the kind"}
SAID = "A training record that taught & <more>"


def _feature(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "n": 40, "value": value, **BOUND, "share": value, "signed": None}


def _grid(value: float) -> dict[str, Any]:
    cells = [[value, 0.1], [0.2, 0.3]]
    return {"height": 2, "width": 2, "value": cells, "low": cells, "high": cells}


def _global(*, table: bool) -> dict[str, Any]:
    measures = [
        {"name": "mutual_information", "about": "what it says; doi:1", "split": "train", "n": 9, "values": [0.4, 0.2]},
        {"name": "permutation", "about": "how much worse; doi:2", "split": "test", "n": 9, "values": [0.1, None]},
    ]
    pair = {"first_kind": "method", "first": "gradient_shap", "second_kind": "measure", "second": "permutation"}
    points = {"name": "age", "kind": "number", "n": 3, "missing": 0, "correlation": 0.5}
    names = {"name": "town", "kind": "category", "n": 2, "missing": 1, "correlation": None}
    return {
        "applies": True,
        "n": 40,
        "noun": "columns" if table else "pixels",
        "method": "gradient_shap",
        "trusted": True,
        "draws": 4,
        "answer": "bag" if table else None,
        "features": [_feature("age", 0.6), _feature("town", 0.2)] if table else [],
        "channels": [],
        "maps": None if table else {**_grid(0.4), "classes": [{"class": "bag", "n": 20, **_grid(0.5)}]},
        "dependence": {
            "applies": True,
            "answer": "bag",
            "columns": [
                {**points, "points": [[1, 0.1], [2, 0.2], [3, -0.1]]},
                {**names, "points": [["Rome", 0.1], ["Oslo", -0.2]]},
            ],
        }
        if table
        else NOT,
        "interactions": {
            "applies": True,
            "n": 40,
            "pairs": [
                {"first": "age", "second": "town", "h": {"value": 0.2, **BOUND}, "strength": {"value": 0.2, **BOUND}}
            ],
        }
        if table
        else NOT,
        "outside": {"applies": True, "features": ["age", "town"], "measures": measures} if table else NOT,
        "agreement": {"applies": True, "resampled": "features", "n": 6, "rows": [{**pair, "value": 0.7, **BOUND}]}
        if table
        else NOT,
    }


def _versions() -> dict[str, Any]:
    estimate = {"value": 0.2, **BOUND}
    row = {"new": estimate, "old": estimate, "difference": estimate, "p": 0.001, "holm": 0.002}
    return {
        "applies": True,
        "champion": "v0.1.0",
        "n": 40,
        "noun": "columns",
        "method": "gradient_shap",
        "same_answer": {"n": 40, **estimate},
        "correlation": estimate,
        "noise": estimate,
        "features": [{"name": "age", **row, "change": "rose"}, {"name": "town", **row, "change": None}],
        "covered": 0.8,
        "gained": ["age"],
        "lost": [],
        "only_new": [],
        "only_old": [],
    }


def _concepts() -> dict[str, Any]:
    estimate = {"value": 0.2, **BOUND}
    row = {"class": "bag", "n": 50, "member": True, "score": estimate, "random": estimate, "p": 0.2, "holm": 0.4}
    concept = {"name": "handles", "n": 50, "accuracy": estimate, "classes": [{**row, "direction": None}]}
    head = {"applies": True, "layer": "stages.2", "random_sets": 20, "level": 0.05}
    return {**head, "concepts": [concept], "skipped": {"colour": "too few records have it"}}


def _influence(record: dict[str, Any]) -> dict[str, Any]:
    rows = [{"id": "train/1", "label": "bag", "score": 3.5}, {"id": "train/2", "label": "coat", "score": 2.5}]
    check = {"value": 0.9, "low": 0.8, "high": 0.95, "threshold": 0.5, "passed": True, "n": 100}
    return {
        "applies": True,
        "method": "TracIn",
        "source": "arXiv:2002.08484",
        "checkpoints": "One.",
        "unit": "loss",
        "n": 1,
        "n_training": 10,
        "of_training": 20,
        "records": [{"id": record["id"], "label": "bag", "kind": "wrong", "loss": 1.5, "helped": rows, "hurt": rows}],
        "strangest": rows[:1],
        "distinct": {"helped": 2, "hurt": 2, "most": 2},
        "training": {"train/1": {"picture": "influence/0000.png"}, "train/2": {"text": SAID}},
        "checks": {"planted_errors": {**check, "peer": {"name": "loss", "value": 0.7}}},
        "trusted": True,
        "reasons": [],
    }


def _counterfactuals() -> dict[str, Any]:
    change = {"name": "age", "from": 31, "to": 42, "distance": 1.5}
    found = {"distance": 1.5, "probability": 0.51, "changes": [change]}
    record = {"id": "r/1", "label": "bag", "kind": "wrong", "decision": "coat", "probability": 0.7, "wanted": "bag"}
    column = {"name": "age", "kind": "number", "direction": "any", "unit": 7.0, "n": 1, "share": 0.5}
    return {
        "applies": True,
        "method": "NICE",
        "source": "arXiv:2104.07411",
        "distance": "in deviations",
        "note": "Not causes.",
        "n": 2,
        "found": 1,
        "share": {"value": 0.5, "low": 0.1, "high": 0.9},
        "changed": 1.0,
        "nearest": 1.5,
        "neighbour": 3.0,
        "columns": [column],
        "fixed": ["town"],
        "checks": {"valid": {"value": 1.0, "threshold": 1.0, "passed": True, "n": 1}},
        "records": [
            {**record, "neighbour": 3.0, "counterfactuals": [found]},
            {**record, "id": "r/2", "neighbour": 4.0, "counterfactuals": []},
        ],
    }


def _told(root: Path, contents: dict[str, Any]) -> tuple[Evidence, str]:
    config, project = tell(root)
    for name, content in contents.items():
        (project.explanation / f"{name}.json").write_text(json.dumps(content))
    report(config, project)
    return read_evidence(config, project, METRICS), (project.reports / "index.html").read_text()


def test_all_that_was_found_is_on_the_page(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    (project.explanation / "influence").mkdir()
    Image.new("L", (4, 4), 200).save(project.explanation / "influence" / "0000.png")
    record = json.loads(project.explanation_result.read_text())["records"][0]
    contents = {
        "global": _global(table=True),
        "concepts": _concepts(),
        "versions": _versions(),
        "influence": _influence(record),
        "counterfactuals": _counterfactuals(),
    }
    assert set(contents) == set(FURTHER)
    for name, content in contents.items():
        (project.explanation / f"{name}.json").write_text(json.dumps(content))
    report(config, project)
    page = (project.reports / "index.html").read_text()

    for said in (
        "What the model looks at",
        "Most important columns",
        "age, town</th>",
        "GradientSHAP, Permutation",
        "no more than random ones",
        "Colour was left out",
        "New among what it looks at: age",
        "Helped most",
        "A training record that taught &amp; &lt;more&gt;",
        "What would flip the decision",
        "None was found",
    ):
        assert said in page, said
    assert (project.reports / "assets" / "explanation" / "training-0000.png").is_file()


def test_images_have_a_map_and_no_table(tmp_path: Path) -> None:
    evidence, page = _told(tmp_path, {"global": _global(table=False)})

    found = overall(evidence)
    assert found is not None
    assert [chart.title for chart in found["charts"]] == ["Where in the image", "By predicted class"]
    assert found["charts"][0].rows == ((1, 0.4, 0.1), (2, 0.2, 0.3))
    assert page.count("there is nothing of the kind.") == 2, "the same reason is not said twice"


def test_a_part_that_does_not_apply_says_why_in_a_line(tmp_path: Path) -> None:
    _, page = _told(tmp_path, dict.fromkeys(FURTHER, NOT))

    assert page.count("there is nothing of the kind.") == len(FURTHER)


def test_evidence_from_before_has_none_of_it(tmp_path: Path) -> None:
    evidence, page = _told(tmp_path, {})

    assert evidence.further == {}
    assert influence(evidence) is None
    for heading in ("What the model looks at", "Concepts</h3>", "new against old", "What would flip", "taught it"):
        assert heading not in page
