"""Changes of `data/` and `configs/` as a whole: all of it happens, or the project is as it was, also after a kill.

What a change writes lies finished in the project's scratch folder first. `apply` renames it into place, lets DVC record
`data`, and is done when its journal is gone. A journal that is left says how to go back; `recover` does.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightloop.errors import LightloopError, UsageError
from lightloop.files import alive, write_json
from lightloop.project import Project
from lightloop.release.repository import dvc

POINTER = "data.dvc"


@dataclass(frozen=True)
class Move:
    """A file or folder that takes its place.

    Attributes:
        staged: where it lies, on the file system of the project.
        target: where it belongs; what stands there is replaced.
    """

    staged: Path
    target: Path


def apply(project: Project, moves: Sequence[Move]) -> str | None:
    """Put everything into its place and record `data` by DVC; where one step fails, all of it is taken back.

    Args:
        project: to change; `require_whole` must have passed, since DVC records what lies in `data`.
        moves: in any order.

    Returns:
        The new version of the data, the MD5 of `data.dvc`.

    Raises:
        LightloopError: DVC or a rename failed; the project is as it was.
        UsageError: another change is at work.
    """
    recover(project)
    folder = _folder(project)
    shutil.rmtree(folder, ignore_errors=True)  # what a finished change left behind
    pointer = project.root / POINTER
    journal = {
        "process": os.getpid(),
        "pointer": pointer.read_text(encoding="utf-8") if pointer.exists() else None,
        "targets": [project.relative(move.target) for move in moves],
        "existed": [move.target.exists() for move in moves],
        "made": _new_folders(project, moves),
    }
    write_json(folder / "journal.json", journal)
    try:
        for place, move in enumerate(moves):
            move.target.parent.mkdir(parents=True, exist_ok=True)
            if move.target.exists():
                move.target.rename(folder / f"before-{place}")
            move.staged.rename(move.target)
        dvc(project.root, "add", "--quiet", "data")
    except BaseException:
        _undo(project, journal)
        raise
    (folder / "journal.json").unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return project.data_version()


def recover(project: Project) -> bool:
    """Take back a change that was killed; whether there was one.

    Raises:
        UsageError: it is not dead: it is at work.
    """
    path = _folder(project) / "journal.json"
    if not path.exists():
        return False
    journal = json.loads(path.read_text(encoding="utf-8"))
    process = int(journal["process"])
    if process != os.getpid() and alive(str(process)):
        raise UsageError(f"another command changes the data of this project (process {process}): wait until it is done")
    _undo(project, journal)
    return True


def require_whole(project: Project) -> None:
    """Get what `data.dvc` records and is not there, since DVC would take it for deleted.

    Raises:
        UsageError: this is no git repository, or not under DVC.
        LightloopError: DVC can't get them.
    """
    if not project.in_git():
        raise UsageError("this is no git repository, which DVC needs: `git init && git add -A && git commit -m start`")
    if not (project.root / ".dvc").exists():
        raise UsageError(
            "this project is not under DVC: run `dvc init`, and say where data are kept by `dvc remote add`"
        )
    if not (project.root / POINTER).exists():
        return
    if not (project.root / "data").exists():
        _pull(project, POINTER)
        return
    if _as_recorded(project):
        return
    found = changes_of(project)
    if found["unknown"]:
        # The listing of the folder is not in the cache. Where the remote lacks it too, `dvc fetch` may say nothing.
        with suppress(LightloopError):
            dvc(project.root, "fetch", "--quiet", POINTER)
        found = changes_of(project)
    if found["unknown"]:
        _refuse_fewer(project)
        return
    if found["deleted"]:
        # One by one: where files are new or changed, DVC would not get the whole folder.
        _pull(project, *(found["deleted"] if found["added"] or found["modified"] else [POINTER]))


def changes_of(project: Project) -> dict[str, list[str]]:
    """Files of `data` that differ from `data.dvc`, relative to the project: `added`, `modified`, `deleted`; and
    `unknown`, the folder, where the cache does not say what was recorded.
    """
    answer = json.loads(dvc(project.root, "data", "status", "--granular", "--json") or "{}")
    uncommitted: dict[str, list[str]] = answer.get("uncommitted", {})
    found = {
        kind: sorted(one for one in uncommitted.get(kind, []) if one.startswith("data/") and not one.endswith("/"))
        for kind in ("added", "modified", "deleted")
    }
    other = "data/" in uncommitted.get("modified", [])
    return found | {"unknown": ["data/"] if other and not any(found.values()) else []}


def _recorded(project: Project) -> dict[str, Any]:
    content = yaml.safe_load((project.root / POINTER).read_text(encoding="utf-8"))
    return next((out for out in content["outs"] if out["path"] == "data"), {})


def _as_recorded(project: Project) -> bool:
    """Whether files and bytes are as many as `data.dvc` says, which is quicker than asking DVC."""
    recorded = _recorded(project)
    files = [one for one in (project.root / "data").rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    return (len(files), size) == (recorded.get("nfiles"), recorded.get("size"))


def _refuse_fewer(project: Project) -> None:
    recorded = int(_recorded(project).get("nfiles", 0))
    there = sum(1 for one in (project.root / "data").rglob("*") if one.is_file())
    if there < recorded:
        raise LightloopError(
            f"data/ has {there} of the {recorded} files that data.dvc records, and the DVC remote does not have the "
            "others: bring them back, or record that they are gone with `dvc add data`"
        )


def _pull(project: Project, *names: str) -> None:
    try:
        dvc(project.root, "pull", "--quiet", *names)
    except LightloopError as error:
        raise LightloopError(
            f"the data that {POINTER} records are not here and can't be pulled ({error}): check the DVC remote "
            "(`dvc remote list`); nothing was changed"
        ) from None


def _undo(project: Project, journal: dict[str, Any]) -> None:
    """Back to before the change; may itself be killed and run again."""
    folder = _folder(project)
    for place, (name, existed) in enumerate(zip(journal["targets"], journal["existed"], strict=True)):
        target, before = project.root / name, folder / f"before-{place}"
        if before.exists():
            _remove(target)
            before.rename(target)
        elif not existed:
            _remove(target)
    for name in journal["made"]:
        made = project.root / name
        if made.is_dir() and not any(made.iterdir()):
            made.rmdir()
    if journal["pointer"] is None:
        (project.root / POINTER).unlink(missing_ok=True)
    else:
        (project.root / POINTER).write_text(journal["pointer"], encoding="utf-8")
    (folder / "journal.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _new_folders(project: Project, moves: Sequence[Move]) -> list[str]:
    """Folders that the change makes, the innermost first."""
    found = {
        parent
        for move in moves
        for parent in move.target.parents
        if parent.is_relative_to(project.root) and parent != project.root and not parent.exists()
    }
    return [project.relative(one) for one in sorted(found, key=lambda one: -len(one.parts))]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _folder(project: Project) -> Path:
    return project.scratch / "change"
