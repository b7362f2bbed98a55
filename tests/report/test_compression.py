"""The section of compression: figures as the stage wrote them, nothing where nothing was tried."""

import json
import re

import pytest
from report_evidence import Story, tell

from lightloop.config.metrics import METRICS
from lightloop.report.card import write_card
from lightloop.report.compression import compression, sentence
from lightloop.report.evidence import read_evidence
from lightloop.stages.report import report

DIFFERENCE = {"value": -0.002, "low": -0.0061, "high": 0.0019, "standard_error": 0.002, "p": 0.4}
NONE = {"value": 0.0, "low": 0.0, "high": 0.0, "standard_error": 0.0, "p": 1.0}


def row(name, steps, graph, **more):
    figures = {
        "metric": {"value": 0.871, "low": 0.86, "high": 0.88},
        "difference": DIFFERENCE if steps else NONE,
        "calibration": {"value": 0.0213, "low": 0.01, "high": 0.03},
        "calibration_change": {"value": 0.001, "low": -0.002, "high": 0.004},
        "agreement": 0.991,
        "moved": 0.08,
    }
    found = {
        "name": name,
        "steps": steps,
        "passes": True,
        "why": None,
        "parameters": 100_522,
        "bytes": {"graph": graph, "packed": graph // 2, "bundle": 2 * graph},
        "scaling": "temperature",
        "validation": figures,
        "test": figures,
        "chosen": False,
    }
    return found | more


def content():
    candidates = [
        row("float", [], 400_000),
        row("static_int8", [{"name": "static_int8", "records": 256}], 100_000, chosen=True),
        row("narrow", [{"name": "narrow", "keep": 0.5}], 90_000, passes=False),
        {"name": "dynamic_int8", "steps": [], "passes": False, "why": "no layer <is> for it", "chosen": False},
    ]
    return {
        "applies": True,
        "chosen": "static_int8",
        "metric": "accuracy",
        "calibration": "ece",
        "max_loss": 0.01,
        "source": "config gate.margin",
        "size": "graph",
        "confidence": 0.95,
        "resamples": 2000,
        "n": {"validation": 1200, "test": 2000},
        "candidates": candidates,
    }


SPEED = {
    "applies": True,
    "processor": {"architecture": "x86_64", "features": ["avx2", "avx512_vnni", "sse2"]},
    "threads": 1,
    "rounds": 40,
    "milliseconds": {name: {"1": 0.1, "64": 5.5} for name in ("float", "static_int8", "narrow")},
}


@pytest.fixture
def told(tmp_path):
    config, project = tell(tmp_path / "project", Story(per_class=4))

    def write(found, speed=None):
        project.compression.write_text(json.dumps(found))
        if speed:
            project.compression_speed.write_text(json.dumps(speed))
        report(config, project)
        return read_evidence(config, project, METRICS), (project.reports / "index.html").read_text()

    return write


def test_ways_are_told_with_what_they_cost(told):
    evidence, page = told(content(), SPEED)
    section = page[page.index('<section id="compression"') :].partition("</section>")[0]
    assert '<a href="#compression">Compression</a>' in page
    assert "The bundle is 4.0 times smaller than the network was: int8 weights and activations." in section
    assert "loses too much" in section
    assert "released" in section
    assert "no layer &lt;is&gt; for it" in section
    assert "avx2, avx512_vnni" in section
    assert section.count('<figure class="chart">') == 2
    plain = re.sub(r"<[^>]+>", " ", section)
    for figure in ("100 kB", "0.871", "-0.006", "99"):
        assert figure in plain.replace("−", "-")
    card = write_card(evidence)
    assert "Made smaller after training (int8 weights and activations), 4.0 times." in card
    assert "the gate judged the bundle's own answers" in card


def test_without_a_measurement_of_speed_there_is_one_chart_less(told):
    evidence, page = told(content())
    found = compression(evidence)
    assert found is not None
    assert [chart.title for chart in found["charts"]] == ["Size and Accuracy"]
    assert "not measured" in page
    points = json.loads(str(found["charts"][0].spec))["data"]["values"]
    assert [(one["name"], one["x"], one["chosen"]) for one in points] == [
        ("float", 400, False),
        ("static int8", 100, True),
        ("narrow", 90, False),
    ]


def test_nothing_tried_is_nothing_told(told):
    evidence, page = told({"applies": False, "why": "compress=none"}, {"applies": False, "why": "compress=none"})
    assert compression(evidence) is None
    assert sentence(evidence) is None
    assert "#compression" not in page
    assert "Made smaller" not in write_card(evidence)


def test_the_network_itself_may_be_the_smallest(told):
    found = content()
    for one in found["candidates"]:
        one["chosen"] = one["name"] == "float"
    evidence, page = told(found | {"chosen": "float"}, SPEED)
    assert "The network is released as it was trained: nothing smaller answers as well." in page
    assert sentence(evidence) is None
