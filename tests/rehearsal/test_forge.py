"""The forge over HTTP: git and REST, with the rights that tokens have. No workflow runs here."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rehearsal.content import LONGEST_BODY
from rehearsal.forge import BOT, Forge
from rehearsal.repository import ENVIRONMENT, ZERO
from rehearsal.runner import Runner, Token
from rehearsal.workflows import Rights

PERSON = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
RELEASED = "model@v0.1.0"


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    """With a commit on main and one more on the branch `other`."""
    with Forge(tmp_path / "forge", Runner(tmp_path / "runner")) as made:
        work = tmp_path / "work"
        work.mkdir()
        git(work, "init", "-q", "-b", "main")
        git(work, "remote", "add", "origin", made.address_for("of-alice"))
        for name, branch in (("a", "main"), ("b", "other")):
            (work / name).write_text(name)
            git(work, "checkout", "-q", "-B", branch)
            git(work, "add", "-A")
            git(work, "commit", "-qm", name)
        git(work, "push", "-q", "origin", "main", "other")
        yield made
        assert made.faults == []


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=ENVIRONMENT | PERSON, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def bot(forge: Forge, **rights: str) -> str:
    """A token of a run."""
    given: Rights = {name.replace("_", "-"): level for name, level in rights.items()}
    forge.tokens["ghs_1"] = Token(BOT, bot=True, rights=given, run=7, job="propose")
    return "ghs_1"


def call(forge: Forge, method: str, path: str, token: str = "of-alice", **content: Any) -> httpx.Response:
    url = f"{forge.api}/repos/{forge.slug}{path}"
    return httpx.request(method, url, json=content or None, headers={"Authorization": f"Bearer {token}"})


OPEN = {"title": "t", "head": "other", "base": "main", "body": "b"}


def test_git_takes_no_strangers(forge: Forge, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="could not read Username"):
        git(tmp_path, "clone", "-q", forge.page, "clone")
    with pytest.raises(RuntimeError, match="403"):
        git(tmp_path, "clone", "-q", forge.address_for(bot(forge, issues="write")), "clone")
    git(tmp_path, "clone", "-q", forge.address_for(bot(forge, contents="read")), "clone")
    with pytest.raises(RuntimeError, match="Write access to repository not granted"):
        git(tmp_path / "clone", "push", "-q", "origin", "HEAD:refs/heads/x")


def test_what_a_token_of_a_run_pushes_starts_nothing(forge: Forge, tmp_path: Path) -> None:
    git(tmp_path / "work", "push", "-q", forge.address_for(bot(forge, contents="write")), "HEAD:refs/heads/x")
    assert forge.suppressed == [("push of refs/heads/x", "by the workflow token of run 7")]


@pytest.mark.parametrize(("count", "told"), [(3, 3), (4, 0)])
def test_more_than_three_tags_at_once_start_nothing(forge: Forge, tmp_path: Path, count: int, told: int) -> None:
    heard: list[str] = []
    forge.emit = lambda event: heard.append(event.ref)  # type: ignore[method-assign]
    names = [f"t{number}" for number in range(count)]
    for name in names:
        git(tmp_path / "work", "tag", "-m", name, name)
    git(tmp_path / "work", "push", "-q", "origin", *names)
    assert (len(heard), len(forge.suppressed)) == (told, count - told)


def test_a_push_tells_what_changed(forge: Forge, tmp_path: Path) -> None:
    heard: list[Any] = []
    forge.emit = heard.append  # type: ignore[method-assign]
    git(tmp_path / "work", "push", "-q", "origin", "other:main")
    assert [(event.ref, event.files, event.actor) for event in heard] == [("refs/heads/main", ("b",), "alice")]
    assert heard[0].payload["before"] != ZERO


def test_a_pull_request_from_opening_to_merging(forge: Forge) -> None:
    opened = call(forge, "POST", "/pulls", **OPEN, draft=True)
    assert (opened.status_code, opened.json()["draft"], opened.json()["number"]) == (201, True, 1)
    again = call(forge, "POST", "/pulls", **OPEN)
    assert (again.status_code, "already exists" in again.text) == (422, True)
    listed = call(forge, "GET", "/pulls?head=acme:other&state=open").json()
    assert [one["number"] for one in listed] == [1]
    assert call(forge, "GET", "/pulls?head=acme:main").json() == []
    assert call(forge, "PUT", "/pulls/1/merge").json()["message"] == "Pull Request is still a draft"
    # REST can't make it ready: a person does.
    assert call(forge, "PATCH", "/pulls/1", draft=False, title="new").json()["draft"] is True
    forge.pull(1).draft = False
    merged = call(forge, "PUT", "/pulls/1/merge").json()["sha"]
    assert forge.repository.commit("main") == merged
    assert forge.repository.changed("main~1", "main") == ("b",)
    assert call(forge, "PUT", "/pulls/1/merge").status_code == 405


def test_a_branch_without_news_is_no_pull_request(forge: Forge) -> None:
    refused = call(forge, "POST", "/pulls", **OPEN | {"head": "main"})
    assert (refused.status_code, "No commits between" in refused.text) == (422, True)
    assert call(forge, "POST", "/pulls", **OPEN | {"head": "none"}).status_code == 422


def test_texts_have_a_longest_length(forge: Forge) -> None:
    assert call(forge, "POST", "/issues", title="t", body="x" * LONGEST_BODY).status_code == 201
    refused = call(forge, "POST", "/issues/1/comments", body="x" * (LONGEST_BODY + 1))
    assert (refused.status_code, "maximum is 65536" in refused.text) == (422, True)


@pytest.mark.parametrize(
    ("method", "path", "content", "right"),
    [
        ("POST", "/pulls", OPEN, "pull-requests"),
        ("POST", "/issues", {"title": "t"}, "issues"),
        ("POST", "/actions/workflows/x.yml/dispatches", {"ref": "main"}, "actions"),
        ("POST", "/dispatches", {"event_type": "x"}, "contents"),
        ("POST", "/releases", {"tag_name": "x"}, "contents"),
        ("PUT", "/pulls/1/merge", {}, "contents"),
    ],
)
def test_a_job_may_do_what_its_rights_say(
    forge: Forge, method: str, path: str, content: dict[str, str], right: str
) -> None:
    refused = call(forge, method, path, bot(forge, **{right: "read"}), **content)
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
    assert refused.headers["X-Accepted-GitHub-Permissions"] == f"{right.replace('-', '_')}=write"
    assert call(forge, method, path, bot(forge, **{right: "write"}), **content).status_code != 403
    assert call(forge, method, path, "unknown", **content).status_code == 401


def test_the_right_to_comment_depends_on_what_it_is(forge: Forge) -> None:
    call(forge, "POST", "/pulls", **OPEN)
    call(forge, "POST", "/issues", title="t")
    pulls, issues = {"pull_requests": "write"}, {"issues": "write"}
    for number, rights, status in ((1, pulls, 201), (1, issues, 403), (2, issues, 201), (2, pulls, 403)):
        answer = call(forge, "POST", f"/issues/{number}/comments", bot(forge, **rights), body="x")
        assert answer.status_code == status, (number, rights)


def test_workflows_open_pull_requests_only_where_the_settings_say_so(forge: Forge) -> None:
    forge.settings.actions_may_open_pulls = False
    refused = call(forge, "POST", "/pulls", bot(forge, pull_requests="write"), **OPEN)
    assert (refused.status_code, "not permitted to create" in refused.text) == (403, True)


def test_issues_are_found_by_label_and_state(forge: Forge) -> None:
    call(forge, "POST", "/issues", title="one", labels=["monitoring"])
    call(forge, "POST", "/issues", title="two")
    found = call(forge, "GET", "/issues?labels=monitoring&state=open").json()
    assert [one["title"] for one in found] == ["one"]
    call(forge, "PATCH", "/issues/1", state="closed")
    assert call(forge, "GET", "/issues?labels=monitoring").json() == []
    assert forge.issues[1].history == ["opened", "closed"]
    assert call(forge, "GET", "/labels/monitoring").status_code == 200
    assert call(forge, "GET", "/labels/other").status_code == 404


def test_a_release_and_its_files(forge: Forge) -> None:
    made = call(forge, "POST", "/releases", tag_name=RELEASED, body="text").json()
    upload = made["upload_url"].partition("{")[0]
    headers = {"Authorization": "Bearer of-alice", "Content-Type": "application/zip"}
    assert httpx.post(upload, params={"name": "a b.zip"}, content=b"123", headers=headers).json()["name"] == "a.b.zip"
    assert httpx.post(upload, params={"name": "a b.zip"}, content=b"123", headers=headers).status_code == 422
    (asset,) = call(forge, "GET", f"/releases/tags/{RELEASED.replace('@', '%40')}").json()["assets"]
    raw = httpx.get(asset["url"], headers=headers | {"Accept": "application/octet-stream"})
    assert raw.content == b"123"
    assert call(forge, "POST", "/releases", tag_name=RELEASED).status_code == 422
    # GitHub makes the tag where it lacks; the registry does not see that kind.
    assert forge.repository.git("cat-file", "-t", RELEASED) == "commit"


def test_a_call_that_nobody_wrote_down_is_a_fault(forge: Forge) -> None:
    assert call(forge, "GET", "/milestones").status_code == 404
    assert forge.faults == ["the forge has no GET /milestones"]
    forge.faults.clear()
