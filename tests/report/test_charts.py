import re
from xml.etree import ElementTree

import pytest

from lightloop.report.charts import VARIABLES, Chart, Points, Rows, draw, intervals, lines, reliability

HOSTILE = "</svg><script>alert(1)</script>"


def _parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@pytest.fixture(scope="module")
def chart() -> Chart:
    points: Points = {"training": [(1, 0.9), (2, 0.5), (3, 0.25)], "validation": [(1, 0.8), (2, None), (3, 0.5)]}
    return lines("Loss", points, x="epoch", y="cross-entropy", rule=3)


def test_a_chart_is_whole_xml_with_a_text_alternative(chart: Chart) -> None:
    root = _parsed(chart.svg)

    assert root.get("role") == "img"
    assert (
        root.get("aria-label")
        == "Loss: cross-entropy over epoch. training from 0.9 to 0.25; validation from 0.8 to 0.5"
    )


def test_a_chart_has_no_colour_of_its_own(chart: Chart) -> None:
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', chart.svg))

    assert {colour for colour in colours if colour.startswith("var(")} <= {
        f"var({name})" for name in VARIABLES.values()
    }
    assert not {colour for colour in colours if colour.startswith(("#", "rgb"))}
    assert {"var(--model)", "var(--second)"} <= colours


def test_a_chart_loads_nothing(chart: Chart) -> None:
    assert "href" not in chart.svg
    assert "url(" not in chart.svg


def test_the_table_beside_a_chart_holds_its_figures_and_leaves_out_what_is_undefined(chart: Chart) -> None:
    assert chart.columns == ("epoch", "training", "validation")
    assert chart.rows == ((1, 0.9, 0.8), (2, 0.5, None), (3, 0.25, 0.5))


def test_series_differ_in_more_than_colour(chart: Chart) -> None:
    dashes = [
        element.get("stroke-dasharray") for element in _parsed(chart.svg).iter() if element.get("stroke-width") == "2"
    ]

    assert len(dashes) == len(set(dashes)) == 2


def test_a_single_epoch_is_drawn() -> None:
    single = lines("Loss", {"training": [(1, 0.9)]}, x="epoch", y="loss")

    assert 'd="M0,' in single.svg or "A" in single.svg


def test_the_same_figures_give_the_same_bytes(chart: Chart) -> None:
    points: Points = {"training": [(1, 0.9), (2, 0.5), (3, 0.25)], "validation": [(1, 0.8), (2, None), (3, 0.5)]}

    assert lines("Loss", points, x="epoch", y="cross-entropy", rule=3).svg == chart.svg


def test_text_of_the_data_is_escaped() -> None:
    drawn = lines(HOSTILE, {HOSTILE: [(1, 1.0), (2, 2.0)]}, x=HOSTILE, y=HOSTILE).svg

    assert "<script" not in drawn
    assert drawn.count("</svg>") == 1
    _parsed(drawn)


def test_intervals_show_model_and_baseline() -> None:
    model, baseline = {"value": 0.9, "low": 0.88, "high": 0.92}, {"value": 0.8, "low": 0.78, "high": 0.82}

    drawn = intervals({"model": model, "baseline": baseline}, "a label")

    assert drawn is not None
    assert "var(--model)" in drawn
    assert "var(--peer)" in drawn


def test_intervals_of_an_undefined_metric_are_not_drawn() -> None:
    assert intervals({"model": {"value": None, "low": None, "high": None}}, "a label") is None


def test_reliability_leaves_out_empty_bins_and_lists_them() -> None:
    bins: Rows = [
        {"low": 0.0, "high": 0.5, "n": 0, "confidence": None, "accuracy": None},
        {"low": 0.5, "high": 1.0, "n": 9, "confidence": 0.8, "accuracy": 0.7},
    ]

    chart = reliability(bins)

    assert chart.rows[0] == (0.0, 0.5, 0, None, None)
    assert _parsed(chart.svg).get("aria-label") == "Reliability diagram: 50% to 100% confident: 70% right, n 9"


def test_a_label_with_quotes_stays_one_attribute() -> None:
    drawn = draw({"data": {"values": [{"a": 1}]}, "mark": "point"}, 'say "no" & <go>')

    assert _parsed(drawn).get("aria-label") == 'say "no" & <go>'
