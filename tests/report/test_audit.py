"""The section of the audit: what stands in it, and what does not."""

import json
import re

import pytest
from report_audit import NAMES, audit_contents, staleness
from report_evidence import Story, tell

from lightloop.config.audit import PARTS
from lightloop.report.audit import audit
from lightloop.report.evidence import read_evidence
from lightloop.report.site import environment
from lightloop.stages.report import report


@pytest.fixture
def told(tmp_path):
    def make(**changes):
        story = Story(classes=("kept", "refused & sent <back>"), per_class=30)
        config, project = tell(tmp_path / "project", story)
        contents = audit_contents(story.classes, 60) | changes
        project.audit.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            if content is not None:
                (project.audit / f"{name}.json").write_text(json.dumps(content))
        return config, project

    return make


def page_of(config, project):
    report(config, project)
    return (project.reports / "index.html").read_text(encoding="utf-8")


def section(page):
    return re.search(r'<section id="audit".*?</section>', page, flags=re.DOTALL).group()


def test_the_made_up_files_are_those_of_the_stage():
    assert NAMES == PARTS


def test_every_part_is_shown_and_what_does_not_apply_says_why(told):
    html = section(page_of(*told()))
    for title in ("Robustness", "Doubtful labels", "Copies across splits", "Easy and hard records", "More data"):
        assert f"<h3>{title}</h3>" in html
    assert "<h3>Age</h3>" not in html
    assert "Age: the records have no order in time &amp; say so." in html
    assert "0.900 " in html
    assert "<b>that</b>" not in html
    assert "a claim &lt;b&gt;that&lt;/b&gt; holds" in html
    # Failed checks come first.
    assert html.index("one that does not") < html.index("a claim &lt;b&gt;")
    assert "1 check fails" in html
    assert "1 kind without a finite answer" in html
    assert "refused: an image does not decode" in html
    assert "31 labels are doubted, a share of 3.1 % [2.1 %, 4.1 %]" in html
    assert "Of 20 doubted labels, 12 lie among the hardest 5 %." in html
    assert "accuracy would go from 0.910 to 0.922 [0.902, 0.942], better by 0.012 [0.008, 0.016]" in html.replace(
        "Accuracy", "accuracy"
    )
    assert "Read it with care" in html
    assert html.count("Without them, reweighed") == 1
    assert "<td><code>train/9</code></td>" in html


def test_age_is_shown_where_it_applies(told):
    html = section(page_of(*told(staleness=staleness())))
    assert "<h3>Age</h3>" in html
    assert "1981-09-05" in html
    assert "What does not apply" not in html


def test_without_an_audit_the_page_says_so(told):
    nothing = {"applies": False, "why": "audit=none: nothing was audited"}
    html = section(page_of(*told(**dict.fromkeys(PARTS, nothing))))
    assert "Nothing was audited: audit=none: nothing was audited." in html


def test_an_older_run_has_no_audit(told):
    config, project = told(**dict.fromkeys(PARTS))
    for path in project.audit.glob("*.json"):
        path.unlink()
    assert "The audit of the model is missing" in section(page_of(config, project))


def test_a_law_that_is_none_promises_nothing(told):
    config, project = told()
    evidence = read_evidence(config, project, {})
    content = dict(evidence.audit["learning"])
    evidence.audit["learning"] = content | {"law": None, "doubling": None, "check": None}
    assert audit(evidence)["learning"]["said"] == [
        "The curve does not rise with the records, so that nothing can be said of more of them."
    ]
    unsure = content["doubling"] | {"gain": {"value": 0.01, "low": -0.01, "high": 0.03}}
    evidence.audit["learning"] = content | {"doubling": unsure, "check": None}
    assert audit(evidence)["learning"]["said"][1].startswith("The interval holds 0")


def test_the_templates_know_every_variant_and_gap():
    source = environment().loader.get_source(environment(), "audit.html.j2")[0]
    assert source.count("{% if part %}") == len(PARTS)
