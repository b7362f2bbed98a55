"""Every command of docs/adopt.md is run here, in one project, in the order of the page."""

import json
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from adoption_world import changed, customers, empty_project, picture_folder, sales, text_folder
from loop_world import PROGRAMS
from pages import commands
from registry_world import git

from lightloop.project import Project

PAGE = "docs/adopt.md"
# The whole loop on adopted data: tests/adoption/test_loops.py.
LOOP = "lightloop run experiment=customers"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With the files of the page in its folder, which git does not see."""
    project = empty_project(tmp_path)
    frame = customers(300).rename(columns={"bleibt": "stays"})
    frame.to_csv(tmp_path / "customers.csv", index=False)
    more = customers(40, seed=7).rename(columns={"bleibt": "stays"})
    more["Kunden-Nr"] = [f"N{number}" for number in range(len(more))]
    more.to_csv(tmp_path / "more.csv", index=False)
    frame[:200].to_csv(tmp_path / "old.csv", index=False)
    frame[200:].to_csv(tmp_path / "new.csv", index=False)
    sales().to_csv(tmp_path / "sales.csv", index=False)
    picture_folder(tmp_path / "bands", 20)
    text_folder(tmp_path / "reviews", 30)
    with sqlite3.connect(tmp_path / "shop.db") as database:
        frame.to_sql("customers", database, index=False)
    database.close()
    names = ["*.csv", "bands", "reviews", "shop.db"]
    (tmp_path / ".git/info/exclude").write_text("".join(f"/{name}\n" for name in names))
    return project


def test_the_page_has_the_commands_of_both() -> None:
    shown = commands(PAGE)
    assert LOOP in shown
    assert {shlex.split(line)[1] for line in shown if line.startswith("lightloop")} == {"adopt", "run", "data"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_commands(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(PROGRAMS), prepend=":")
    said = {}
    for line in commands(PAGE):
        if line == LOOP:
            continue
        words = shlex.split(line)
        if words[0] in ("lightloop", "dvc"):
            words[:1] = [sys.executable, "-m", words[0]]
        if words[0] == "git" and words[1] == "add":
            words[2:] = ["--all"]  # the folder of scratch and of the remote too
        done = subprocess.run(
            words, cwd=project.root, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        said[line] = done.stdout
    assert "would add 40 records" in said["lightloop data add more.csv --data customers --dry-run"]
    assert "added 40 records to customers" in said["lightloop data add more.csv --data customers"]
    # The sentence names five files, the first of which are those of the other data sets.
    assert "40 with new content" in said["lightloop data diff"]
    found = json.loads(said["lightloop data diff HEAD --data customers --json"])
    assert "data/customers/collected-customers.parquet" in found["added"]
    assert [(one["name"], one["added"], one["removed"]) for one in found["sets"]] == [("customers", 40, 0)]
    assert " M data.dvc" in changed(project)
    git(project.root, "checkout", "data.dvc")
