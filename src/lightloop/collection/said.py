"""What collecting found, as lines for a person."""

from lightloop.collection.collect import Collection


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
    if not found.dry_run:
        lines.append("data.dvc has changed: `dvc push` and `git commit data.dvc` publish it, `lightloop run` learns it")
    return "\n".join(lines)


def counts(found: dict[str, int]) -> str:
    """Names with their numbers.

    Examples:
        >>> counts({"train": 2, "test": 1})
        'train 2, test 1'
    """
    return ", ".join(f"{name} {count}" for name, count in found.items())
