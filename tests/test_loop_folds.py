"""Folds and seeds in the whole loop: one run, killed in the middle and run again; then released as an ensemble."""

import pytest
from loop_world import evidence, kill, processes_in, run_small, start_small, wait_until

from lightloop.files import read_json
from lightloop.project import Project

pytestmark = pytest.mark.slow
WORDS = ["network=mlp", "explain=gradients", "folds=2", "seeds=2"]


def test_one_run_with_folds_and_seeds(fresh: Project):
    running = start_small(fresh.root, *WORDS)
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
    before = evidence(fresh)
    assert "none: everything was up to date" in run_small(fresh.root, *WORDS).stdout
    # Other folds measure anew, and leave the network that is released as it is.
    fewer = run_small(fresh.root, *WORDS[:-1])
    assert "folds done in" in fewer.stdout
    assert "train done in" not in fewer.stdout
    assert "none: everything was up to date" in run_small(fresh.root, *WORDS).stdout
    assert evidence(fresh) == before
    # The members released as one: the same trainings, with one preprocessing.
    released = run_small(fresh.root, *WORDS, "ensemble=mean")
    assert released.returncode == 3, released.stdout + released.stderr
    assert read_json(fresh.training_summary)["members"] == 4
    assert read_json(fresh.parity)["different_predictions"] == 0
