"""Folds and seeds in the whole loop: one run, killed in the middle and run again; then released as an ensemble."""

import pytest
from loop_world import evidence, kill, processes_in, run_small, start_small, wait_until

from lightloop.files import read_json
from lightloop.project import Project

pytestmark = pytest.mark.slow
WORDS = ["network=mlp", "explain=gradients", "folds=2", "seeds=2"]


def test_a_run_that_was_killed_goes_on_with_the_members_that_are_left(fresh: Project):
    with start_small(fresh.root, *WORDS) as running:
        members = fresh.scratch / "members"
        wait_until(lambda: len(list(members.glob("*/scored.json"))) >= 2)
        for pid in processes_in(fresh.root):
            kill(pid)
        running.communicate(timeout=60)
    kept = {path: path.stat().st_mtime_ns for path in members.glob("*/member.ckpt")}
    assert len(kept) >= 2
    done = run_small(fresh.root, *WORDS)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "2 folds x 2 seeds" in done.stdout
    assert "95% interval" in done.stdout
    assert "REFUSED" in done.stdout, "two epochs on 270 images pass no gate"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was trained is not trained again"
    assert len(read_json(fresh.folds_result)["members"]) == 4


def test_folds_measure_and_leave_the_released_network_as_it_is(fresh: Project):
    run_small(fresh.root, *WORDS)
    before = evidence(fresh)
    fewer = run_small(fresh.root, *WORDS[:-1])
    assert "folds done in" in fewer.stdout
    assert "train done in" not in fewer.stdout
    assert "none: everything was up to date" in run_small(fresh.root, *WORDS).stdout
    assert evidence(fresh) == before


def test_members_are_released_as_one(fresh: Project):
    done = run_small(fresh.root, *WORDS, "ensemble=mean")
    assert done.returncode == 3, done.stdout + done.stderr
    assert read_json(fresh.training_summary)["members"] == 4
    assert read_json(fresh.parity)["different_predictions"] == 0
    assert (fresh.reports / "index.html").exists()
