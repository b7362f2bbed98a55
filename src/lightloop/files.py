"""Writing so that a reader never meets half a file, and reading with errors for people."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightloop.errors import LightloopError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` when the block ends well.

    The caller creates a file or a folder at the temporary path. When the block raises, `path` is as it was. What a
    process that was killed left beside `path` is removed.

    Examples:
        >>> target = Path(tempfile.mkdtemp()) / "out.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*-*"):
        if not alive(left.name.removeprefix(f".{path.name}.").partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.{os.getpid()}-", dir=path.parent))
    try:
        temporary = scratch / path.name
        yield temporary
        if path.is_dir() and not path.is_symlink():
            path.rename(scratch / "old")
        temporary.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def alive(process: str) -> bool:
    """Whether the process of that number runs; what is no number is nobody's."""
    if not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def write_text(path: Path, text: str) -> bool:
    """Write `text` whole or not at all; an unchanged file is left alone. Return whether anything was written."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def write_json(path: Path, content: Any) -> None:
    """Write JSON that people can read and git can compare: two spaces, keys as given, no NaN.

    Raises:
        ValueError: `content` holds NaN or an infinity. What is undefined is written as None, never as a number.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of ours.

    Raises:
        LightloopError: the file is missing or not whole; says which stage makes it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LightloopError(f"{path} is missing: run `lightloop run`, which makes it") from None
    except json.JSONDecodeError as error:
        raise LightloopError(f"{path} is not valid JSON ({error}): run `lightloop run` to make it anew") from None


def read_json_or(path: Path, otherwise: Any = None) -> Any:
    """Read a JSON file of ours that need not be there.

    Args:
        path: of the file.
        otherwise: what stands for a file that is not there.

    Raises:
        LightloopError: it is there and not whole.

    Examples:
        >>> read_json_or(Path("nowhere.json"), {"members": []})
        {'members': []}
    """
    return read_json(path) if path.exists() else otherwise


def file_size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
