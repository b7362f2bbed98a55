from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from report_evidence import Story, tell

from lightloop.config.card import CardConfig
from lightloop.config.compose import compose_config
from lightloop.config.metrics import METRICS
from lightloop.project import Project
from lightloop.report import figures
from lightloop.report.annex import annex
from lightloop.report.card import WRITTEN, card_html, escape_markdown, front_matter, write_card
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


def test_the_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import model_index_to_eval_results

    evidence = _evidence(tmp_path, Story())
    metrics = evidence.metrics["metrics"]

    data = ModelCard(write_card(evidence), ignore_metadata_errors=False).data

    assert data.license == "mit"
    assert (data.library_name, data.pipeline_tag) == ("onnx", "image-classification")
    assert data.model_name == "fashion"
    assert [result.metric_value for result in data.eval_results] == [metrics[name]["value"] for name in metrics]
    assert {(result.dataset_name, result.dataset_split) for result in data.eval_results} == {("fashion", "test")}
    assert model_index_to_eval_results(front_matter(evidence)["model-index"])[0] == "fashion"


def test_a_problem_that_the_hub_has_no_tag_for_gets_none(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, Story())
    data = evidence.config.data.model_copy(update={"modality": "series"})
    content = front_matter(replace(evidence, config=evidence.config.model_copy(update={"data": data})))

    assert "pipeline_tag" not in content
    assert content["model-index"][0]["results"][0]["task"] == {"type": "other"}


def _with_card(evidence: Evidence, card: CardConfig) -> Evidence:
    return replace(evidence, config=evidence.config.model_copy(update={"card": card}))


@pytest.mark.parametrize("card", [CardConfig(), CardConfig(data="loans", intended_use="Loans.", licence="mit")])
def test_what_nobody_wrote_is_listed_as_missing(tmp_path: Path, card: CardConfig) -> None:
    text = write_card(_with_card(_evidence(tmp_path, Story()), card))

    assert f"not documented for use: {', '.join(WRITTEN.values())}." in text
    for topic in WRITTEN.values():
        assert f"- **{topic}**: missing, to be written by a person.\n" in text
    assert "license:" not in text
    assert "Loans." not in text


def test_what_a_person_wrote_stands_in_its_section_and_in_the_annex(tmp_path: Path) -> None:
    texts = {name: f"Words on *{name}*." for name in CardConfig.model_fields if name not in ("data", "languages")}
    text = write_card(_with_card(_evidence(tmp_path, Story()), CardConfig(languages=("en", "de"), **texts)))

    for name, title in WRITTEN.items():
        assert f"- **{title}**: {escape_markdown(texts[name])}\n" in text
    body, annex_text = text.split("## Appendix")
    assert "To be written by a person" not in body
    for name in ("risk_management", "changes", "standards", "declaration", "monitoring", "interaction", "hardware"):
        assert escape_markdown(texts[name]) in annex_text
    assert yaml.safe_load(text.split("---\n")[1])["language"] == ["en", "de"]


def test_the_demos_have_texts_about_themselves(repository: Project) -> None:
    for path in sorted((repository.configs / "experiment").glob("*.yaml")):
        config = compose_config(repository, [f"experiment={path.stem}"])
        assert config.card.data == config.data.name, path.stem
        assert config.card.intended_use


def test_every_key_of_a_card_stands_in_the_empty_one(repository: Project) -> None:
    content = yaml.safe_load((repository.configs / "card/empty.yaml").read_text())

    assert list(content) == list(CardConfig.model_fields)
    assert CardConfig(**content) == CardConfig()


def test_the_sections_are_those_of_a_model_card(tmp_path: Path) -> None:
    text = write_card(_evidence(tmp_path, Story()))
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]

    expected = ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data"]
    expected += ["Quantitative analyses", "Ethical considerations", "Caveats and recommendations"]
    assert [title for title in titles if title in expected] == expected
    assert titles[-1] == "Appendix: technical documentation by Annex IV"


