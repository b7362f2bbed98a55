"""What the data check found, as a table for the terminal."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

Check = dict[str, Any]


def failures_table(failed: list[Check]) -> Table:
    """A row for each expectation that was not met: what was wanted, how many records miss it, some of them, and why.

    Args:
        failed: entries of the `checks` of `result.json`.
    """
    table = Table("", "expectation", "found", "why", box=SIMPLE_HEAD, show_lines=True)
    for column in table.columns:
        column.overflow = "fold"
    for check in failed:
        mark = Text("✗", "bold red") if check["severity"] == "critical" else Text("!", "bold yellow")
        # Text, since a label may look like markup.
        table.add_row(mark, Text(_wanted(check)), Text(_found(check)), Text(check["why"]))
    return table


def _wanted(check: Check) -> str:
    words = check["name"].removeprefix("expect_").removeprefix("column_").removeprefix("table_").replace("_", " ")
    return f"{check['column'] or 'table'}: {words}"


def _found(check: Check) -> str:
    """How many records and some of them, or what was observed where records are not counted."""
    if check["unexpected"] is None:
        observed = check["observed"]
        pairs = observed.items() if isinstance(observed, dict) else [("observed", observed)]
        return "\n".join(f"{name}: {_words(value)}" for name, value in pairs)
    count = "1 record" if check["unexpected"] == 1 else f"{check['unexpected']:,} records"
    rows = [f"{row['id']} ({_words(row['label'])}): {_words(row['value'])}" for row in check["examples"]]
    more = ["..."] if check["unexpected"] > len(rows) else []
    return "\n".join([count, *rows, *more])


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
