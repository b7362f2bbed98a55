import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import vl_convert

import lightloop.report
from lightloop.report.calibration import reliability
from lightloop.report.charts import CONFIG, VARIABLES, Chart, Points, Rows, draw, lines, ranking
from lightloop.report.differences import differences
from lightloop.report.scatter import scatter
from lightloop.report.sketches import intervals

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


def _bin(low: float, n: int, accuracy: float | None) -> dict[str, object]:
    found = {"value": accuracy, "low": None, "high": None} if accuracy is None else {}
    known = {"value": accuracy, "low": 0.5, "high": 0.9}
    return {"low": low, "high": low + 0.5, "n": n, "confidence": 0.8 if n else None, "accuracy": found or known}


def test_reliability_leaves_out_empty_bins_and_lists_them() -> None:
    bins: Rows = [_bin(0.0, 0, None), _bin(0.5, 9, 0.7)]

    chart = reliability(bins)

    assert chart.rows[0] == (0.0, 0.5, 0, None, {"value": None, "low": None, "high": None})
    assert _parsed(chart.svg).get("aria-label") == "Reliability diagram: 50% to 100% confident: 70% right, n 9"


def test_reliability_shows_the_curve_before_scaling_beside_it() -> None:
    chart = reliability([_bin(0.5, 9, 0.7)], [_bin(0.5, 9, 0.6)])

    assert [series.title for series in chart.series][:2] == ["released", "before scaling"]
    assert chart.rows[0][-1] == {"value": 0.6, "low": 0.5, "high": 0.9}


def test_the_living_chart_is_the_picture_s_specification(chart: Chart) -> None:
    # What the browser gets, drawn without one, is the same picture.
    spec = json.loads(chart.spec)
    for placeholder, variable in VARIABLES.items():
        spec = json.loads(json.dumps(spec).replace(f'"var({variable})"', f'"{placeholder}"'))
    assert spec["config"] == CONFIG
    assert draw(spec, chart.label) == chart.svg


def test_a_reader_can_point_to_every_place_of_a_chart(chart: Chart) -> None:
    assert json.loads(chart.spec)["usermeta"]["tips"] == [
        [1, "epoch 1\ntraining: 0.9\nvalidation: 0.8"],
        [2, "epoch 2\ntraining: 0.5"],
        [3, "epoch 3\ntraining: 0.25\nvalidation: 0.5"],
    ]


def test_intervals_of_a_line_stand_in_its_table_and_its_tips() -> None:
    chart = lines("A", {"m": [(1, 0.5), (2, 0.6)]}, x="n", y="m", bands={"m": [(1, 0.4, 0.6), (2, None, None)]})

    assert chart.rows[0] == (1, {"value": 0.5, "low": 0.4, "high": 0.6})
    assert json.loads(chart.spec)["usermeta"]["tips"][0] == [1, "n 1\nm: 0.500 [0.400, 0.600]"]


def test_a_specification_can_not_end_its_element() -> None:
    spec = lines(HOSTILE, {HOSTILE: [(1, 1.0), (2, 2.0)]}, x=HOSTILE, y=HOSTILE).spec

    assert "<" not in spec
    assert HOSTILE in json.loads(spec)["usermeta"]["tips"][0][1]


def test_a_ranking_and_differences_can_do_without_bounds() -> None:
    rows: Rows = [{"name": "a", "value": 0.5, "low": None, "high": None}]

    assert ranking(rows, "t", "u").rows == (("a", 0.5, None, None),)
    drawn = differences(
        [*rows, {"name": "b", "value": -0.1, "low": -0.2, "high": -0.05, "margin": 0.02}], "t", "u", "c"
    )
    assert len(drawn.rows) == 2
    assert json.loads(drawn.spec)["usermeta"]["tips"] == [["b", "b: −0.100 [−0.200, −0.050]"]]


def test_points_say_whose_they_are() -> None:
    drawn = scatter("t", [(1.0, 2.0, "r/1")], "l", x="a", y="b", columns=("a", "b"), rows=[(1.0, 2.0)])
    named = scatter("t", [("x", 2.0, "")], "l", x="a", y="b", columns=("a", "b"), rows=[("x", 2.0)], names=True)

    assert "r/1\na: 1\nb: 2" in str(json.loads(drawn.spec)["layer"][-1]["data"]["values"][0]["tip"])
    assert "params" in json.loads(drawn.spec)["layer"][-1]
    assert "params" not in json.loads(named.spec)["layer"][-1], "names can not be zoomed into"
    assert "clip" not in drawn.svg


def test_the_browser_draws_with_the_versions_that_draw_the_pictures() -> None:
    static = Path(lightloop.report.__file__).parent / "static"
    engine, language = ((static / name).read_text() for name in ("vega.min.js", "vega-lite.min.js"))

    assert f't.version="{vl_convert.get_vega_version()}"' in engine
    assert re.search(r'="(\d+\.\d+)\.\d+"', language[:600]).group(1) in vl_convert.get_vegalite_versions()  # type: ignore[union-attr]
    assert "Redistribution" in (static / "vega-LICENSE.txt").read_text()
    assert sum(path.stat().st_size for path in static.glob("*.js")) < 1_100_000


def test_a_label_with_quotes_stays_one_attribute() -> None:
    drawn = draw({"data": {"values": [{"a": 1}]}, "mark": "point"}, 'say "no" & <go>')

    assert _parsed(drawn).get("aria-label") == 'say "no" & <go>'