def test_the_annex_has_nine_points_and_says_what_is_missing(tmp_path: Path) -> None:
    evidence = _with_card(_evidence(tmp_path, Story(without=("bundle", "explanation", "audit"))), CardConfig())
    points = annex(evidence)

    assert [point.number for point in points] == list(range(1, 10))
    missing = {item.asks for point in points for item in point.items if item.missing}
    assert {"(a) Intended purpose", "(c) Versions of software", "(e) Means of interpreting the output"} <= missing
    assert "(h) Cybersecurity: inputs made to deceive" in missing
    assert all(item.missing for point in points if point.number in (5, 6, 7, 8) for item in point.items)
    assert "- **(c) Versions of software**: missing.\n" in write_card(evidence)


def test_that_older_records_no_longer_hold_is_told(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, Story())
    said = "Records from before 2026-01-08T00:00+00:00 are left out of training, validation and test"
    assert not [text for point in annex(evidence) for item in point.items for text in item.says if said in text]
    evidence.training["holds_since"] = "2026-01-08T00:00+00:00"
    assert [text for point in annex(evidence) for item in point.items for text in item.says if said in text]


def test_evidence_of_every_kind_is_told_in_short(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, Story())
    bound = {"value": 0.9, "low": 0.88, "high": 0.92}
    wide = {"value": 2.5, "low": 2.25, "high": 2.75}
    sure = {
        "applies": True,
        "conformal": {"applies": True, "levels": [{"level": 0.9, "coverage": bound, "size": wide}]},
        "abstention": {"applies": True, "answered": bound, "accuracy": wide, "accuracy_of_all": bound},
        "disagreement": {"applies": False, "why": "the network has no dropout."},
    }
    gaps = {"demographic_parity_difference": wide}
    column = {"column": "sex", "favourable": "yes", "applies": True, "gaps": gaps, "groups": []}
    fair = {"applies": True, "columns": [column, {**column, "applies": False, "why": "Too few."}]}
    told = write_card(replace(evidence, uncertainty=sure, fairness=fair))

    ece = evidence.calibration["after"]["ece"]
    assert f"- Calibration error of the released probabilities: {escape_markdown(figures.estimate(ece))}" in told
    assert r"- Conformal sets of 90 % hold the truth in 0.900 \[0.880, 0.920\] of the test records, with 2.500" in told
    assert r"with an accuracy of 2.500 \[2.250, 2.750\] instead of 0.900 \[0.880, 0.920\]." in told
    assert "- Does not apply: the network has no dropout.\n" in told
    assert r"- sex, who is given 'yes': demographic parity, difference 2.500 \[2.250, 2.750\]." in told
    assert "- sex, who is given 'yes': not compared. Too few.\n" in told
    assert r"With noise of strength 3 of 5 (0.300, deviation): 0.600 \[0.580, 0.620\]" in told
    assert "1 of 2 declared checks passed." in told
    assert "2 of 3 out-of-range inputs passed." in told
    assert r"- Doubted labels: 0.031 \[0.021, 0.041\] of 1,000 training records" in told
    assert "### Groups\n\n- Missing: no evidence on groups.\n" in told


def test_the_figures_are_those_of_the_evidence(tmp_path: Path) -> None:
    for story in (Story(), Story(error=0.4, seed=1)):
        evidence = _evidence(tmp_path / str(story.error), story)
        text = write_card(evidence)
        for name, title in (("accuracy", "Accuracy"), ("log_loss", "Log loss")):
            cells = [escape_markdown(figures.estimate(evidence.metrics[who][name])) for who in ("metrics", "baseline")]
            row = next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
            assert row.endswith(f"| {cells[0]} | {cells[1]} |")


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
    assert "<h4>Quantitative analyses</h4>" in html
    assert "<h1" not in html
    assert "<h2" not in html


@pytest.mark.parametrize("text", ["a\nb", "  a   b ", "a\tb"])
def test_escaped_text_is_one_line(text: str) -> None:
    assert escape_markdown(text) == "a b"
