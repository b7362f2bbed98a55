"""Tests for monitoring (Breck et al. 2017, section 5)."""

from typing import Any

from lightloop.score.clone import Clone
from lightloop.score.outcome import Outcome, every, looked


def dependencies(clone: Clone) -> Outcome:
    """Monitoring 1."""
    updates = (clone.yaml(".github/dependabot.yml") or {}).get("updates", [])
    watched = {one.get("package-ecosystem") for one in updates}
    return every(
        "Dependabot proposes new versions of packages and actions; every night all tests run on the newest, and a "
        "failure opens an issue",
        (
            {"pip", "github-actions"} <= watched,
            ".github/dependabot.yml does not watch pip and github-actions: restore it",
        ),
        ("schedule" in clone.started_by("nightly"), "nightly.yml has no schedule: restore it"),
        (clone.runs("nightly", "make test-all"), "nightly.yml does not run `make test-all`: restore it"),
        (clone.runs("nightly", "lightloop ci tell"), "nightly.yml tells nobody of a failure: restore its job tell"),
        (clone.there("requirements.lock"), "requirements.lock is missing: `make lock`"),
    )


def invariants(clone: Clone) -> Outcome:
    """Monitoring 2."""
    return looked(
        clone, "what was asked meets the bundle's schema and the suite of the training data", "schema", "suite"
    )


def skew(clone: Clone) -> Outcome:
    """Monitoring 3."""
    parity: dict[str, Any] = clone.json(clone.project.parity) or {}
    checks = clone.judged("parity")
    golden = clone.json(clone.project.bundle / "golden.json")
    difference = parity.get("max_difference")
    bound = clone.config.gate.max_parity_difference
    return every(
        f"the served graph holds the preparation; network and graph differ by {difference or 0:.1e} at most over "
        f"{parity.get('n', 0)} records, and each service repeats golden answers before it is ready",
        (difference is not None, "network and graph were not compared: run `lightloop run`"),
        (difference is not None and difference <= bound, f"network and graph differ by {difference}, beyond {bound}"),
        (checks and all(one["passed"] for one in checks), "the gate did not accept the parity: run `lightloop run`"),
        (golden, "the bundle has no golden records: run `lightloop run`"),
    )


def fresh(clone: Clone) -> Outcome:
    """Monitoring 4."""
    return looked(clone, "the release in production is not too old", "staleness")


def stable(clone: Clone) -> Outcome:
    """Monitoring 5."""
    history = clone.json(clone.project.history) or []
    undefined = [name for row in history for name, value in row.items() if name.endswith("loss") and value is None]
    parity = clone.json(clone.project.parity) or {}
    return every(
        f"no loss of {len(history)} epochs is undefined, a NaN stops a training, and the graph's answers are finite",
        (history, "no training is recorded here: run `lightloop run`"),
        (not undefined, f"{undefined[0] if undefined else ''} was undefined in an epoch: lower optimizer.lr"),
        (parity.get("n"), "no answer of the graph was looked at: run `lightloop run`"),
        (all(one["passed"] for one in clone.judged("parity")), "the graph's answers differ or are not finite"),
    )


def performance(clone: Clone) -> Outcome:
    """Monitoring 6."""
    nightly = clone.runs("nightly", "lightloop ci bench") and "schedule" in clone.started_by("nightly")
    outcome = looked(clone, "", "latency")
    if outcome.state != "holds":
        return outcome
    return every(
        f"every night is measured beside the ones before; in production: {clone.looked('latency')[0]['sentence']}",
        (nightly, "nightly.yml does not run `lightloop ci bench` on a schedule: restore it"),
        (all(one["passed"] for one in clone.judged("latency")), "the gate found the bundle too slow"),
    )


def quality(clone: Clone) -> Outcome:
    """Monitoring 7. Labels say it where there are some; else what the confidence lets expect."""
    kind = "performance" if clone.looked("performance") else "estimated_performance"
    return looked(clone, f"{kind.replace('_', ' ')} on served records is no worse than it was held out", kind)
