"""Tests for infrastructure (Breck et al. 2017, section 4)."""

from lightloop.score.clone import Clone
from lightloop.score.outcome import Outcome, every, tested


def reproducible(clone: Clone) -> Outcome:
    """Infrastructure 1."""
    locked = (clone.yaml("dvc.lock") or {}).get("stages", {})
    lost = [name for name in clone.stages if name not in locked]
    return every(
        f"the seed is {clone.config.seed}; dvc.lock has the hashes of code, data and results of {len(locked)} stages; "
        "a test trains twice and compares",
        (locked, "dvc.lock is missing or empty: run `lightloop run`"),
        (not lost, f"dvc.lock knows nothing of the stage {lost[0] if lost else ''}: run `lightloop run`"),
        (clone.tracked("dvc.lock"), "dvc.lock is not committed as it is: register, or commit it"),
        (clone.there("requirements.lock"), "requirements.lock is missing: `make lock`"),
        (
            "def test_two_trainings_give_the_same_bytes" in clone.text("tests/training/test_fit.py"),
            "no test compares the bytes of two trainings: restore tests/training/test_fit.py",
        ),
        tested(clone),
    )


def unit(clone: Clone) -> Outcome:
    """Infrastructure 2."""
    network = clone.config.network.name
    return every(
        f"every network, {network} with it, is built by tests, and every name of the config is trained by one",
        (clone.there("tests/networks/test_networks.py"), "tests/networks/test_networks.py is missing: restore it"),
        (
            f'"{network}"' in clone.text("tests/network_examples.py"),
            f"no test builds network={network}: add an example",
        ),
        # of feature: image
        (clone.there("tests/training/test_every_name.py"), "tests/training/test_every_name.py is missing: restore it"),
        # end
        tested(clone),
    )


def integrated(clone: Clone) -> Outcome:
    """Infrastructure 3."""
    return every(
        "ci.yml runs the whole loop and the rehearsal of the workflows on every push; the tests run it on small data",
        (clone.runs("ci", "make run"), "ci.yml does not run `make run`: restore it"),
        (clone.runs("ci", "make rehearse"), "ci.yml does not run `make rehearse`: restore it"),
        (clone.there("tests/test_loop.py"), "tests/test_loop.py is missing: restore it"),
        tested(clone),
    )


def gated(clone: Clone) -> Outcome:
    """Infrastructure 4."""
    release = clone.in_production
    return every(
        f"{release.version if release else ''} stands in production and the gate accepted it; promote.yml judges again",
        (clone.gate, "nothing was judged here: run `lightloop run`"),
        (clone.runs("promote", "lightloop ci promote"), "promote.yml does not run `lightloop ci promote`: restore it"),
        (release, "nothing stands in production: `lightloop register` and `lightloop promote`"),
        (
            release is not None and release.verdict == "accepted",
            f"{release.version if release else ''} stands in production against the gate's verdict: roll it back",
        ),
    )


def debugged(clone: Clone) -> Outcome:
    """Infrastructure 5."""
    found = clone.json(clone.project.explanation_result) or {}
    records = found.get("records", [])
    debug = [
        name for name in ("fast_dev_run", "limit", "overfit", "profile") if clone.there(f"configs/debug/{name}.yaml")
    ]
    return every(
        f"{len(records)} records are explained one by one; the service explains any (`/v1/explain`); "
        f"debug={'|'.join(debug)} steps through a training",
        (records, "no single record was explained: run `lightloop run` with explain"),
        (clone.there("artifacts/bundle/explanation.npz"), "the bundle can't explain its answers: run `lightloop run`"),
        (len(debug) == 4, "configs/debug lacks a way to step through a training: restore it"),
    )


def canaried(clone: Clone) -> Outcome:
    """Infrastructure 6."""
    golden = clone.json(clone.project.bundle / "golden.json")
    deploys = [step for step in clone.steps("deploy", "deploy") if "lightloop ci deploy" in str(step.get("run", ""))]
    asked = any("CANARY" in step.get("env", {}) and "$CANARY" in step["run"] for step in deploys)
    return every(
        "a release answers its golden records before it is ready, then a share of the requests, before it has all",
        (golden, "the bundle has no golden records: run `lightloop run`"),
        (deploys, "deploy.yml does not run `lightloop ci deploy`: restore it"),
        (asked, "deploy.yml passes no canary's share on: restore CANARY"),
        (clone.there("tests/service/test_slots.py"), "tests/service/test_slots.py is missing: restore it"),
        tested(clone),
    )


def rolled_back(clone: Clone) -> Outcome:
    """Infrastructure 7."""
    job = clone.workflow("deploy").get("jobs", {}).get("give-back", {})
    earlier = [one for one in clone.releases if one.verdict == "accepted"]
    return every(
        f"a failed deployment gives the stage back, and `lightloop rollback` does; there are {len(earlier)} versions",
        ("failure()" in str(job.get("if", "")), "deploy.yml has no job give-back that runs on failure: restore it"),
        (
            clone.runs("deploy", "lightloop ci give-back"),
            "deploy.yml does not run `lightloop ci give-back`: restore it",
        ),
        (
            clone.runs("monitor", "lightloop ci give-back", "rollback"),
            "monitor.yml rolls nothing back: restore its job",
        ),
        (len(earlier) > 1, "there is no earlier accepted version to go back to: register and promote a second one"),
    )
