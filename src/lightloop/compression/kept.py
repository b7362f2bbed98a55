"""Releasing a bundle that lies elsewhere, as it is."""

import shutil
from pathlib import Path

from lightloop.files import replacing
from lightloop.project import Project


def release_bundle(folder: Path, project: Project) -> None:
    """Copy a bundle to where the gate finds it: whole, or not at all.

    Raises:
        OSError: the disk is full, for one.
    """
    with replacing(project.bundle) as temporary:
        # Not `copytree`, whose error is a list of errors without a number.
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target = temporary / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def keep_exported(project: Project) -> None:
    """Release what was exported; there is no other evidence than that of the evaluate stage."""
    release_bundle(project.exported, project)
    with replacing(project.released().evaluation) as temporary:
        temporary.mkdir()
