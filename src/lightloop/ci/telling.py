"""`lightloop ci tell`: one issue about the nightly workflow: opened when it fails, closed when all is well again."""

import json
import os
from typing import Any

from lightloop.ci.api import Api
from lightloop.ci.git import server
from lightloop.ci.outputs import summarise
from lightloop.errors import UsageError

MARK = "<!-- lightloop: nightly -->"
NEEDS = "issues: write"


def tell() -> None:
    """Bring the issue about the nightly workflow up to date.

    RESULTS holds the jobs that ran, as `toJSON(needs)` writes them.

    Raises:
        UsageError: RESULTS is missing or says no results.
        ApiError: GitHub said no.
    """
    try:
        results = {name: job["result"] for name, job in json.loads(os.environ.get("RESULTS", "")).items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError("RESULTS is no list of jobs: give the step `RESULTS: ${{ toJSON(needs) }}`") from None
    failed = [name for name, result in results.items() if result not in ("success", "skipped")]
    with Api.of_environment() as api:
        link = f"{server()}/{api.repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
        there = _open_issue(api)
        if failed:
            _say(api, there, failed, link)
        elif there is not None:
            api.send("POST", f"/issues/{there}/comments", {"body": f"All is well again: {link}"}, needs=NEEDS)
            api.send("PATCH", f"/issues/{there}", {"state": "closed"}, needs=NEEDS)
    words = f"failed: {', '.join(failed)}" if failed else "all is well"
    print(words)
    summarise(f"### Nightly\n\n{words[0].upper()}{words[1:]}.")


def _open_issue(api: Api) -> int | None:
    found: list[dict[str, Any]] = api.get("/issues", state="open", per_page=100)
    return next((int(one["number"]) for one in found if MARK in (one.get("body") or "")), None)


def _say(api: Api, there: int | None, failed: list[str], link: str) -> None:
    text = f"The nightly workflow failed in {', '.join(failed)}: {link}"
    if there is None:
        content = {"title": "The nightly workflow fails", "body": f"{MARK}\n{text}\n"}
        api.send("POST", "/issues", content, needs=NEEDS)
    else:
        api.send("POST", f"/issues/{there}/comments", {"body": text}, needs=NEEDS)
