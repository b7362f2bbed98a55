"""An update keeps what the project changed, brings what the template changed, and shows where both did."""

import json
from pathlib import Path

import pytest
from template_world import FIRST, commit, git, make_template, write

from lightloop.errors import LightloopError, UsageError
from lightloop.template.record import RECORD, read_record
from lightloop.template.update import update
from lightloop.template.versions import Version, versions

OWN = {
    "src/churn/networks/mine.py": '"""My network."""\n',
    "src/churn/stages/mine.py": '"""My stage."""\n',
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "lightloop")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Made from the first version, renamed by hand, with typical changes: own network, stage, workflow, setting."""
    root = tmp_path / "project"
    for name, text in FIRST.items():
        write(
            root, {name.replace("lightloop", "churn"): text.replace("lightloop", "churn").replace("Lightloop", "Churn")}
        )
    write(root, OWN)
    git(root, "init", "-q", "-b", "main")
    commit(root, "start")
    commit(
        root,
        "mine",
        {
            "configs/config.yaml": FIRST["configs/config.yaml"].replace("seed: 42", "seed: 7"),
            ".github/workflows/ci.yml": FIRST[".github/workflows/ci.yml"] + "      - run: make mine\n",
        },
    )
    return root


@pytest.mark.slow
def test_what_both_sides_did_is_there(project: Path, template: Path):
    before = git(project, "rev-parse", "HEAD")
    done = update(project, since="0.1.0", address=str(template))
    assert done is not None
    assert (str(done.before), str(done.after), done.conflicts) == ("0.1.0", "0.2.0", ())
    assert [(str(version), text) for version, text in done.notes] == [("0.2.0", "To do: look at `epochs`.")]
    assert "seed: 7" in (project / "configs/config.yaml").read_text()
    assert "epochs: 5" in (project / "configs/config.yaml").read_text()
    assert "make mine" in (project / ".github/workflows/ci.yml").read_text()
    assert "cmd: churn gate" in (project / "dvc.yaml").read_text()
    assert (project / "src/churn/gate.py").read_text() == '"""Judges, by the rule of Churn."""\n'
    assert "Trains better" in (project / "src/churn/train.py").read_text()
    for name, text in OWN.items():
        assert (project / name).read_text() == text
    # Staged, proposed, not committed; one command takes it back.
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "diff", "--name-only") == ""
    assert "Update from version 0.1.0" in (project / ".git/MERGE_MSG").read_text()
    assert read_record(project).version == "0.2.0"
    git(project, "reset", "-q", "--hard")
    assert git(project, "status", "--porcelain") == ""
    assert not (project / "src/churn/gate.py").exists()


@pytest.mark.slow
def test_after_it_the_project_knows_what_it_is_made_from(project: Path, template: Path):
    update(project, since="0.1.0", address=str(template))
    git(project, "commit", "-qam", "updated")
    record = json.loads((project / RECORD).read_text())
    assert record["answers"] == {"name": "Churn"}
    assert record["commit"] == git(template, "rev-parse", "HEAD").strip()
    assert update(project) is None
    with pytest.raises(UsageError, match=r"is made from 0\.2\.0: leave --from out"):
        update(project, since="0.1.0")
    with pytest.raises(UsageError, match=r"0\.2\.0, which is newer than 0\.1\.0: versions are not taken back"):
        update(project, to="0.1.0")
    with pytest.raises(UsageError, match=r"the template has no version 9\.9\.9: it has 0\.1\.0, 0\.2\.0"):
        update(project, to="9.9.9")


@pytest.mark.slow
def test_what_both_changed_is_a_conflict_as_git_shows_it(project: Path, template: Path):
    text = (project / "configs/config.yaml").read_text().replace("epochs: 3", "epochs: 4")
    commit(project, "mine", {"configs/config.yaml": text})
    done = update(project, since="0.1.0", address=str(template))
    assert done.conflicts == ("configs/config.yaml",)
    text = (project / "configs/config.yaml").read_text()
    assert "<<<<<<< HEAD\nepochs: 4\n=======\nepochs: 5 # more\n>>>>>>>" in text
    assert "#\tconfigs/config.yaml" in (project / ".git/MERGE_MSG").read_text()


@pytest.mark.slow
def test_a_lock_that_both_changed_is_the_templates_until_it_is_made_anew(project: Path, template: Path):
    commit(project, "mine", {"requirements.lock": "numpy==1.5\n"})
    done = update(project, since="0.1.0", address=str(template))
    assert done.conflicts == ()
    assert (project / "requirements.lock").read_text() == "numpy==2.0\n"
    assert done.todo[:2] == ("make lock", "make environment")


@pytest.mark.slow
def test_results_and_what_says_what_it_is_stay_the_projects(project: Path, template: Path):
    mine = {"dvc.lock": "mine\n", "params.yaml": "seed: 7\n", "storage/files/md5/aa/bb": "mine", "data.dvc": "mine\n"}
    commit(project, "mine", mine)
    update(project, since="0.1.0", address=str(template))
    for name, text in mine.items():
        assert (project / name).read_text() == text


@pytest.mark.slow
def test_a_project_in_a_folder_of_a_repository_is_updated_there(project: Path, template: Path, tmp_path: Path):
    whole = tmp_path / "whole"
    write(whole, {"app.py": "print(1)\n"})
    git(project, "checkout-index", "-a", f"--prefix={whole}/ml/")
    git(whole, "init", "-q", "-b", "main")
    commit(whole, "start")
    done = update(whole / "ml", since="0.1.0", address=str(template))
    assert done.conflicts == ()
    assert "Trains better" in (whole / "ml/src/churn/train.py").read_text()
    assert {line[3:].split("/")[0] for line in git(whole, "status", "--porcelain").splitlines()} == {"ml"}


def test_what_is_not_committed_is_refused_and_stays(project: Path, template: Path):
    (project / "dvc.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"1 files are changed and not committed \(such as dvc\.yaml\)"):
        update(project, since="0.1.0", address=str(template))
    assert (project / "dvc.yaml").read_text() == "mine"


@pytest.mark.slow
def test_a_file_that_git_does_not_know_is_not_written_over(project: Path, template: Path):
    (project / "src/churn/gate.py").write_text("mine")
    with pytest.raises(LightloopError, match=r"git can't merge the update .+ the project is as it was"):
        update(project, since="0.1.0", address=str(template))
    assert (project / "src/churn/gate.py").read_text() == "mine"
    assert git(project, "diff", "--name-only", "HEAD") == ""
    assert not (project / ".git/template-update").exists()


def test_a_clone_that_was_never_renamed_is_updated_too(tmp_path: Path, template: Path):
    git(tmp_path, "clone", "-q", str(template), "clone")
    clone = tmp_path / "clone"
    git(clone, "reset", "-q", "--hard", "HEAD~1")
    commit(clone, "mine", {"configs/config.yaml": FIRST["configs/config.yaml"].replace("seed: 42", "seed: 7")})
    done = update(clone, since="0.1.0", address=str(template))
    assert (done.conflicts, read_record(clone).answers) == ((), None)
    text = (clone / "configs/config.yaml").read_text()
    assert "seed: 7" in text
    assert "epochs: 5" in text
    assert (clone / "README.md").read_text() == FIRST["README.md"]


def test_versions_are_tags_a_list_or_what_pyproject_said_last(template: Path):
    tip = git(template, "rev-parse", "HEAD").strip()
    first = git(template, "rev-parse", "HEAD~1").strip()
    assert versions(template, tip) == {Version.read("0.1.0"): first, Version.read("0.2.0"): tip}
