"""Lightloop: data set in; deployed, explained, monitored, self-retraining model out.

For notebooks: `run = lightloop.load_run()` opens a finished run. Nothing is imported before it is asked for.
"""

import os
from typing import TYPE_CHECKING, Any

# ONNX Runtime reports to its makers what runs where, and leaves an identifier in the home folder, unless it is told not
# to before it is loaded. What a person has set stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from lightloop.runs.opened import load_run
    from lightloop.runs.run import Run

__all__ = ["Run", "load_run"]
LAZY = {"Run": "runs.run", "load_run": "runs.opened"}


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *LAZY])
