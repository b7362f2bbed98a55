"""What collecting found, as lines for a person."""

from lightloop.collection.collect import Collection
from lightloop.collection.outdated import Judgement


def said(found: Collection) -> str:
    """The lines for a person."""
    days = f"{found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"{days}: {found.predictions} predictions in the log, {found.labelled} of them with a label "
        f"({found.collected_before} collected before, {found.known} known already)"
    ]
    lines += [f"set aside: {count} ({reason})" for reason, count in found.set_aside.items()]
    total = sum(found.added.values())
    if not total:
        return "\n".join([*lines, "nothing new: the data are as they were"])
    lines.append(f"{'would add' if found.dry_run else 'added'} {total} records: {counts(found.added)}")
    if found.labels:
        lines.append(f"labels: {counts(found.labels)}")
    lines += holding(found.judgement)
    if not found.dry_run:
        lines.append("data.dvc has changed: `dvc push` and `git commit data.dvc` publish it, `lightloop run` learns it")
    return "\n".join(lines)


def holding(judgement: Judgement | None) -> list[str]:
    """Whether older records still hold, where some do not, or did not until now."""
    if judgement is None or judgement.since is judgement.before is None:
        return []
    since = (
        "all records hold" if judgement.since is None else f"records hold since {judgement.since:%Y-%m-%d %H:%M} UTC"
    )
    left = f", {judgement.left_out} older ones are left out" if judgement.left_out else ""
    if judgement.since == judgement.before:
        return [f"{since}, as before{left}"]
    return [
        f"{since}{left}: on the newest {judgement.judged} the simpler model errs by {judgement.error:.3f}, "
        f"and by {judgement.error_before:.3f} taught by what held until now"
    ]


def counts(found: dict[str, int]) -> str:
    """Names with their numbers.

    Examples:
        >>> counts({"train": 2, "test": 1})
        'train 2, test 1'
    """
    return ", ".join(f"{name} {count}" for name, count in found.items())
