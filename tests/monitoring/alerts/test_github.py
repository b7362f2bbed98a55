"""One issue a model, kept up to date, closed when all is well."""

from pathlib import Path

import pytest
from alerting import Heard, found

from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.monitoring.alerts import send
from lightloop.monitoring.alerts.github import GitHubIssue
from lightloop.monitoring.alerts.message import message_of, page_link
from lightloop.project import Project


def issue(heard: Heard, *, close: bool = True, model: str = "loans") -> GitHubIssue:
    return GitHubIssue("t0ken", "acme/loans", heard.address, model=model, label="monitoring", close=close, seconds=5.0)


def tell(heard: Heard, monitoring, **options) -> str | None:
    return issue(heard, **options).tell(message_of(monitoring, "https://pages.example/monitoring.html"))


def test_the_life_of_an_issue(heard: Heard):
    assert tell(heard, found("issue", "obrat")) == "sent"
    [made] = heard.issues
    assert made["title"] == "loans v0.2.0: feature drift (obrat); somebody should look"
    assert made["labels"] == [{"name": "monitoring"}]
    assert "- obrat differs from training" in made["body"]
    assert "[Monitoring page](https://pages.example/monitoring.html)" in made["body"]
    assert made["body"].count("<!-- lightloop-monitoring: loans ") == 1

    # The same a week later: new figures in the issue, nobody is called.
    assert tell(heard, found("issue", "obrat", records=700)) is None
    assert "700 predictions" in made["body"]
    assert made["comments_made"] == []

    assert tell(heard, found("retrain", "obrat", "hrat")) == "updated"
    assert made["comments_made"][0].startswith("Something else is found now: loans v0.2.0: feature drift (obrat, hrat)")
    assert made["title"].endswith("the model is to be trained again")

    assert tell(heard, found("nothing")) == "well"
    assert (made["state"], made["state_reason"]) == ("closed", "completed")
    assert made["comments_made"][1].startswith("Well again.")
    assert tell(heard, found("nothing")) is None

    assert tell(heard, found("issue", "obrat")) == "sent", "what comes again after it was closed is new"
    assert [one["number"] for one in heard.open_issues()] == [2]
    assert heard.tokens == {"Bearer t0ken"}


def test_an_issue_that_stays_open_says_once_that_all_is_well(heard: Heard):
    tell(heard, found("issue", "obrat"))
    assert [tell(heard, found("nothing"), close=False) for _ in range(2)] == ["well", None]
    [made] = heard.open_issues()
    assert len(made["comments_made"]) == 1
    assert tell(heard, found("issue", "obrat"), close=False) == "updated", "it came again"


def test_issues_of_people_of_other_models_and_pull_requests_are_left_alone(heard: Heard):
    marker = "<!-- lightloop-monitoring: loans 0123abcd -->"
    heard.add_issue(title="What is this?", body=None, labels=["monitoring"])
    heard.add_issue(title="other", body=marker.replace("loans", "spam"), labels=["monitoring"])
    heard.add_issue(title="pull", body=marker, labels=["monitoring"], pull_request={})
    heard.add_issue(title="unlabelled", body=marker, labels=[])
    before = [dict(one) for one in heard.issues]
    assert tell(heard, found("issue", "obrat")) == "sent"
    assert heard.issues[:4] == before
    assert tell(heard, found("nothing"), model="spam") == "well"
    assert [one["number"] for one in heard.open_issues()] == [1, 3, 4, 5]


def test_it_is_found_among_many_and_of_several_the_oldest_counts(heard: Heard):
    tell(heard, found("issue", "obrat"))
    for number in range(205):
        heard.add_issue(title=f"issue {number}", body="", labels=["monitoring"])
    heard.add_issue(title="again", body=heard.issues[0]["body"], labels=["monitoring"])
    assert tell(heard, found("retrain", "obrat")) == "updated"
    assert len(heard.issues[0]["comments_made"]) == 1
    assert len(heard.issues) == 207


def test_nothing_of_the_data_is_markup_or_calls_on_anybody(heard: Heard):
    tell(heard, found("issue", "<!-- x --> @acme/all #12 [a](http://b) `c`"))
    body = heard.issues[0]["body"]
    assert "&lt;!-- x --&gt;" in body
    assert "@acme" not in body
    assert "#12" not in body
    assert "\\[a\\](http://b) \\`c\\`" in body


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_token_without_the_right_says_which_is_missing(heard: Heard, project: Project, config: Config, code: int):
    heard.answers = [code]
    given = {"GITHUB_TOKEN": "t0ken", "GITHUB_REPOSITORY": "acme/loans", "GITHUB_API_URL": heard.address}
    said: list[str] = []
    with pytest.raises(LightloopError, match="by github"):
        send(project, config, found("issue", "a"), environ=given, say=said.append)
    assert f"says {code}" in said[0]
    assert "`permissions: issues: write`" in said[0]
    assert "t0ken" not in "\n".join(said)


def test_the_issue_remembers_by_itself_while_other_channels_fail(project: Project, config: Config, heard: Heard):
    given = {"GITHUB_TOKEN": "t0ken", "GITHUB_REPOSITORY": "acme/loans", "GITHUB_API_URL": heard.address}
    dead = {"LIGHTLOOP_ALERT_WEBHOOK": "http://127.0.0.1:9/x"}
    with pytest.raises(LightloopError, match=r"no alert could be sent by webhook, .*; the other channels were told"):
        send(project, config, found("issue", "obrat"), environ=given | dead, say=lambda _: None)
    assert len(heard.issues) == 1
    told = send(project, config, found("issue", "obrat"), environ=given, say=lambda _: None)
    assert {one.channel: one.done for one in told}["github"] == "same"


def test_a_run_on_github_has_the_page(monkeypatch: pytest.MonkeyPatch):
    page = Path("reports/monitoring.html")
    for name, value in {"REPOSITORY": "acme/loans", "RUN_ID": "77", "SERVER_URL": "https://forge.example"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    assert page_link(None, page) == "https://forge.example/acme/loans/actions/runs/77"
    assert page_link("https://pages.example", page) == "https://pages.example"
    monkeypatch.delenv("GITHUB_RUN_ID")
    assert page_link(None, page) == "reports/monitoring.html"
