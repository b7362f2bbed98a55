"""Evidence files as W&B can show them: single figures and tables, whatever files there are.

No file but those of ELSEWHERE is known by its name: an interval becomes three figures, a list of rows a table, and what
says of itself that it does not apply becomes nothing. So evidence that is added later shows up by itself.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightloop.files import read_json
from lightloop.project import Project

# Of a table, what a browser loads at once; of a file, what one run should hold.
MOST_ROWS, MOST_FIGURES = 1_000, 300
INTERVAL = {"value", "low", "high"}
# Written by the run in another form, or no evidence about the model.
ELSEWHERE = {"metrics.json", "mistakes.json", "result.json", "gate.json"}

Row = dict[str, Any]


def evidence_files(project: Project) -> dict[str, Path]:
    """The evidence files beside the metrics, by the name that their figures begin with."""
    root = project.gate.parent
    files: dict[str, Path] = {}
    for folder in (project.evaluation, root / "audit", project.explanation, root):
        for file in sorted(folder.glob("*.json")):
            if file.name not in ELSEWHERE:
                # What calibration fitted and what evaluation measured of it are files of one name.
                files[file.stem if file.stem not in files else f"{folder.name}/{file.stem}"] = file
    return files


def read_figures(project: Project) -> tuple[dict[str, Any], dict[str, list[Row]]]:
    """The single figures and the tables of all evidence files, by name; the name of each begins with its file's.

    Raises:
        LightloopError: a file is damaged.
    """
    numbers: dict[str, Any] = {}
    tables: dict[str, list[Row]] = {}
    for name, file in evidence_files(project).items():
        content = read_json(file)
        numbers.update(list(figures(content, name))[:MOST_FIGURES])
        tables.update(rows_in(content, name))
    return numbers, tables


def figures(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Numbers and truths in nested dictionaries, by their path.

    Examples:
        >>> dict(figures({"ece": {"value": 0.1, "low": None, "high": 0.2}, "n": 5}, "calibration"))
        {'calibration/ece': 0.1, 'calibration/ece/low': None, 'calibration/ece/high': 0.2, 'calibration/n': 5}
        >>> dict(figures({"applies": False, "why": "nothing is classified"}, "fairness"))
        {}
    """
    if not isinstance(content, Mapping) or content.get("applies") is False:
        return
    for key, value in content.items():
        path = f"{name}/{key}"
        if isinstance(value, Mapping) and set(value) >= INTERVAL:
            yield path, value["value"]
            yield from figures({end: value[end] for end in value if end != "value"}, path)
        elif isinstance(value, Mapping):
            yield from figures(value, path)
        elif key != "applies" and (value is None or isinstance(value, bool | int | float)):
            yield path, value


def rows_in(content: Any, name: str) -> Iterator[tuple[str, list[Row]]]:
    """Lists of dictionaries as tables, by their path; the first one of a file has the file's name alone.

    Examples:
        >>> dict(rows_in({"rows": [{"column": "sex", "accuracy": {"value": 1.0, "low": 0.9, "high": 1.0}}]}, "slices"))
        {'slices': [{'column': 'sex', 'accuracy': 1.0, 'accuracy/low': 0.9, 'accuracy/high': 1.0}]}
    """
    for place, (path, rows) in enumerate(_lists(content, name)):
        yield (path if place else name), [_flat(row) for row in rows[:MOST_ROWS]]
        yield from _inner(rows, path)


def _inner(rows: list[Row], path: str) -> Iterator[tuple[str, list[Row]]]:
    """Tables that stand in the rows of a table, such as the classes of each concept, with whose rows they are."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        whose = {key: row[key] for key in ("id", "name", "column", "level") if key in row}
        for key, inner in row.items():
            if _is_table(inner):
                found.setdefault(key, []).extend({**{f"of {a}": b for a, b in whose.items()}, **one} for one in inner)
    for key, inner in found.items():
        yield f"{path}/{key}", [_flat(row) for row in inner[:MOST_ROWS]]


def _is_table(content: Any) -> bool:
    return isinstance(content, list) and bool(content) and all(isinstance(row, Mapping) for row in content)


def _lists(content: Any, name: str) -> Iterator[tuple[str, list[Row]]]:
    if _is_table(content):
        yield name, content
    elif isinstance(content, Mapping) and content.get("applies") is not False:
        for key, value in content.items():
            yield from _lists(value, f"{name}/{key}")


def _flat(row: Mapping[str, Any], prefix: str = "") -> Row:
    """A row without nesting; lists of values become one cell of text, tables are tables of their own."""
    flat: Row = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and set(value) >= INTERVAL:
            flat |= {name: value["value"], **_flat({end: value[end] for end in value if end != "value"}, f"{name}/")}
        elif isinstance(value, Mapping):
            flat |= _flat(value, f"{name}/")
        elif _is_table(value):
            continue
        elif isinstance(value, list):
            flat[name] = ", ".join(map(str, value))
        else:
            flat[name] = value
    return flat
