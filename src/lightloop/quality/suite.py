"""The expectation suite as data: made once from good data, committed, and from then on what new data has to meet.

Great Expectations itself is imported by `check` alone.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal

from lightloop.errors import UsageError

Suite = dict[str, Any]
Severity = Literal["critical", "warning", "info"]


def load_suite(path: Path) -> Suite:
    """Read a committed suite.

    Raises:
        UsageError: the file is missing, or holds no suite.
    """
    name = f"configs/expectations/{path.name}"
    try:
        suite = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{name} is missing: data.expectations must name a file of that folder") from None
    except ValueError as error:
        raise UsageError(f"{name} is not valid JSON ({error}): restore it from git") from None
    if not isinstance(suite, dict) or not isinstance(suite.get("name"), str) or not suite.get("expectations"):
        raise UsageError(f"{name} holds no suite: expected an object with a name and a list of expectations")
    return suite


def expect(name: str, why: str, *, severity: Severity = "critical", **kwargs: Any) -> Suite:
    """One expectation: `name` without the leading "expect_", why it is there, and its arguments."""
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity, "notes": why}


def down(value: float, digits: int) -> float:
    """Rounded down, so that the value itself is not below it."""
    return math.floor(round(value * 10**digits, 6)) / 10**digits


def up(value: float, digits: int) -> float:
    """Rounded up."""
    return math.ceil(round(value * 10**digits, 6)) / 10**digits
