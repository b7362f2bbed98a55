"""An image is deployed where the forge knows by whom it was built; the stand-in of `gh` asks it over HTTP."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from rehearsal.forge import Forge
from rehearsal.runner import STAND_INS

from lightloop.ci.attestation import PREDICATES, WORKFLOW, verify
from lightloop.errors import RefusedError, UsageError

DIGEST = "sha256:" + "ab" * 32
IMAGE = f"ghcr.io/acme/model@{DIGEST}"


@pytest.fixture(autouse=True)
def _gh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{STAND_INS / 'programs'}{os.pathsep}{os.environ['PATH']}")


def attest(forge: Forge, *predicates: str, workflow: str = WORKFLOW) -> None:
    for predicate in predicates:
        forge.attested.append({"digest": DIGEST, "predicate": predicate, "workflow": f"{forge.slug}/{workflow}"})


def test_both_are_verified_and_said(
    forge: Forge, grant: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    grant(attestations="read")
    attest(forge, *PREDICATES.values())
    verify(IMAGE)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" of ghcr")[0] for line in lines] == ["the provenance", "the bill of materials"]


@pytest.mark.parametrize("missing", PREDICATES)
def test_one_that_is_missing_stops_the_deployment(
    forge: Forge, grant: Callable[..., None], step: Any, missing: str
) -> None:
    grant(attestations="read")
    attest(forge, *(value for name, value in PREDICATES.items() if name != missing))
    with pytest.raises(RefusedError, match=f"the {missing} of ghcr.* can't be verified, so that it is not deployed"):
        verify(IMAGE)
    assert "### Not deployed" in step.summary


def test_another_workflow_is_not_believed_and_a_job_without_the_right_neither(
    forge: Forge, grant: Callable[..., None]
) -> None:
    grant(attestations="read")
    attest(forge, *PREDICATES.values(), workflow=".github/workflows/other.yml")
    with pytest.raises(RefusedError, match="no attestations for predicate type"):
        verify(IMAGE)
    grant(contents="read")
    with pytest.raises(RefusedError, match="Resource not accessible by integration"):
        verify(IMAGE)


def test_what_must_be_known_first(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("ghcr.io/acme/model:v0.1.0", "--help", DIGEST):
        with pytest.raises(UsageError, match="names no image by its digest"):
            verify(wrong)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="`gh` is not on this machine"):
        verify(IMAGE)
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(UsageError, match="GITHUB_REPOSITORY is not set"):
        verify(IMAGE)
