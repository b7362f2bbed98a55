"""Tests for model development (Breck et al. 2017, section 3)."""

from typing import Any

from lightloop.score.clone import Clone
from lightloop.score.outcome import Outcome, every, looked


def reviewed(clone: Clone) -> Outcome:
    """Model 1."""
    loose = [path for path in ("params.yaml", "configs", "dvc.yaml") if not clone.tracked(path)]
    permissions = clone.workflow("retrain").get("jobs", {}).get("propose", {}).get("permissions", {})
    proposes = clone.runs("retrain", "lightloop ci propose", "propose") and permissions.get("pull-requests") == "write"
    release = clone.in_production or next(iter(clone.releases), None)
    return every(
        f"configs, params.yaml and dvc.yaml are in git; {release.version if release else ''} names its commit, and a "
        "retraining comes as a pull request",
        (not loose, f"{loose[0] if loose else ''} is not committed as it is: commit it"),
        (proposes, "the job propose of retrain.yml opens no pull request: restore it"),
        (release, "no version is registered: run `lightloop register`"),
    )


def online(clone: Clone) -> Outcome:
    """Model 2."""
    compared = [one for one in clone.looked("performance") if one.get("value") is not None]
    outcome = looked(clone, "", "performance")
    if outcome.state != "holds":
        return outcome
    said = compared[0]["sentence"] if compared else ""
    return every(
        f"the metric of production stands beside that of the held-out records: {said}",
        (compared, "the monitoring has no figure of production's own metric: send feedback to the service"),
    )


def tuned(clone: Clone) -> Outcome:
    """Model 3."""
    path = f"configs/sweep/{clone.config.data.name}.yaml"
    sweep = clone.yaml(path) or {}
    experiment = _experiment(clone)
    chosen = any(word in experiment.lower() for word in ("chosen by", "lightloop sweep"))
    return every(
        f"`lightloop sweep` searches {len(sweep.get('space', {}))} settings of {path}; the experiment says how its own "
        "were chosen",
        (sweep.get("space"), f"{path} is missing or names no space: say there what `lightloop sweep` searches"),
        (sweep.get("trials", 0) > 1, f"{path} asks for one trial at most: set trials"),
        (
            chosen,
            f"the experiment {clone.config.name} does not say how its settings were chosen: run `lightloop sweep`",
        ),
    )


def _experiment(clone: Clone) -> str:
    """The file of the experiment that was run last, and those that its defaults name."""
    folder = clone.project.configs / "experiment"
    texts = {one.stem: one.read_text(encoding="utf-8") for one in sorted(folder.glob("*.yaml"))}
    found = next((stem for stem, text in texts.items() if f"\nname: {clone.config.name}\n" in f"{text}\n"), None)
    told, seen = "", set()
    while found in texts and found not in seen:
        seen.add(found)
        told += texts[found]
        defaults = (clone.yaml(f"configs/experiment/{found}.yaml") or {}).get("defaults") or []
        found = next((one for one in defaults if isinstance(one, str) and one != "_self_"), None)
    return told


def stale(clone: Clone) -> Outcome:
    """Model 4."""
    by_age: dict[str, Any] = clone.json(clone.project.audit / "staleness.json") or {}
    older: dict[str, Any] = clone.json(clone.project.comparison) or {}
    ages = by_age.get("ages", []) if by_age.get("applies") else []
    seen = (
        f"models of {len(ages)} ages were held against today's records"
        if ages
        else "the champion, trained earlier, was held against today's records"
    )
    return every(
        seen,
        (
            len(ages) > 1 or older.get("applies"),
            "nobody knows what an older model is worth today: promote a version and retrain (the champion is then "
            "compared), or audit data that have a time",
        ),
        ("schedule" in clone.started_by("retrain"), "retrain.yml has no schedule, so that age has no bound: add one"),
    )


def simple(clone: Clone) -> Outcome:
    """Model 5. With a champion the gate compares with that one, and the evaluation with the simple model."""
    checks = clone.judged("baseline")
    if checks:
        return every(checks[0]["message"], (all(one["passed"] for one in checks), checks[0]["message"]))
    found = (clone.json(clone.project.metrics) or {}).get("better_than_baseline") or {}
    low = found.get("low")
    said = f"{found.get('metric')} is better than the baseline's by at least {low} (negative: worse)"
    return every(
        said,
        (low is not None, "nobody compared with a simple model: run `lightloop run`"),
        (low is not None and low > 0, f"a simple model may be better: {said}"),
    )


def sliced(clone: Clone) -> Outcome:
    """Model 6."""
    slices = clone.json(clone.project.slices) or {}
    rows, found = slices.get("rows", []), slices.get("found", {})
    checks = [*clone.judged("further"), *clone.judged("protected")]
    failed = [one["message"] for one in checks if not one["passed"]]
    return every(
        f"{len(rows)} groups of named columns were measured with intervals, and an error tree looked for others "
        f"({len(found.get('slices', []))} found)",
        (slices.get("applies"), "no slice was looked at: run `lightloop run`"),
        (rows or found.get("applies"), "no slice was found or named: give columns the role slice"),
        (not failed, failed[0] if failed else ""),
    )


def inclusion(clone: Clone) -> Outcome:
    """Model 7. Where no column is sensitive, a person has to say why not."""
    fairness = clone.json(clone.project.fairness)
    if fairness is None:
        return Outcome(state="fails", why="nothing was compared between groups of people: run `lightloop run`")
    if fairness.get("applies"):
        names = [one["column"] for one in fairness["columns"]]
        checks = clone.judged("protected")
        failed = [one["message"] for one in checks if not one["passed"]]
        return every(
            f"gaps between the groups of {', '.join(names[:5])} were measured with intervals",
            (names, "the fairness evidence names no column: run `lightloop run` anew"),
            (not failed, failed[0] if failed else ""),
        )
    factors = clone.config.card.factors
    if factors:
        return Outcome(state="manual", why=f"no column is sensitive; the model card says of people: {factors}")
    return Outcome(
        state="owed",
        why="no column has the role sensitive: name some, or say in the card (card.factors) why none is",
    )
