"""What is answered to who adds records."""

from lightloop.adoption.add import Addition
from lightloop.collection.said import counts


def said_addition(found: Addition) -> str:
    """The lines for a person."""
    about = (
        f"{found.records:,} records in the files: {found.known:,} known already, {found.unlabelled:,} without a label"
    )
    lines = [about, *(f"set aside: {count} ({reason})" for reason, count in found.set_aside.items())]
    if found.ignored:
        lines.append(f"not read, since data={found.name} does not name them: {', '.join(found.ignored)}")
    total = sum(found.added.values())
    if not total:
        return "\n".join([*lines, "nothing new: the data are as they were"])
    lines.append(
        f"{'would add' if found.dry_run else 'added'} {total:,} records to {found.name}: {counts(found.added)}"
    )
    if found.labels:
        lines.append(f"labels: {counts(found.labels)}")
    if not found.dry_run:
        lines.append(
            "data.dvc has changed: `lightloop data diff` shows by what, `dvc push` and `git commit data.dvc` publish it"
        )
    return "\n".join(lines)
