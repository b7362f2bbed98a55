"""The REST interface against a real server on loopback: what is repeated, what is waited for, what people are told."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ci_server import Server

from lightloop.ci import api as module
from lightloop.ci.api import Api, ApiError
from lightloop.errors import LightloopError, UsageError

SECRET = "ghs_a_token_that_nobody_may_see"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv("GITHUB_API_URL", made.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/model")
    monkeypatch.setenv("GH_TOKEN", SECRET)
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    found: list[float] = []
    monkeypatch.setattr(module.time, "sleep", found.append)
    return found


def asked(do: Callable[[Api], Any]) -> Any:
    with Api.of_environment() as api:
        return do(api)


def test_a_question_that_meets_a_fault_is_asked_again(server: Server, waits: list[float]) -> None:
    server.answers = [(502, {}, {}), (200, {}, [{"number": 1}])]
    assert asked(lambda api: api.get("/pulls", state="open")) == [{"number": 1}]
    assert [path for _, path, _ in server.asked] == ["/api/v3/repos/acme/model/pulls?state=open"] * 2
    assert server.asked[0][2] == f"Bearer {SECRET}"
    assert len(waits) == 1


def test_a_change_that_meets_a_fault_is_not_made_twice(server: Server, waits: list[float]) -> None:
    server.answers = [(502, {}, {"message": "bad gateway"})]
    with pytest.raises(ApiError, match=r"POST /repos/acme/model/issues was answered with 502 \(bad gateway\)"):
        asked(lambda api: api.send("POST", "/issues", {}, needs="issues: write"))
    assert len(server.asked) == 1
    assert waits == []


@pytest.mark.parametrize("status", [403, 429])
def test_limits_are_waited_for(server: Server, waits: list[float], status: int) -> None:
    server.answers = [(status, {"Retry-After": "7"}, {"message": "slow down"}), (201, {}, {"number": 2})]
    assert asked(lambda api: api.send("POST", "/issues", {}, needs="issues: write")) == {"number": 2}
    assert waits == [7.0]


def test_a_limit_that_lasts_is_said(server: Server, waits: list[float]) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
    server.answers = [(403, reset, {"message": "API rate limit exceeded"})]
    with pytest.raises(ApiError, match="GitHub's limit of requests is reached"):
        asked(lambda api: api.get("/pulls"))
    assert waits == []


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (403, {"message": "Resource not accessible by integration"}, r"the job needs `permissions: issues: write`"),
        (404, {"message": "Not Found"}, r"refused with 404 .*the job needs `permissions: issues: write`"),
        (
            403,
            {"message": "GitHub Actions is not permitted to create or approve pull requests."},
            r"switch it on with `gh api -X PUT repos/acme/model/actions/permissions/workflow -F can_approve",
        ),
        (401, {"message": "Bad credentials"}, r"GitHub does not know the token \(Bad credentials\)"),
        (
            422,
            {"message": "Validation Failed", "errors": [{"message": "No commits between main and x"}]},
            r"422 \(Validation Failed; No commits between main and x\)",
        ),
    ],
)
def test_refusals_say_what_to_do_and_never_the_token(
    server: Server, status: int, content: dict[str, Any], sentence: str
) -> None:
    server.answers = [(status, {}, content)]
    with pytest.raises(ApiError, match=sentence) as caught:
        asked(lambda api: api.send("POST", "/issues", {}, needs="issues: write"))
    assert SECRET not in str(caught.value)
    assert caught.value.status == status


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, server: Server, waits: list[float]) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(LightloopError, match=r"GitHub can't be reached at http://127.0.0.1"):
        asked(lambda api: api.send("POST", "/issues", {}, needs="issues: write"))
    assert len(waits) == module.TRIES - 1


def test_files_for_a_server_that_is_not_there(server: Server) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(LightloopError, match=r"GitHub can't be reached at http://127.0.0.1"):
        asked(lambda api: api.upload(f"{server.url}/assets{{?name}}", "bundle.tar.gz", b"", "application/gzip"))
    with pytest.raises(LightloopError, match=r"GitHub can't be reached at http://127.0.0.1"):
        asked(lambda api: api.download("/actions/artifacts/1/zip"))


def test_what_must_be_known_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="GITHUB_REPOSITORY is not set"):
        Api.of_environment()
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/model")
    with pytest.raises(UsageError, match="GH_TOKEN is not set"):
        Api.of_environment()
