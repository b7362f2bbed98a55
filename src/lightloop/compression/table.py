"""The trade-off as a table on the terminal."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from lightloop.compression.speed import told
from lightloop.config.metrics import METRICS

Row = Mapping[str, Any]


def print_table(content: Row, speed: Row) -> None:
    """Print a row a way: size, milliseconds, the metric and its change with interval, calibration, agreement.

    Args:
        content: of compression.json.
        speed: of compression_speed.json.
    """
    unit = METRICS[content["metric"]].title
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "graph", "bundle", "1 record", "64 records", unit, "change", _calibration(content), "same", ""):
        table.add_column(title, justify="left" if title == "" else "right")
    first = content["candidates"][0]
    for row in content["candidates"]:
        if row["why"]:
            continue
        spent = speed["milliseconds"][row["name"]]
        test = row["test"]
        table.add_row(
            row["name"],
            _times(row["bytes"]["graph"], first["bytes"]["graph"], 1e3, "kB"),
            f"{row['bytes']['bundle'] / 1e3:,.0f} kB",
            *(_times(spent[size], speed["milliseconds"][first["name"]][size], 1, "ms") for size in ("1", "64")),
            number(test["metric"]["value"]),
            "" if row is first else _change(test["difference"]),
            number((test["calibration"] or {}).get("value")),
            "" if row is first else f"{test['agreement']:.1%}",
            "released" if row["chosen"] else "" if row["passes"] else "loses too much",
        )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for row in content["candidates"]:
        if row["why"]:
            console.print(f"{row['name']} does not apply: {row['why']}", soft_wrap=True)
    able = told(speed["processor"]["features"])
    console.print(
        f"{content['n']['test']:,} test records, change with {content['confidence']:.0%} bounds; chosen on "
        f"{content['n']['validation']:,} validation records, where a loss of {number(content['max_loss'])} is allowed "
        f"({content['source']})\n"
        f"{speed['threads']} thread, median of {speed['rounds']}; the processor has {able}",
        soft_wrap=True,
    )


def _calibration(content: Row) -> str:
    return METRICS["ece"].title if content["calibration"] == "ece" else "coverage"


def _times(value: float, first: float, divisor: float, unit: str) -> str:
    """A value with how many times smaller it is than the network's."""
    shown = f"{value / divisor:,.0f}" if divisor > 1 else f"{value:.3f}"
    return f"{shown} {unit}" + (f" ({first / value:.2f}x)" if value != first else "")


def _change(difference: Row) -> str:
    if difference["value"] is None:
        return "undefined"
    return f"{difference['value']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]"


def number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
