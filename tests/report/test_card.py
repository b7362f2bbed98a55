from pathlib import Path

import pytest
import yaml
from report_evidence import Story, tell

from lightloop.config.metrics import METRICS
from lightloop.report.card import card_html, escape_markdown, front_matter, write_card
from lightloop.report.evidence import Evidence, read_evidence

HOSTILE = ("<script>alert(1)</script>", "a|b", "*bold* _it_ `code`", "[link](javascript:alert(1))", "# head")


def _evidence(root: Path, story: Story) -> Evidence:
    config, project = tell(root, story)
    return read_evidence(config, project, METRICS)


def test_the_front_matter_is_yaml_with_the_figures_of_the_evidence(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, Story())

    _, front, body = write_card(evidence).split("---\n", 2)
    content = yaml.safe_load(front)

    assert content == front_matter(evidence)
    assert content["pipeline_tag"] == "image-classification"
    result = content["model-index"][0]["results"][0]
    assert result["metrics"][0] == {
        "type": "accuracy",
        "value": evidence.metrics["metrics"]["accuracy"]["value"],
        "name": "Accuracy",
    }
    assert result["dataset"]["revision"] == "91cd90116014a3fbb14dd8ff0b53722f.dir"
    assert body.startswith("\n# fashion\n")


def test_an_undefined_metric_is_not_in_the_front_matter(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, Story())
    evidence.metrics["metrics"]["auroc"] = {"value": None, "low": None, "high": None}

    content = front_matter(evidence)

    assert "roc_auc" not in content["metrics"]
    assert "| AUROC | higher | – |" in write_card(evidence)


def test_what_only_a_person_knows_is_listed_as_missing(tmp_path: Path) -> None:
    card = write_card(_evidence(tmp_path, Story()))

    for topic in ("Intended use", "Out of scope", "Licence", "Origin of the data", "Risks", "Contact"):
        assert f"**{topic}**" in card
    assert "license:" not in card


def test_a_refused_model_says_so_and_why(tmp_path: Path) -> None:
    card = write_card(_evidence(tmp_path, Story(accepted=False, trusted=("grad_cam",))))

    assert "The gate **refused** this model: 1 of 5 checks failed." in card
    assert "Refused by the gate: bounds.accuracy does not hold &amp; that &lt; is said" in card
    assert "| GradientSHAP | no | Its attributions hardly change" in card


def test_missing_evidence_is_said_to_be_missing(tmp_path: Path) -> None:
    card = write_card(_evidence(tmp_path, Story(without=("explanation", "bundle", "parity"))))

    assert "No evidence on explanations." in card
    assert "Data version: missing." in card


def test_a_model_without_mistakes_asks_for_a_larger_test(tmp_path: Path) -> None:
    assert "No record of the test split was answered wrongly" in write_card(_evidence(tmp_path, Story(error=0.0)))


def test_class_names_stay_text_in_markdown_and_html(tmp_path: Path) -> None:
    html = card_html(write_card(_evidence(tmp_path, Story(classes=HOSTILE))))

    assert "<script" not in html
    assert "<a " not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<td>a|b</td>" in html
    assert "*bold* _it_ `code`" in html


def test_headings_of_the_card_stand_below_those_of_the_page(tmp_path: Path) -> None:
    html = card_html(write_card(_evidence(tmp_path, Story())))

    assert html.startswith("<h3>fashion</h3>")
    assert "<h4>Evaluation</h4>" in html
    assert "<h1" not in html
    assert "<h2" not in html


@pytest.mark.parametrize("text", ["a\nb", "  a   b ", "a\tb"])
def test_escaped_text_is_one_line(text: str) -> None:
    assert escape_markdown(text) == "a b"
