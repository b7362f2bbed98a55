"""Keeping out of a process that answers what no answer needs."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa

PANDAS = "pandas"


class _Absent:
    """A finder that knows of no pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == PANDAS:
            raise ModuleNotFoundError(f"{PANDAS} is kept out here", name=PANDAS)
        return None


def keep_pandas_out() -> bool:
    """Let pyarrow look for pandas once without finding it: it would load it (0.5 s) for the first list of values.

    For processes of ours alone, before the first array is made: pyarrow does not look again, so that `pa.array` of a
    pandas Series takes it for any list. Importing pandas still works, and so does `to_pandas`.

    Returns:
        Whether pandas is out; it is not where it is loaded already.
    """
    if PANDAS in sys.modules:
        return False
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
    return PANDAS not in sys.modules
