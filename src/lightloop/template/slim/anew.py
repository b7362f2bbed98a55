"""What a project's own programs write of it: written anew when the project has become smaller."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """What writes a file.

    Attributes:
        file: without which it can't; it is run where there is no code.
        code: to run instead; what it prints is the file, unless it prints nothing.
    """

    file: str
    code: str | None = None


WRITTEN = {
    "params.yaml": Program(
        "src/lightloop/config/compose.py",
        "from pathlib import Path; from lightloop.project import Project; "
        "from lightloop.config.compose import compose_config, write_params; "
        "project = Project(Path.cwd()); write_params(project, compose_config(project))",
    ),
    "docs/components.md": Program(
        "src/lightloop/cli/loop.py",
        "import sys; sys.argv = ['lightloop', 'list', '--markdown']; from lightloop.cli import main; main()",
    ),
    "docs/images/loop.svg": Program("docs/_site/picture.py"),
    "llms.txt": Program("docs/_site/llms.py"),
}


def write_anew(root: Path) -> list[str]:
    """Write such files of the tree at `root` anew, by its own code; say which of them could not be."""
    faults = []
    home = str(root.resolve() / "src")
    environment = os.environ | {"PYTHONPATH": home, "PYTHONDONTWRITEBYTECODE": "1"}
    for path, program in WRITTEN.items():
        if not (root / path).exists() or not (root / program.file).exists():
            continue
        what = ["-c", program.code] if program.code is not None else [program.file]
        done = subprocess.run(
            [sys.executable, *what], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            faults.append(f"{path}: {(done.stderr.strip().splitlines() or ['it can not be written'])[-1]}")
        elif done.stdout:
            (root / path).write_text(done.stdout, encoding="utf-8")
    return faults
