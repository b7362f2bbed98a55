"""Git as the steps of a workflow use it: a token for one command, a name for commits, what is pushed."""

import base64
import os
import subprocess
from pathlib import Path

from lightloop.ci.outputs import in_actions
from lightloop.errors import LightloopError
from lightloop.release.repository import ENVIRONMENT, git, git_or_none

BOT = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
REMOTE = "origin"


def token() -> str | None:
    """The token of the job, where the step was given one."""
    return os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN") or None


def server() -> str:
    """Address of the forge."""
    return os.environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")


def introduce(root: Path) -> None:
    """In a workflow nobody is known to git: name the bot. A person's own name is never touched."""
    if not in_actions():
        return
    for key, value in zip(("user.name", "user.email"), BOT, strict=True):
        if not (git_or_none(root, "config", key) or "").strip():
            git(root, "config", key, value)


def push(root: Path, *refs: str, force: bool = False) -> None:
    """Push refs to `origin`.

    Args:
        root: of the repository.
        refs: such as `refs/tags/model@v0.1.0` or `HEAD:refs/heads/x`; more than three tags at once start no workflow.
        force: over what stands there.

    Raises:
        LightloopError: the remote refused it.
    """
    done = _with_token(root, "push", "--quiet", *(["--force"] if force else []), REMOTE, *refs)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        denied = any("403" in line or "Authentication" in line or "could not read" in line for line in lines)
        hint = ": the job needs `permissions: contents: write`, and the step GH_TOKEN" if denied else ""
        raise LightloopError(f"`git push` of {', '.join(refs)} failed ({' '.join(lines[-2:])}){hint}")


def at_remote(root: Path, ref: str) -> bool:
    """Whether `origin` has a ref.

    Raises:
        LightloopError: it can't be asked.
    """
    done = _with_token(root, "ls-remote", REMOTE, ref)
    if done.returncode:
        raise LightloopError(f"`git ls-remote` failed ({' '.join(done.stderr.split()[-12:])})")
    return bool(done.stdout.strip())


def _with_token(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *words],
        cwd=root,
        env=os.environ | ENVIRONMENT | _token_settings(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _token_settings() -> dict[str, str]:
    """The token for this command alone: neither among its arguments nor in `.git/config`."""
    secret = token()
    if secret is None:
        return {}
    basic = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
    count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    return {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": f"http.{server()}/.extraheader",
        f"GIT_CONFIG_VALUE_{count}": f"AUTHORIZATION: basic {basic}",
    }
