"""Make the clone of the template the project that somebody asked for, all of it or nothing."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightloop.errors import LightloopError, UsageError
from lightloop.template.making.answers import EMBEDDED, Answers
from lightloop.template.making.demos import drop_data, holds
from lightloop.template.making.naming import TEMPLATE
from lightloop.template.making.render import render
from lightloop.template.making.swap import swap
from lightloop.template.record import RECORD, Record, without_secrets, write_record
from lightloop.template.repository import export, git, git_or_none
from lightloop.template.versions import version_of

SCRATCH: Final = ".template-init"
# Settings of the clone that stay with the folder: whose commits these are, and how they are signed.
_SETTINGS: Final = r"^(user|commit|gpg|core\.hookspath|core\.sshcommand)\b"


@dataclass(frozen=True)
class Started:
    """A project that was made.

    Attributes:
        root: its folder.
        files: how many it has.
        dropped: folders of data that are gone.
        history: where the old history is kept; None where a remote holds all of it.
    """

    root: Path
    files: int
    dropped: tuple[str, ...]
    history: Path | None


def finish_started(root: Path) -> bool:
    """Finish what was killed while files were put into place; return whether there was anything to finish."""
    scratch = root / SCRATCH
    if not (scratch / "ready").exists():
        shutil.rmtree(scratch, ignore_errors=True)
        return False
    swap(scratch)
    return True


def start(root: Path, answers: Answers) -> Started:
    """Make the project at `root`: another name, fewer parts, a history of its own.

    Everything is made beside the project's files first; then they change places, file by file. What is killed before
    leaves the project as it was; what is killed in between is finished by running it again.

    Args:
        root: top folder of a clone of the template.
        answers: what it becomes.

    Raises:
        UsageError: the clone has changes, is a project already, or has releases.
        LightloopError: something could not be made. The clone is as it was.
    """
    require_clone(root)
    scratch = root / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir()
        # Its files are nobody's, whatever git is asked meanwhile.
        (scratch / ".gitignore").write_text("*\n", encoding="utf-8")
        new = scratch / "new"
        export(root, "HEAD", new)
        dropped = _unchanged_data(root, make_project(root, new, answers))
        held = _held_by_a_remote(root)
        _commit(root, new, answers)
        files = _plan(root, new, dropped, answers, keep_history=not held)
        shutil.copy(Path(__file__).with_name("swap.py"), scratch / "swap.py")
        (scratch / "ready").touch()
        os.sync()
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    # In a process of its own: its code lies outside the package, which moves.
    done = subprocess.run(
        [sys.executable, "-I", str(scratch / "swap.py"), str(scratch)],
        capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise LightloopError(
            f"files could not be put into place ({said}): mend it, then finish with "
            f"`{sys.executable} {SCRATCH}/swap.py {SCRATCH}`"
        )
    return Started(root, files, tuple(dropped), None if held else root / ".git" / "before-init")


def make_project(root: Path, new: Path, answers: Answers) -> list[str]:
    """Make the tree at `new` the project; return the folders of data that it no longer has.

    Args:
        root: of the clone that the tree was taken from: its history says version and address of the template.
        new: to be changed.
        answers: what it becomes.
    """
    record = origin_of(root, answers)
    render(new, answers, record.version)
    dropped = drop_data(new)
    write_record(new, record)
    return dropped


def origin_of(root: Path, answers: Answers) -> Record:
    """What a project that is made from the clone at `root` is made from."""
    version = version_of((root / "pyproject.toml").read_text(encoding="utf-8"))
    address = (git_or_none(root, "remote", "get-url", "origin") or "").strip()
    given = answers.model_dump(mode="json")
    commit = git(root, "rev-parse", "HEAD").strip()
    return Record(without_secrets(address) or None, str(version or "0.0.0"), commit, given)


def require_clone(root: Path) -> None:
    """Refuse what is no clean clone of the template.

    Raises:
        UsageError: says what is in the way.
    """
    if (root / RECORD).exists():
        raise UsageError(f"{root} is a project already ({RECORD} says so): `update` brings it up to date")
    if not (root / "src" / TEMPLATE.package / "template" / "making").is_dir():
        raise UsageError(f"{root} is not a clone of the template: change into one, or clone it first")
    if not (root / ".git").is_dir():
        kind = "a worktree or submodule" if (root / ".git").exists() else "not a git repository"
        raise UsageError(f"{root} is {kind}: init makes a new history, so clone the template with `git clone` first")
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        raise UsageError(
            f"{len(changed)} files are changed and not committed (such as {changed[0][3:]}): commit them, or take them "
            "back, so that none is lost"
        )
    released = git(root, "tag", "--list", "*@v*", "*#*").split()
    if released:
        raise UsageError(
            f"this clone has releases (such as {released[0]}), which a new history would lose: init belongs to the "
            "first day of a project; clone the template anew for it"
        )


def _unchanged_data(root: Path, dropped: list[str]) -> list[str]:
    """Folders of data that can go since `storage/` holds them; changed ones stay where they are."""
    return [name for name in dropped if holds(root, name)]


def _held_by_a_remote(root: Path) -> bool:
    return bool((git_or_none(root, "branch", "--remotes", "--contains", "HEAD") or "").strip())


def _commit(root: Path, new: Path, answers: Answers) -> None:
    """A history of one commit."""
    branch = (git_or_none(root, "symbolic-ref", "--short", "HEAD") or "main").strip()
    git(new, "init", "--quiet", "--initial-branch", branch)
    for line in (git_or_none(root, "config", "--local", "--get-regexp", _SETTINGS) or "").splitlines():
        key, _, value = line.partition(" ")
        git(new, "config", "--local", key, value)
    for name in ("info/exclude", "hooks"):
        source, target = root / ".git" / name, new / ".git" / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copy(source, target)
    _move_remote(new, answers)
    git(new, "-c", "core.autocrlf=false", "add", "--all", ".")
    known = git_or_none(new, "config", "user.email") is not None or os.environ.get("GIT_AUTHOR_EMAIL")
    identity = (
        () if known else ("-c", f"user.name={answers.author}", "-c", f"user.email={answers.email or 'init@localhost'}")
    )
    record = json.loads((new / RECORD).read_text(encoding="utf-8"))
    title = f"{answers.name}, made from {TEMPLATE.title} {record['version']}"
    git(new, *identity, "commit", "--quiet", "--no-verify", "--message", title)


def _move_remote(new: Path, answers: Answers) -> None:
    """Push the data to the address that was chosen; `storage/` then leaves git."""
    if answers.remote == EMBEDDED or not (new / ".dvc").is_dir():
        return
    from lightloop.project import Project
    from lightloop.release.remotes import set_remote

    set_remote(Project(new), answers.remote)
    shutil.rmtree(new / "storage", ignore_errors=True)
    for name in ("cache", "tmp"):
        shutil.rmtree(new / ".dvc" / name, ignore_errors=True)
    (new / ".dvc/config.local").unlink(missing_ok=True)


def _plan(root: Path, new: Path, dropped: list[str], answers: Answers, *, keep_history: bool) -> int:
    """Write down every step; refuse where a file that git does not know would be written over."""
    remove = [name for name in git(root, "ls-files", "-z").split("\0") if name]
    place = [name for name in git(new, "ls-files", "-z").split("\0") if name]
    known = set(remove)
    for name in place:
        if name not in known and (root / name).exists():
            raise UsageError(f"{name} lies in the way and git does not know it: move it away first")
    for folder in dropped:
        data = root / "data" / folder
        remove += [path.relative_to(root).as_posix() for path in sorted(data.rglob("*")) if path.is_file()]
    parents = {parent.as_posix() for name in remove for parent in Path(name).parents} - {"."}
    scratch = [[f".{TEMPLATE.command}", f".{answers.spelled.command}"]]
    plan = {
        "remove": remove,
        "place": place,
        "folders": sorted(parents, key=lambda name: -name.count("/")),
        "rename": scratch if answers.spelled.command != TEMPLATE.command else [],
        "keep_history": keep_history,
    }
    (new.parent / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return len(place)
