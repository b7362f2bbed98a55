"""Git: the repository, who commits, and what a clone may lack."""

import os
import re
import subprocess
from collections.abc import Iterator

from lightloop.doctor.finding import Area, Finding
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.repository import changed_files, git, git_or_none, require_identity, require_repository, some

AREA = Area("git")
# `git -c` with sparse output and `--show-prefix` as they are used; older ones were never tried.
OLDEST = (2, 25)
SECONDS = 10


def look_at_git(project: Project, *, online: bool) -> Iterator[Finding]:
    """Version, repository, identity, tags, line ends, and what is not committed."""
    try:
        said = git(project.root, "--version").strip()
    except LightloopError:
        yield AREA.broken("version", "git was not found", "install git")
        return
    yield version(said)
    try:
        require_repository(project.root)
    except UsageError as error:
        sentence, _, cure = str(error).partition(": ")
        yield AREA.broken("repository", sentence, cure.removeprefix("run "))
        # A shallow clone can be looked at further; what is no repository can't.
        if "shallow" not in sentence and "without tags" not in sentence:
            return
    else:
        yield AREA.ok("repository", "a whole clone, with tags")
    yield from _identity(project)
    yield from _commits(project)
    yield _line_ends(project)
    if online:
        yield _origin(project)


def version(said: str) -> Finding:
    """Whether git is new enough, from what `git --version` prints.

    Examples:
        >>> version("git version 2.17.1").state, version("git version 2.43.0 (Apple Git-1)").state
        ('broken', 'ok')
    """
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if numbers and tuple(map(int, numbers.groups())) < OLDEST:
        return AREA.broken("version", f"{said} is too old", "install git 2.25 or newer")
    return AREA.ok("version", said)


def _identity(project: Project) -> Iterator[Finding]:
    try:
        require_identity(project.root)
    except UsageError as error:
        sentence, _, cure = str(error).partition(": ")
        yield AREA.broken("identity", sentence, cure.removeprefix("run "))
    else:
        yield AREA.ok("identity", "commits and releases have an author")


def _commits(project: Project) -> Iterator[Finding]:
    if git_or_none(project.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        yield AREA.broken(
            "commits", "there is no commit yet: releases and revisions need one", "git add -A && git commit -m start"
        )
        return
    # Outputs of the loop change with each run; `register --commit` commits them.
    outputs = ("artifacts/", "params.yaml", "dvc.lock")
    changed = [name for name in changed_files(project.root) if not name.startswith(outputs)]
    if changed:
        yield AREA.look(
            "changes", f"{some(changed)} not committed: a release would not hold them", "git add -A && git commit"
        )
    else:
        yield AREA.ok("changes", "everything but the loop's outputs is committed")
    ahead = git_or_none(project.root, "rev-list", "--count", "@{upstream}..HEAD")
    if ahead and int(ahead):
        yield AREA.look("published", f"{int(ahead)} commits are in this clone alone", "git push --follow-tags")


def _line_ends(project: Project) -> Finding:
    """Hashes are of bytes: git must not change the ends of lines."""
    setting = (git_or_none(project.root, "config", "core.autocrlf") or "").strip()
    if setting == "true":
        return AREA.broken(
            "line ends",
            "core.autocrlf is true: git changes the bytes that DVC's hashes are of",
            "git config core.autocrlf false && git rm -rq --cached . && git reset --hard",
        )
    return AREA.ok("line ends", "git leaves bytes as they are")


def _origin(project: Project) -> Finding:
    remotes = (git_or_none(project.root, "remote") or "").split()
    if not remotes:
        return AREA.ok("remote", "none: the repository is on this machine alone")
    name = "origin" if "origin" in remotes else remotes[0]
    try:
        done = subprocess.run(
            ["git", "ls-remote", "--quiet", "--heads", name],
            cwd=project.root,
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return AREA.broken("remote", f"{name} did not answer within {SECONDS} s", f"git ls-remote {name}")
    if done.returncode:
        return AREA.broken("remote", f"{name} can't be reached", f"git ls-remote {name}")
    return AREA.ok("remote", f"{name} answers")
