"""The commands of docs/make-it-yours.md do what the page says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages import commands
from small_project import REPOSITORY
from template_world import commit, git, make_template, write

from lightloop.template.making.answers import make_answers

SLIM = ("--leave-out", "--minimal")  # need the whole template: tests/template/slim and tests/template/minimal


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "lightloop")


def run(folder: Path, line: str, source: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line, comments=True)
    assert words.pop(0) == "lightloop"
    return subprocess.run(
        [sys.executable, "-m", "lightloop", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_answers_of_the_page_are_answers():
    text = (REPOSITORY / "docs/make-it-yours.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    shown = yaml.safe_load(block)
    answers = make_answers(shown)
    assert set(shown) | {"year", "minimal"} == set(type(answers).model_fields)
    defaults = make_answers({"name": "A", "author": "B"})
    chosen = ("tracking", "entity", "remote", "target", "leave_out", "experiments")
    assert [getattr(answers, key) for key in chosen] == [getattr(defaults, key) for key in chosen]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_commands_of_make_it_yours(template: Path, tmp_path: Path):
    told = [line for line in commands("docs/make-it-yours.md") if line.startswith("lightloop init")]
    assert len(told) == 5
    shop = tmp_path / "shop"
    write(shop, {"app.py": ""})
    git(shop, "init", "-q")
    commit(shop, "app")
    for number, line in enumerate(told):
        if any(word in line for word in SLIM):
            continue
        clone = tmp_path / f"clone-{number}"
        git(tmp_path, "clone", "-q", str(template), str(clone))
        if "answers.yaml" in line:
            (tmp_path / "answers.yaml").write_text("name: Churn\nauthor: Acme\n")
        done = run(clone, line.replace("answers.yaml", "../answers.yaml"), REPOSITORY / "src")
        assert done.returncode == 0, line + done.stderr
        made = shop / "ml" if "--into" in line else clone
        assert json.loads((made / ".template.json").read_text())["answers"]["name"].startswith("Churn")
