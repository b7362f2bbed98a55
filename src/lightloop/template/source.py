"""The template's repository: found, fetched, and its versions made into trees in the project's own words."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightloop.errors import LightloopError, UsageError
from lightloop.template.record import without_secrets
from lightloop.template.repository import export, git, git_or_none, last_words, run_git
from lightloop.template.versions import CHANGES, PACKAGE, Version, versions

# The part of the template that makes a project of a tree: each version brings its own, and may change it.
ENGINE = f"src/{PACKAGE}/template/making/__main__.py"


@dataclass(frozen=True)
class Template:
    """The template's repository, to be read only.

    Attributes:
        address: that people know it by.
        repository: a folder of git.
        tip: its newest commit.
        versions: its versions with their commits, oldest first.
    """

    address: str
    repository: Path
    tip: str
    versions: dict[Version, str]

    def changes(self) -> str:
        """The changelog, as the newest commit has it; empty where it has none."""
        return git_or_none(self.repository, "show", f"{self.tip}:{CHANGES}") or ""

    def tree(self, commit: str, target: Path, answers: dict[str, Any] | None, version: Version) -> None:
        """Write the tree of a commit as the project that `answers` describe.

        A version makes its trees itself, since it knows best what it is made of; versions that could not yet, are made
        by the newest one.

        Args:
            commit: of the template.
            target: made here.
            answers: as `.template.json` has them; None leaves the tree as it is.
            version: that the commit is, or is made from.

        Raises:
            LightloopError: the tree can't be made, with the engine's own words.
        """
        export(self.repository, commit, target)
        if answers is None:
            return
        engine = target.with_name(f"{target.name}.engine")
        able = commit if git_or_none(self.repository, "cat-file", "-e", f"{commit}:{ENGINE}") is not None else self.tip
        if git_or_none(self.repository, "cat-file", "-e", f"{able}:{ENGINE}") is None:
            raise LightloopError(f"{self.address} is a template that can't make projects yet: fetch a newer one")
        export(self.repository, able, engine, "src")
        try:
            _make(engine / "src", target, answers, version)
        finally:
            shutil.rmtree(engine)


def open_template(address: str, scratch: Path, start: Path) -> Template:
    """Find the template: a folder is read where it is, anything else is fetched.

    Args:
        address: a URL, or a folder relative to `start`.
        scratch: a folder that exists; a copy of the template's history lies there for as long as it is needed.
        start: the project's folder.

    Raises:
        LightloopError: it can't be reached, or is no repository.
    """
    shown = without_secrets(address)
    local = (start / Path(address).expanduser()).resolve()
    if "://" not in address and local.is_dir():
        repository = local
        if git_or_none(repository, "rev-parse", "--git-dir") is None:
            raise UsageError(f"{shown} is not a git repository: --template names the template's, by URL or folder")
    else:
        repository = scratch / "template.git"
        done = run_git(scratch, "clone", "--quiet", "--bare", address, str(repository))
        if done.returncode:
            said = last_words(done).replace(address, shown)
            raise LightloopError(
                f"the template can't be fetched from {shown} ({said}): --template names another address"
            )
    if (git_or_none(repository, "rev-parse", "--is-shallow-repository") or "").strip() == "true":
        raise UsageError(
            f"{shown} is a shallow clone, which lacks older versions: run `git fetch --unshallow --tags` there"
        )
    tip = git_or_none(repository, "rev-parse", "--verify", "HEAD^{commit}")
    if tip is None:
        raise UsageError(f"{shown} has no commit: --template names the template's repository, by URL or folder")
    return Template(shown, repository, tip.strip(), versions(repository, tip.strip()))


def commit_in(template: Template, commit: str, version: Version) -> str:
    """The commit that a project was made from; where the template does not hold it, that of its version.

    Raises:
        UsageError: neither is there.
    """
    if commit and git_or_none(template.repository, "cat-file", "-e", f"{commit}^{{commit}}") is not None:
        return git(template.repository, "rev-parse", f"{commit}^{{commit}}").strip()
    if version in template.versions:
        return template.versions[version]
    raise UsageError(
        f"{template.address} knows neither commit {commit[:12]} nor version {version}, which the project is made from: "
        "--template names the repository that it was made from"
    )


def _make(source: Path, tree: Path, answers: dict[str, Any], version: Version) -> None:
    words: Sequence[str] = (sys.executable, "-P", "-m", f"{PACKAGE}.template.making", str(tree), str(version))
    done = subprocess.run(
        words,
        env=os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        input=json.dumps(answers),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise LightloopError(f"the template's version {version} could not be made with this project's answers: {said}")
