"""Git and DVC as the registry uses them: the two commands, and what must be true of the repository first."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lightloop.errors import LightloopError, UsageError
from lightloop.release.dvc import run_dvc

# Messages of git are read, so they must be in one language; nothing may stop and ask a person.
ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "DVC_NO_ANALYTICS": "1"}


def git(root: Path, *arguments: str) -> str:
    """What a git command prints.

    Args:
        root: the folder to run it in.
        arguments: after the word `git`.

    Raises:
        LightloopError: git failed; with its own last words.
    """
    done = _run(root, "git", *arguments)
    if done.returncode:
        raise LightloopError(f"`git {arguments[0]}` failed: {_last_words(done)}")
    return done.stdout


def git_or_none(root: Path, *arguments: str) -> str | None:
    """What a git command prints, or None where it fails: for questions to which "no" is an answer."""
    done = _run(root, "git", *arguments)
    return None if done.returncode else done.stdout


def dvc(root: Path, *arguments: str) -> str:
    """What a DVC command prints.

    Raises:
        LightloopError: DVC failed; with its first error.
    """
    _require_folder(root)
    done = run_dvc(root, *arguments, environment=ENVIRONMENT)
    if done.returncode:
        raise LightloopError(f"`dvc {arguments[0]}` failed: {_last_words(done)}")
    return done.stdout


def path_from_top(root: Path, path: str) -> str:
    """A path below the project as `dvc get` and `dvc ls` want it with a revision: from the git repository's top.

    It is another one where the project lies in a folder of the repository.
    """
    return git(root, "rev-parse", "--show-prefix").strip() + path


def require_repository(root: Path) -> None:
    """Refuse a folder in which the registry can't be read.

    Raises:
        UsageError: not a git repository, or a clone that may lack tags: in it the registry looks empty, and the gate
            would compare with nothing.
    """
    done = _run(root, "git", "rev-parse", "--is-shallow-repository")
    if done.returncode:
        if "not a git repository" not in done.stderr:
            raise UsageError(f"git does not read {root}: {_last_words(done)}")
        raise UsageError(f"{root} is not a git repository, but the registry lives in git tags: run `git init` there")
    if done.stdout.strip() == "true":
        raise UsageError(
            "this is a shallow clone, which lacks the registry's tags: run `git fetch --unshallow --tags` "
            "(on GitHub: actions/checkout with fetch-depth: 0)"
        )
    for line in (git_or_none(root, "config", "--get-regexp", r"^remote\..*\.tagopt$") or "").splitlines():
        key, _, value = line.partition(" ")
        if value == "--no-tags":
            raise UsageError(
                f"this clone was made without tags, but the registry lives in them: "
                f"run `git config --unset {key} && git fetch --tags`"
            )


def require_commit(root: Path) -> str:
    """The commit that is checked out.

    Raises:
        UsageError: there is none yet.
    """
    commit = git_or_none(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if commit is None:
        raise UsageError(
            "this git repository has no commit yet, so there is nothing to tag: make one with `git commit`"
        )
    return commit.strip()


def require_identity(root: Path) -> None:
    """Refuse to write where nobody can be named as the author.

    Raises:
        UsageError: git knows no name or no address.
    """
    for key in ("name", "email"):
        known = os.environ.get(f"GIT_COMMITTER_{key.upper()}") or git_or_none(root, "config", f"user.{key}")
        if not (known or "").strip():
            raise UsageError(
                f"git does not know your {key}, and the registry records who released what: "
                f"run `git config --global user.{key} ...`"
            )


def changed_files(root: Path) -> list[str]:
    """Files below the project that differ from the last commit or are new, relative to `root`, sorted."""
    listed = git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    prefix = path_from_top(root, "")
    names = [entry[3:] for entry in listed.split("\0") if entry]
    return sorted(os.path.relpath(name, prefix or ".").replace(os.sep, "/") for name in names)


def file_at(root: Path, revision: str, path: str) -> str | None:
    """The text of a file of the project as it was at a revision, or None where it was not in git."""
    return git_or_none(root, "show", f"{revision}:./{path}")


def files_at(root: Path, wanted: Sequence[tuple[str, str]]) -> list[str | None]:
    """The texts of many files of the project, each at a revision, or None where it was not in git; one call of git.

    Args:
        root: the project's folder.
        wanted: revisions and paths, relative to `root`.
    """
    names = "".join(f"{revision}:./{path}\n" for revision, path in wanted)
    done = subprocess.run(
        ["git", "cat-file", "--batch"],
        cwd=root,
        env=os.environ | ENVIRONMENT,
        input=names.encode(),
        capture_output=True,
        check=False,
    )
    found: list[str | None] = []
    rest = done.stdout
    for _ in wanted:
        head, _, rest = rest.partition(b"\n")
        if head.endswith((b" missing", b" ambiguous")) or not head:
            found.append(None)
            continue
        size = int(head.rsplit(b" ", 1)[1])
        found.append(rest[:size].decode("utf-8", errors="replace"))
        rest = rest[size + 1 :]
    return found


def some(names: list[str], most: int = 3) -> str:
    """A few names for a sentence.

    Examples:
        >>> some(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    _require_folder(root)
    try:
        return subprocess.run(
            command,
            cwd=root,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise LightloopError(f"{command[0]} was not found: install it and try again") from None


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        raise UsageError(f"{root} is no folder: give the folder of a project")


def _last_words(done: "subprocess.CompletedProcess[str]") -> str:
    """The line that says why: DVC's first error, else the last line that was printed."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or lines[-1:] or [f"exit code {done.returncode}"])[0].removeprefix("fatal: ").rstrip(".")
