"""Every shipped experiment as a person runs it, on its whole data: by `lightloop run`, through DVC, to a report."""

import re
import shlex
import shutil

import pytest
from loop_world import command, commit_all, evidence, make_repository, must
from small_project import REPOSITORY

from lightloop.files import read_json
from lightloop.project import Project

pytestmark = pytest.mark.long

EXPERIMENTS = ("loans", "spam", "co2", "fashion-gan")
SHORT = ("trainer.max_epochs=2", "audit=none", "explain.records=10", "explain.steps=16", "explain.samples=8")
# What a test does not wait for, and what stands for it.
LESS = {"trials=30": "trials=2"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project with the other data sets in full."""
    project = make_repository(tmp_path_factory.mktemp("experiments") / "project")
    for name in ("loans", "spam", "co2"):
        shutil.copytree(REPOSITORY / "data" / name, project.root / "data" / name)
    must(project.root, "dvc", "add", "-q", "data")
    must(project.root, "dvc", "push", "-q", "data.dvc")
    commit_all(project.root, "all data sets")
    return project


def test_each_ends_in_a_verdict_and_a_report_and_comes_back_from_the_cache(project: Project):
    found = {}
    for name in EXPERIMENTS:
        done = command(project.root, "lightloop", "run", f"experiment={name}", *SHORT)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        assert read_json(project.gate)["verdict"] in ("accepted", "refused")
        page = (project.reports / "index.html").read_text(encoding="utf-8")
        assert f"{name} · " in page
        found[name] = (done.returncode, evidence(project))
    for name in EXPERIMENTS:
        again = command(project.root, "lightloop", "run", f"experiment={name}", *SHORT)
        assert again.returncode == found[name][0]
        assert "done in" not in again.stdout, "a stage ran again"
        assert evidence(project) == found[name][1]


def test_the_commands_of_the_readmes_tables(project: Project):
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(lightloop [^`]+)` \|", text, flags=re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        words = [LESS.get(word, word) for word in shlex.split(line)]
        if words[1] == "run":
            words += SHORT
        if words[1] == "sweep":
            words += SHORT[:1]
        done = command(project.root, *words)
        assert done.returncode in (0, 3), f"{line}: {done.stdout}{done.stderr}"
