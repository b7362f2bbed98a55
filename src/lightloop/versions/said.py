"""A difference of data, for a person to read."""

import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightloop.release.repository import some
from lightloop.versions.diff import Difference, Moved, SetDifference

MOST = 15


def print_difference(found: Difference, out: Console | None = None) -> None:
    """Print it: files, then each data set.

    Args:
        found: to be printed.
        out: where to; by default the standard output.
    """
    # Wide enough not to break lines where there is no terminal to ask.
    out = out or Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    if not (found.added or found.changed or found.removed):
        out.print(f"the data are those of {found.revision} ({found.commit[:7]})")
    else:
        out.print(f"against {found.revision} ({found.commit[:7]})")
        for word, files in (("new", found.added), ("changed", found.changed), ("gone", found.removed)):
            if files:
                out.print(Text(f"  {word}: {some(list(files), 5)}"), soft_wrap=True)
    for one in found.sets:
        _print_set(one, out)


def _print_set(one: SetDifference, out: Console) -> None:
    out.print()
    out.print(Text(f"{one.name}{f': {one.note}' if one.note else ''}", "bold"), soft_wrap=True)
    for sentence in one.columns:
        out.print(Text(f"  {sentence}"), soft_wrap=True)
    if one.records:
        parts = ", ".join(f"{part} {then:,} -> {now:,}" for part, (then, now) in one.records.items())
        out.print(f"  records: {parts}; {one.added:,} with new content, {one.removed:,} gone", soft_wrap=True)
    if one.labels:
        labels = ", ".join(f"{label} {then:,} -> {now:,}" for label, (then, now) in list(one.labels.items())[:MOST])
        more = f" and {len(one.labels) - MOST} more" if len(one.labels) > MOST else ""
        out.print(Text(f"  labels: {labels}{more}"), soft_wrap=True)
    clear = [moved for moved in one.moved if moved.clear]
    if clear:
        out.print(_table(clear))
    if one.moved:
        rest = len(one.moved) - len(clear)
        out.print(f"  {rest} of {len(one.moved)} columns are distributed as they were, as far as can be told")


def _table(moved: list[Moved]) -> Table:
    table = Table("column", "moved", "p", "mean", "missing", "new values", box=SIMPLE_HEAD)
    for one in moved[:MOST]:
        table.add_row(
            Text(one.name),
            f"{one.moved:.1%}",
            f"{one.p:.2g}",
            f"{one.mean[0]:.4g} -> {one.mean[1]:.4g}" if one.mean else "",
            f"{one.missing[0]:.1%} -> {one.missing[1]:.1%}" if any(one.missing) else "",
            Text(", ".join(one.new_values[:5]) + ("..." if len(one.new_values) > 5 else "")),
        )
    if len(moved) > MOST:
        table.add_row(f"{len(moved) - MOST} more", "", "", "", "", "--json has them")
    return table
