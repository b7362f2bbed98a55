import json
import re
from pathlib import Path

import pytest
from standing import tell_other
from wandb_reader import read_runs

from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config, WandbTracking
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.report.card import write_card
from lightloop.report.evidence import read_evidence
from lightloop.report.evidence_log import log_evidence
from lightloop.stages.report import report


@pytest.fixture(scope="module", params=["loans", "spam", "co2"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Project, str]:
    small = ["preprocess.max_length=48"] if request.param == "spam" else []
    config, project = tell_other(tmp_path_factory.mktemp(request.param) / "project", request.param, *small)
    report(config, project)
    return config, project, (project.reports / "index.html").read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    return page[page.index(f'<section id="{name}"') :].partition("</section>")[0]


def test_the_page_shows_single_records_as_their_modality_is_seen(told: tuple[Config, Project, str]) -> None:
    config, project, page = told
    gallery = section(page, "explanations")
    result = read_json(project.explanation_result)
    marks = {"tabular": 'class="weights"', "text": "<mark ", "series": "<svg "}
    assert gallery.count(marks[config.data.modality]) >= len(config.explain.methods)
    assert all(f'data-method="{place}"' in gallery for place in range(len(config.explain.methods)))
    assert "<img" not in gallery
    shown = [record["id"] for record in result["records"] if record["id"] in gallery]
    assert len(shown) >= 8
    assert ("What matters overall" in gallery) is (config.data.modality != "text")


def test_no_column_of_a_table_is_without_a_name(told: tuple[Config, Project, str]) -> None:
    *_, page = told
    assert not re.search(r"<th[^>]*>\s*</th>", page)


def test_mistakes_show_what_the_model_looked_at(told: tuple[Config, Project, str]) -> None:
    config, project, page = told
    mistakes = section(page, "mistakes")
    worst = read_json(project.mistakes)
    assert worst
    assert worst[0]["id"] in mistakes
    assert {"tabular": '<dl class="row">', "text": '<p class="excerpt">', "series": "<svg "}[
        config.data.modality
    ] in mistakes
    assert "no picture" not in mistakes


def test_the_gain_over_the_simpler_model_is_said_plainly(told: tuple[Config, Project, str]) -> None:
    # Model and baseline are the same here.
    config, project, page = told
    evidence = read_evidence(config, project, METRICS)
    assert f"The network is no better than {evidence.simpler}" in section(page, "verdict")
    assert "The network is no better than" in write_card(evidence)
    assert evidence.simpler in section(page, "evaluation")


def test_parts_of_the_records_have_their_own_figures(told: tuple[Config, Project, str]) -> None:
    config, _, page = told
    evaluation = section(page, "evaluation")
    columns = config.data.with_role("sensitive", "slice")
    found = re.findall(r'<th scope="row">([^<]+) <span class="quiet">(?:sensitive|slice)</span></th>', evaluation)
    if config.data.modality == "tabular":
        assert found
    assert set(found) <= set(columns)
    assert bool(found) == ("Parts of the test records" in evaluation)


def test_the_card_says_how_to_ask_the_bundle(told: tuple[Config, Project, str]) -> None:
    config, project, _ = told
    card = write_card(read_evidence(config, project, METRICS))
    answer = "prediction" if config.data.problem == "forecasting" else "probabilities"
    assert f'predictor.answers(records)["{answer}"]' in card
    assert "image.png" not in card


def test_wandb_gets_a_table_with_what_the_model_saw(
    told: tuple[Config, Project, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, project, _ = told
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracking = WandbTracking(name="wandb", project="lightloop")
    log_evidence(config.model_copy(update={"tracking": tracking}), project)
    runs = read_runs(project.root)
    assert [run.exit_code for run in runs] == [0, 0], "export and evidence"
    [run] = [run for run in runs if any(artifact["name"].endswith("-predictions") for artifact in run.artifacts)]
    [files] = [artifact["files"] for artifact in run.artifacts if artifact["name"].endswith("-predictions")]
    content = json.loads(files["predictions.table.json"].read_text())
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert rows[0]["id"] in {mistake["id"] for mistake in read_json(project.mistakes)}
    seen = config.data.features if config.data.modality == "tabular" else [config.data.modality]
    assert set(seen) <= set(rows[0])
    assert any(row[seen[0]] for row in rows)
    assert ("confusion_table" in run.history[0]) == (config.data.problem == "classification")
    pictures = [name for name in run.history[0] if name.startswith(("explanations/", "samples/"))]
    assert pictures == ["explanations/checks"], "a table; nothing here is drawn"


def test_the_same_evidence_gives_the_same_page(told: tuple[Config, Project, str], tmp_path: Path) -> None:
    config, project, page = told
    report(config, project)
    assert (project.reports / "index.html").read_text(encoding="utf-8") == page
    assert str(project.root) not in page
