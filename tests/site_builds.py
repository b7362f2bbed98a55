"""Builds of the documentation site, as `make docs` makes them."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from loop_world import PROGRAMS
from small_project import REPOSITORY


def build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the line of the Makefile, with other folders."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    line = re.search(r"^\t@(sphinx-build .*)$", makefile, re.MULTILINE)
    assert line
    words = shlex.split(line[1])
    places = {
        "docs/_site": docs / "_site",
        "docs": docs,
        "build/pages": out.with_name(f"{out.name}-pages"),
        "build/site": out,
    }
    words = [str(places.get(word, word)) for word in words]
    environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        words, env=environment, cwd=docs.parent, capture_output=True, text=True, check=False, timeout=600
    )
