"""Where the files of a run come from: this folder, or a revision of it by way of git and DVC."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing
from lightloop.project import Project
from lightloop.release.history import in_stage, releases
from lightloop.release.repository import git_or_none, require_repository

# The stage that makes a file, by the beginning of its path.
MADE_BY = {
    "artifacts/validation": "validate",
    "artifacts/training": "train",
    "artifacts/folds": "folds",
    "artifacts/calibration.json": "calibrate",
    "artifacts/evaluation": "evaluate",
    "artifacts/audit": "audit",
    "artifacts/explanation": "explain",
    "artifacts/exported": "export",
    "artifacts/parity.json": "export",
    "artifacts/bundle": "compress",
    "artifacts/compressed": "compress",
    "artifacts/compression": "compress",
    "artifacts/gate.json": "gate",
    "artifacts/comparison.json": "gate",
    "reports": "report",
}


@dataclass(frozen=True)
class Source:
    """The files of this folder, as the last `lightloop run` left them."""

    project: Project

    @property
    def name(self) -> str:
        """Which run it is, for people."""
        return str(self.project.root)

    def need(self, path: Path) -> Path:
        """A file or folder of the run, which is there when this returns.

        Raises:
            LightloopError: it is not; says which stage makes it.
        """
        if not path.exists():
            raise LightloopError(missing(self.project.relative(path)))
        return path


@dataclass(frozen=True)
class Revision(Source):
    """The files of a commit, each fetched when it is needed: from git, else by DVC from its cache or remote.

    Attributes:
        project: the folder in which fetched files are kept, `.lightloop/revisions/COMMIT`; they never change.
        origin: the project with the repository.
        commit: its full hash.
        asked: as a person named it.
    """

    origin: Project
    commit: str
    asked: str

    @property
    def name(self) -> str:
        return f"{self.asked} ({self.commit[:8]})"

    def need(self, path: Path) -> Path:
        if not path.exists():
            self._fetch(self.project.relative(path), path)
        return path

    def _fetch(self, name: str, path: Path) -> None:
        try:
            files = opened(str(self.origin.root), self.commit)
            inside = name if files.exists(name) else self._below(files, name)
            if inside is None:
                stage = made_by(name)
                hint = f": its {stage} stage had not run" if stage else ""
                raise LightloopError(f"{name} was not part of {self.name}{hint}")
            with replacing(path) as temporary:
                files.get(inside, str(temporary), recursive=files.isdir(inside))
        except LightloopError:
            raise
        except Exception as error:  # noqa: BLE001 - DVC's errors and those of its parts have no common base
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise LightloopError(
                f"{name} of {self.name} is neither in DVC's cache nor in its remote ({reason}): where it was made, "
                "`dvc push` brings it there; else `git checkout` that revision and `lightloop run` make it again"
            ) from None

    def _below(self, files: Any, name: str) -> str | None:
        """The path as the repository has it, where the project is a folder of a larger one."""
        prefix = (git_or_none(self.origin.root, "rev-parse", "--show-prefix") or "").strip()
        return prefix + name if prefix and files.exists(prefix + name) else None


@lru_cache(maxsize=8)
def opened(root: str, commit: str) -> Any:
    """What git and DVC know of a commit, as one file system; opening it takes a second."""
    from dvc.api import DVCFileSystem

    return DVCFileSystem(root, rev=commit)


def revision(project: Project, rev: str) -> Revision:
    """The run of a revision.

    Args:
        project: with the repository.
        rev: what git knows (a commit, branch or tag), a version such as v0.1.0, or a stage such as production.

    Raises:
        UsageError: not a git repository, or nothing of that name.
    """
    require_repository(project.root)
    names = [rev, f"model@{rev}"]
    commit = next(
        filter(None, (git_or_none(project.root, "rev-parse", "--verify", "-q", f"{n}^{{commit}}") for n in names)), None
    )
    if commit is None:
        standing = in_stage(releases(project), rev)
        if standing:
            commit = git_or_none(project.root, "rev-parse", "--verify", "-q", f"{standing.tag}^{{commit}}")
    if commit is None:
        raise UsageError(
            f"git knows no revision {rev!r}, and the registry no version or stage of that name: "
            "`lightloop releases` and `git log --oneline` list what there is"
        )
    kept = project.scratch / "revisions" / commit.strip()
    kept.mkdir(parents=True, exist_ok=True)
    return Revision(Project(kept), project, commit.strip(), rev)


def made_by(name: str) -> str | None:
    """The stage that makes a file.

    Examples:
        >>> made_by("artifacts/evaluation/metrics.json")
        'evaluate'
    """
    return next((stage for start, stage in MADE_BY.items() if name.startswith(start)), None)


def missing(name: str) -> str:
    """What to do where a file is not there.

    Examples:
        >>> missing("artifacts/gate.json")
        'artifacts/gate.json is missing: `lightloop run --until gate` makes it'
    """
    stage = made_by(name)
    return f"{name} is missing: " + (f"`lightloop run --until {stage}` makes it" if stage else "run `lightloop run`")
