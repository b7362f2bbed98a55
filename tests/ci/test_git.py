"""Git in a workflow: where the token is, whose name a commit has, what is pushed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rehearsal.forge import Forge

from lightloop.ci.git import BOT, introduce, push
from lightloop.errors import LightloopError
from lightloop.release.repository import git


@pytest.fixture
def clone(forge: Forge, tmp_path: Path) -> Path:
    """With a commit that is not pushed; it knows no password."""
    root = tmp_path / "clone"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "remote", "add", "origin", forge.page)
    git(root, "commit", "-q", "--allow-empty", "-m", "start")
    return root


def test_a_push_with_the_token_of_the_job(forge: Forge, clone: Path, grant: Callable[..., None]) -> None:
    grant(contents="write")
    push(clone, "HEAD:refs/heads/retrain/x")
    assert forge.repository.commit("retrain/x") == git(clone, "rev-parse", "HEAD").strip()
    assert "ghs_step" not in (clone / ".git" / "config").read_text()
    # What a workflow pushes starts nothing.
    assert forge.suppressed == [("push of refs/heads/retrain/x", "by the workflow token of run 7")]


def test_settings_that_git_was_given_already_stay(
    forge: Forge, clone: Path, grant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number of the same variables: a person's own settings are not lost."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{forge.page}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://elsewhere.invalid/model")
    git(clone, "remote", "set-url", "origin", "https://elsewhere.invalid/model")
    grant(contents="write")
    push(clone, "HEAD:refs/heads/main")
    assert forge.repository.commit("main")


@pytest.mark.parametrize("rights", [{"contents": "read"}, {}])
def test_a_push_that_is_not_allowed_names_the_permission(
    forge: Forge, clone: Path, grant: Callable[..., None], rights: dict[str, str]
) -> None:
    grant(**rights)
    with pytest.raises(LightloopError, match="the job needs `permissions: contents: write`") as caught:
        push(clone, "HEAD:refs/heads/main")
    assert "ghs_step" not in str(caught.value)
    assert forge.repository.commit("main") is None


def test_a_workflow_has_a_name_and_a_person_keeps_theirs(
    clone: Path, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    introduce(clone)
    assert (git(clone, "config", "user.name").strip(), git(clone, "config", "user.email").strip()) == BOT
    git(clone, "config", "user.name", "Alice")
    introduce(clone)
    assert git(clone, "config", "user.name").strip() == "Alice"


def test_on_a_laptop_nothing_is_set(clone: Path) -> None:
    introduce(clone)
    with pytest.raises(LightloopError, match="`git config` failed"):
        git(clone, "config", "--local", "user.name")
