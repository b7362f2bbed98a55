"""Projects made from this template as a person makes them, each with an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from sysconfig import get_path
from typing import Any

from loop_world import PROGRAMS, whole_clone

from lightloop.template.making.naming import Name

# A name in which every spelling is another one.
NAME = Name("Churn at Acme")


def made_project(folder: Path, answers: dict[str, Any], *options: str) -> Path:
    """Clone this repository as it stands, make it a project by the command line, and clone what came of it.

    Args:
        folder: that exists; clone and project lie in it.
        answers: as a file of answers has them.
        options: of `init`, besides.

    Returns:
        the clone of the project, with its data, and an environment in which nothing of the template's is installed.
    """
    made = whole_clone(folder / "made").root
    (made / ".venv").unlink()
    (folder / "answers.yaml").write_text(json.dumps(answers))
    run(made, sys.executable, "-m", "lightloop", "init", "--answers", str(folder / "answers.yaml"), *options)
    project = folder / "project"
    run(folder, "git", "clone", "-q", str(made), str(project))
    borrow_environment(project)
    run(project, "dvc", "pull", "-q", "data.dvc")
    return project


def borrow_environment(project: Path) -> None:
    """Make `.venv` as `make environment` does, but with our packages instead of installing them; the template not.

    Programs run under the new Python, so that what still imports the template by its old name fails.
    """
    folder = project / ".venv"
    venv.EnvBuilder(symlinks=True).create(folder)
    # Paths that a file of this kind adds are not looked through for such files: the template's own is not read.
    (Path(get_path("purelib", vars={"base": str(folder)})) / "borrowed.pth").write_text(get_path("purelib") + "\n")
    ours = str(PROGRAMS).encode()
    for program in PROGRAMS.iterdir():
        target = folder / "bin" / program.name
        if target.exists() or program.name.startswith(("python", "activate", "lightloop")) or not program.is_file():
            continue
        with program.open("rb") as file:
            script = file.read(2) == b"#!"
        if script:
            target.write_bytes(program.read_bytes().replace(ours, str(folder / "bin").encode(), 1))
            shutil.copymode(program, target)
        else:
            target.symlink_to(program)
    installing = ("--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", str(folder / "bin/python"))
    run(project, str(folder / "bin/uv"), "pip", "install", *installing, "--editable", ".")
    (folder / ".ready").touch()


def run(root: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """What a command prints, in the project's own environment where it has one."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    path = f"{root / '.venv/bin'}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    if words[0] == sys.executable:
        own["PYTHONPATH"] = str(root / "src")
    done = subprocess.run(
        words, cwd=root, env=own | {"PATH": path}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode in codes, f"{words}: {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr
