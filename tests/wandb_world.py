"""Programs that run with a key against the stand-in server; W&B reads its environment once a process."""

import os
import subprocess
import sys
from pathlib import Path

from lightloop.project import Project

KEY = "0123456789" * 4
LIGHTLOOP = [str(Path(sys.executable).parent / "lightloop")]


def environment(url: str, home: Path, **given: str) -> dict[str, str]:
    """That of a user with a key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return kept | {"HOME": str(home), "WANDB_API_KEY": KEY, "WANDB_BASE_URL": url} | given


def python(project: Project, code: str, given: dict[str, str], timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; `sys.argv[1]` is the project's folder."""
    return _run([sys.executable, "-c", code, str(project.root)], project, given, timeout)


def lightloop(project: Project, given: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return _run([*LIGHTLOOP, *words], project, given, 120)


def _run(
    command: list[str], project: Project, given: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=project.root, env=given, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert KEY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def assert_key_is_nowhere(*folders: Path) -> None:
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []
