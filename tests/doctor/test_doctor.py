"""`lightloop doctor` as a person runs it."""

import json
import shutil

import pytest
from loop_world import command, commit_all

from lightloop.project import Project


@pytest.mark.slow
def test_a_clone_in_which_the_loop_ran_is_well_and_nothing_is_changed(copy: Project):
    commit_all(copy.root, "outputs")
    before = command(copy.root, "git", "status", "--porcelain").stdout
    done = command(copy.root, "lightloop", "doctor", "--json")
    found = json.loads(done.stdout)
    broken = [one for one in found["findings"] if one["state"] == "broken"]
    assert (done.returncode, broken) == (0, []), done.stderr
    names = {(one["area"], one["name"]): one for one in found["findings"]}
    assert names["data", "data"]["state"] == names["data", "results"]["state"] == "ok"
    # The results of this run were not pushed.
    assert names["data", "objects"]["do"] == "dvc push"
    assert command(copy.root, "git", "status", "--porcelain").stdout == before
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_is_broken_ends_with_exit_code_1(copy: Project):
    shutil.rmtree(copy.root / "storage")
    done = command(copy.root, "lightloop", "doctor")
    assert done.returncode == 1
    assert "which is not there" in done.stdout
    assert "-> mount it, or `lightloop remote set storage`" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_data_that_was_not_pulled_is_told(fresh: Project):
    found = json.loads(command(fresh.root, "lightloop", "doctor", "--json").stdout)["findings"]
    (data,) = [one for one in found if (one["area"], one["name"]) == ("data", "data")]
    assert (data["state"], data["do"]) == ("look", "dvc pull data.dvc")
