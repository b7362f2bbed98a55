"""Git, where nothing of a project's registry is needed: the template's history, and trees beside a project's own."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

from lightloop.errors import LightloopError

# Messages are read, so they are in one language; nothing stops and asks; no hook and no signature of the user's.
_ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
# A hook that calls us has set these for its own repository.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
# Who makes the trees between which git merges. No branch ever shows them.
TEMPLATE_IDENTITY = {
    "GIT_AUTHOR_NAME": "template",
    "GIT_AUTHOR_EMAIL": "template@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "template",
    "GIT_COMMITTER_EMAIL": "template@localhost",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
}


def run_git(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in `root`, whatever comes of it."""
    own = {key: value for key, value in os.environ.items() if key not in _OF_A_HOOK}
    try:
        return subprocess.run(
            ["git", *words], cwd=root, env=own | _ENVIRONMENT | environment, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise LightloopError("git is missing: install it, it keeps the project's history") from None


def git(root: Path, *words: str, **environment: str) -> str:
    """What a git command prints.

    Raises:
        LightloopError: it failed; with its own last words.
    """
    done = run_git(root, *words, **environment)
    if done.returncode:
        raise LightloopError(f"`git {words[0]}` failed: {last_words(done)}")
    return done.stdout.decode("utf-8", "surrogateescape")


def git_or_none(root: Path, *words: str) -> str | None:
    """What a git command prints, or None where it fails: for questions to which "no" is an answer."""
    done = run_git(root, *words)
    return None if done.returncode else done.stdout.decode("utf-8", "surrogateescape")


def last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    """The line that says what went wrong."""
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    said = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (said or lines or ["no message"])[0]


def export(root: Path, commit: str, target: Path, *paths: str) -> None:
    """Write the tree of a commit to an empty folder.

    Args:
        root: of the repository.
        commit: whose tree it is.
        target: made here.
        paths: the whole tree, or these of it.
    """
    # Line ends as they are stored, whatever the user's git would do to them.
    done = run_git(root, "-c", "core.autocrlf=false", "archive", "--format=tar", commit, *paths)
    if done.returncode:
        raise LightloopError(f"the tree of {commit} can't be read: {last_words(done)}")
    target.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="tar")
