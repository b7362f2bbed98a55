"""A clone becomes a project, whole or not at all; what could be lost is refused."""

import json
from pathlib import Path

import pytest
from small_project import REPOSITORY
from template_world import commit, git, make_template, write

from lightloop.config.compose import HEADER, compose_config, to_yaml
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.template.making.answers import make_answers
from lightloop.template.making.beginning import begin
from lightloop.template.making.into import place_into
from lightloop.template.making.render import AUTHORS, render
from lightloop.template.making.start import SCRATCH, start
from lightloop.template.record import RECORD

ANSWERS = {"name": "Churn at Acme", "author": "Acme Ltd", "email": "ml@acme.example", "year": 2026}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "lightloop")


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(template), "project")
    return tmp_path / "project"


def test_a_clone_becomes_a_project(clone: Path, template: Path):
    head = git(clone, "rev-parse", "HEAD").strip()
    write(
        clone, {"data/mine.csv": "1", ".venv/x": "1", ".git/info/exclude": ".idea\n", ".lightloop/runs.jsonl": "{}\n"}
    )
    commit(clone, "ignored", {".gitignore": "/data\n.venv\n/.lightloop/\n"})
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/mine")
    started = start(clone, make_answers(ANSWERS | {"licence": "BSD-3-Clause", "target": "ray"}))
    assert git(clone, "log", "--format=%s").splitlines() == ["Churn at Acme, made from Lightloop 0.2.0"]
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "tag") == ""
    assert git(clone, "remote") == ""
    assert (clone / ".git/info/exclude").read_text() == ".idea\n"
    assert started.history is None, "a remote holds it"
    files = set(git(clone, "ls-files").splitlines())
    assert {"src/churn_at_acme/train.py", "HANDBOOK.md", "LICENSE-template", RECORD} <= files
    assert [name for name in files if "lightloop" in name or "template/making" in name] == []
    assert "CHANGELOG.md" not in files
    assert not (clone / "src/lightloop").exists()
    assert not (clone / SCRATCH).exists()
    # What git never knew is where it was, under the new name where it had the old one.
    assert (clone / "data/mine.csv").exists()
    assert (clone / ".venv/x").exists()
    assert (clone / ".churn-at-acme/runs.jsonl").exists()
    record = json.loads((clone / RECORD).read_text())
    assert (record["template"], record["version"]) == (str(template), "0.2.0")
    assert record["commit"] != head
    assert record["answers"]["name"] == "Churn at Acme"
    assert "Redistribution and use" in (clone / "LICENSE").read_text()
    assert "Copyright (c) 2026 Acme Ltd" in (clone / "LICENSE").read_text()
    assert "The Lightloop authors" in (clone / "LICENSE-template").read_text()
    project = (clone / "pyproject.toml").read_text()
    assert 'name = "churn-at-acme"\nversion = "0.1.0"' in project
    assert 'authors = [{ name = "Acme Ltd", email = "ml@acme.example" }]' in project
    readme = (clone / "README.md").read_text()
    assert readme.startswith("# Churn at Acme\n")
    assert "made from the template Lightloop 0.2.0" in readme.lower().replace("lightloop", "Lightloop")
    with pytest.raises(UsageError, match=r"is a project already \(\.template\.json says so\)"):
        start(clone, make_answers(ANSWERS))


@pytest.mark.parametrize(
    ("answered", "override"),
    [({}, ""), ({"tracking": "none"}, "tracking=none"), ({"entity": "acme"}, "tracking.entity=acme")],
)
def test_params_are_what_the_first_run_would_write(answered: dict[str, str], override: str, tmp_path: Path):
    for name in ("params.yaml", "configs/config.yaml", "configs/tracking/none.yaml", "configs/tracking/wandb.yaml"):
        write(tmp_path, {name: (REPOSITORY / name).read_text()})
    write(tmp_path, {"src/lightloop/errors.py": ""})
    render(tmp_path, make_answers({"name": "Lightloop", "author": AUTHORS} | answered), "0.6.0")
    config = compose_config(Project(REPOSITORY), [override] if override else [])
    assert (tmp_path / "params.yaml").read_text() == HEADER + to_yaml(config)


