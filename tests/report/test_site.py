import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from PIL import Image
from report_evidence import METHODS, Story, tell

from lightloop.config.metrics import METRICS
from lightloop.errors import LightloopError
from lightloop.report.evidence import read_evidence
from lightloop.report.site import environment, expected_words
from lightloop.stages.report import report

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "plain & simple")


class Page(HTMLParser):
    """What a reader of the page meets: its text, headings, links, pictures, anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.headings: list[int] = []
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        content = dict(attrs)
        self.tags.append(tag)
        self.attributes |= content.keys()
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("a", "link", "script"):
            self.links.append(content.get("href") or content.get("src") or "")
        if tag == "img":
            self.pictures.append(content)
        if content.get("id"):
            self.ids.append(content["id"] or "")

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def _site(root: Path, story: Story | None = None) -> tuple[Path, Page]:
    config, project = tell(root, story)
    report(config, project)
    return project.reports, Page(project.reports / "index.html")


STORIES = {
    "accepted": Story(),
    "champion": Story(champion=True),
    "refused": Story(accepted=False, violations=3, trusted=()),
    "two classes": Story(classes=("no", "yes"), per_class=40),
    "hundred classes": Story(classes=tuple(f"class {number}" for number in range(100)), per_class=3),
    "no mistakes": Story(error=0.0),
    "colour": Story(channels=3, size=12),
    "one epoch": Story(epochs=1),
    "little evidence": Story(without=("explanation", "parity", "bundle", "docs", "profile")),
    "hostile": Story(classes=HOSTILE),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_kind_of_run_makes_a_whole_page(tmp_path: Path, story: Story) -> None:
    folder, page = _site(tmp_path, story)

    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(deeper - above <= 1 for above, deeper in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        target, _, anchor = link.partition("#")
        assert not target or (folder / target).is_file(), link
        assert not anchor or anchor in page.ids, link
    for picture in page.pictures:
        assert picture["alt"]
        with Image.open(folder / (picture["src"] or "")) as image:
            image.load()


@pytest.mark.parametrize("story", [Story(), Story(classes=HOSTILE)], ids=["accepted", "hostile"])
def test_the_page_asks_nothing_of_the_network(tmp_path: Path, story: Story) -> None:
    folder, _ = _site(tmp_path, story)

    for file in [*folder.glob("*.html"), *(folder / "assets").glob("*.*")]:
        content = file.read_text(encoding="utf-8").replace('"http://www.w3.org/', '"')
        assert not re.search(r"(?:src|href|url|import)\s*[=(:]\s*[\"']?(?:https?:)?//", content), file


def test_names_of_the_data_stay_text(tmp_path: Path) -> None:
    _, page = _site(tmp_path, Story(classes=HOSTILE))

    scripts = re.findall(r"<script[^>]*>", page.html)
    assert len(scripts) == page.tags.count("script")
    assert {script for script in scripts if "src=" not in script} == {'<script type="application/json">'}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "49" not in re.findall(r"<th scope=\"row\">([^<]*)</th>", page.html)
    for name in HOSTILE:
        assert name in page.text


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    first, _ = _site(tmp_path / "a")
    second, _ = _site(tmp_path / "b")

    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    # The page over runs says when each run was.
    same = [name for name in files if name.name != "runs.html"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in same)


def test_the_page_names_no_path_of_the_machine(tmp_path: Path) -> None:
    _, page = _site(tmp_path)

    assert str(tmp_path) not in page.html


def test_the_verdict_shows_every_check_with_figures_threshold_and_source(tmp_path: Path) -> None:
    _, page = _site(tmp_path, Story(accepted=False))

    assert "Refused" in page.text
    assert "1 of 5 gate checks failed." in page.text
    assert "value 0.820 [0.810, 0.830] threshold 0.86 from config gate.bounds.accuracy" in page.text
    assert "difference 0.065 at least 0.05 at most 0.08" in page.text
    assert page.text.index("bounds.accuracy does not hold") < page.text.index("parity holds")


def test_an_accepted_model_without_champion_says_what_it_was_measured_against(tmp_path: Path) -> None:
    _, page = _site(tmp_path / "a")
    _, against = _site(tmp_path / "b", Story(champion=True))

    assert "No release stands in production yet" in page.text
    assert "release v0.1.0, the champion in production" in against.text


def test_violations_come_with_examples(tmp_path: Path) -> None:
    _, page = _site(tmp_path, Story(violations=2))

    assert "2 of 8 expectations failed" in page.text
    assert "train/17 ankle-boot: 31.5" in page.text


def test_missing_evidence_is_shown_as_missing(tmp_path: Path) -> None:
    _, page = _site(tmp_path, Story(without=("explanation", "parity", "bundle", "docs", "profile")))

    assert "The explanation of the model is missing" in page.text
    assert "The profile of the data is missing" in page.text
    assert "The folder of Data Docs is missing" in page.text
    assert "its version is missing from the evidence" in page.text


def test_an_undefined_metric_is_not_shown_as_zero(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    metrics = json.loads(project.metrics.read_text())
    metrics["metrics"]["auroc"] = {"value": None, "low": None, "high": None}
    project.metrics.write_text(json.dumps(metrics))

    report(config, project)

    html = (project.reports / "index.html").read_text()
    card = html[html.index("AUROC") :][:600]
    assert "not defined" in card
    assert "0.000" not in card


def test_a_control_that_passes_is_said_to_be_unexpected(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    result = json.loads(project.explanation_result.read_text())
    result["control"]["guided_backpropagation"]["fails_as_expected"] = False
    project.explanation_result.write_text(json.dumps(result))

    report(config, project)

    assert "It passed here, so the check could not tell" in Page(project.reports / "index.html").text


def test_untrusted_methods_come_with_their_reasons(tmp_path: Path) -> None:
    _, page = _site(tmp_path, Story(trusted=()))

    assert "0 of 3 methods passed the checks" in page.text
    assert page.text.count("Its attributions hardly change when the network's weights are random.") >= len(METHODS)


def test_a_test_record_that_is_gone_has_no_picture(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    mistakes = json.loads(project.mistakes.read_text())
    project.mistakes.write_text(json.dumps([{**mistakes[0], "id": "test/999999"}]))

    report(config, project)

    assert "no picture" in Page(project.reports / "index.html").text


def test_evidence_that_is_not_there_names_what_makes_it(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    project.predictions.unlink()

    with pytest.raises(LightloopError, match=r"predictions.parquet is missing: run `lightloop run`"):
        read_evidence(config, project, METRICS)


def test_damaged_predictions_are_one_sentence(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    project.predictions.write_bytes(project.predictions.read_bytes()[:200])

    with pytest.raises(LightloopError, match="is not a whole table of predictions"):
        read_evidence(config, project, METRICS)


def test_a_template_that_asks_for_what_is_not_there_fails() -> None:
    with pytest.raises(UndefinedError, match="nothing"):
        environment().from_string("{{ nothing }}").render()


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({}, "–"),
        ({"min_value": 0.5, "max_value": None}, "at least 0.5"),
        ({"max_value": 1}, "at most 1"),
        ({"min_value": 1, "max_value": 3}, "1 to 3"),
        ({"value_set": [False]}, "no"),
        ({"column_set": ["a", "b"], "exact_match": True}, "a, b, exact match yes"),
    ],
)
def test_expectations_are_said_in_words(kwargs: dict[str, object], said: str) -> None:
    assert expected_words(kwargs) == said