def test_the_handbook_says_where_the_data_lie(tmp_path: Path):
    lines = [line for line in (REPOSITORY / "README.md").read_text().splitlines() if "storage/" in line]
    assert len(lines) == 2, "a sentence and a line of the layout"
    write(tmp_path, {"README.md": "\n".join(["# Lightloop", *lines, "    tests/    its tests", ""])})
    write(tmp_path, {"src/lightloop/errors.py": ""})
    render(tmp_path, make_answers(ANSWERS | {"remote": "s3://acme/churn"}), "0.6.0")
    text = (tmp_path / "HANDBOOK.md").read_text()
    assert "storage/" not in text
    assert "the data's objects lie in `s3://acme/churn`" in text
    assert "    tests/    its tests\n" in text


def test_history_that_no_remote_holds_is_kept(clone: Path):
    head = commit(clone, "mine alone", {"src/lightloop/mine.py": "X = 1\n"})
    started = start(clone, make_answers(ANSWERS))
    assert (clone / "src/churn_at_acme/mine.py").exists()
    assert started.history == clone / ".git/before-init"
    assert git(clone, f"--git-dir={started.history}", "cat-file", "-t", head) == "commit\n"


def test_what_could_be_lost_is_refused(clone: Path, tmp_path: Path):
    before = sorted(path for path in clone.rglob("*") if ".git/" not in str(path))
    write(clone, {"src/lightloop/new.py": "mine"})
    with pytest.raises(UsageError, match=r"1 files are changed and not committed \(such as src/lightloop/new\.py\)"):
        start(clone, make_answers(ANSWERS))
    (clone / "src/lightloop/new.py").unlink()
    git(clone, "tag", "model@v0.1.0")
    with pytest.raises(UsageError, match=r"has releases \(such as model@v0\.1\.0\), which a new history would lose"):
        start(clone, make_answers(ANSWERS))
    git(clone, "tag", "-d", "model@v0.1.0")
    commit(clone, "ignored", {".gitignore": "/data\n.venv\n/HANDBOOK.md\n"})
    write(clone, {"HANDBOOK.md": "mine"})
    (clone / "HANDBOOK.md").unlink()
    git(clone, "worktree", "add", "-q", str(tmp_path / "tree"))
    with pytest.raises(UsageError, match="is a worktree or submodule: init makes a new history"):
        start(tmp_path / "tree", make_answers(ANSWERS))
    assert [path for path in before if not path.exists()] == []
    assert not (clone / SCRATCH).exists()


def test_outside_of_a_clone_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is not inside a clone of the template: `git clone` it"):
        begin(lambda _: make_answers(ANSWERS), into=None, folder="ml")


def test_the_loop_goes_beside_code_that_is_there(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    other = tmp_path / "other"
    write(other, {"app.py": "print(1)\n", "pyproject.toml": "[project]\n", ".gitignore": "build\n"})
    git(other, "init", "-q", "-b", "main")
    head = commit(other, "app")
    monkeypatch.chdir(clone)
    begin(lambda _: make_answers(ANSWERS), into=other, folder="ml")
    assert "nothing else of" in capsys.readouterr().out
    assert git(other, "status", "--porcelain").splitlines() == ["?? ml/"]
    assert git(other, "rev-parse", "HEAD").strip() == head
    assert (other / "ml/src/churn_at_acme/train.py").exists()
    assert (other / "ml/.template.json").exists()
    assert not (other / "ml/.git").exists()
    assert sorted(path.name for path in other.iterdir()) == [".git", ".gitignore", "app.py", "ml", "pyproject.toml"]
    # The clone is as it was.
    assert git(clone, "status", "--porcelain") == ""
    for folder, sentence in (
        ("ml", "ml is there already: name another folder with --folder"),
        ("../x", "--folder must name a folder inside"),
        ("build", r"build is ignored by .+\.gitignore, so it would never be committed"),
    ):
        with pytest.raises(UsageError, match=sentence):
            place_into(clone, other, folder, make_answers(ANSWERS))
    with pytest.raises(UsageError, match="is the template itself"):
        place_into(clone, clone, "ml", make_answers(ANSWERS))
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="is not a git repository: run `git init` there first"):
        place_into(clone, tmp_path / "plain", "ml", make_answers(ANSWERS))
    with pytest.raises(UsageError, match="is no folder"):
        place_into(clone, tmp_path / "nowhere", "ml", make_answers(ANSWERS))
