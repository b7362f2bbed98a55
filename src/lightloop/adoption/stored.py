"""Tables in Arrow's own forms: Parquet files, and folders that the datasets library of Hugging Face saved. No torch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lightloop.adoption.model import Place
from lightloop.config.data import Part
from lightloop.errors import UsageError

INFO, STATE, SPLITS = "dataset_info.json", "state.json", "dataset_dict.json"
# What people call the parts, in names of files and folders.
PART_NAMES: Mapping[str, Part] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "eval"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
}


def part_of(name: str) -> Part | None:
    """The part that a file or folder is of, by its name.

    Examples:
        >>> part_of("train-00000-of-00001.parquet"), part_of("X_TEST.csv"), part_of("contest.csv")
        ('train', 'test', None)
    """
    words = "".join(character if character.isalpha() else " " for character in name.casefold()).split()
    return next((PART_NAMES[word] for word in words if word in PART_NAMES), None)


def is_datasets_folder(path: Path) -> bool:
    """Whether the datasets library saved this folder."""
    return (path / SPLITS).exists() or ((path / STATE).exists() and any(path.glob("*.arrow")))


def open_datasets(path: Path) -> tuple[dict[Part, Place], dict[str, Any]]:
    """The parts of a saved dataset, or of a dictionary of them, and what is said of the columns.

    Raises:
        UsageError: a description or a file of it is missing or broken, or the splits have names of their own.
    """
    if not (path / SPLITS).exists():
        return {"train": Place(_arrow_files(path))}, _features(path)
    names = _json(path / SPLITS).get("splits", [])
    places: dict[Part, Place] = {}
    for name in names:
        part = part_of(name)
        if part is None or part in places:
            if len(names) > 1:
                raise UsageError(
                    f"{path} has the splits {', '.join(names)}: expected train, validation and test; "
                    f"give one by its folder, such as {path / name}"
                )
            part = "train"
        places[part] = Place(_arrow_files(path / name))
    if "train" not in places:
        raise UsageError(f"{path} has no train split (it has {', '.join(names) or 'none'}): give one by its folder")
    return places, _features(path / names[0])


def read_arrow(paths: Sequence[Path]) -> pa.Table:
    """Arrow files, of streams or of random access, one after the other.

    Raises:
        UsageError: one can't be read.
    """
    tables = []
    for path in paths:
        try:
            with pa.memory_map(str(path)) as source:
                try:
                    tables.append(pa.ipc.open_stream(source).read_all())
                except pa.ArrowInvalid:
                    tables.append(pa.ipc.open_file(source).read_all())
        except (pa.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"{path} is not a whole Arrow file ({reason}): save the dataset anew") from None
    return pa.concat_tables(tables, promote_options="permissive")


def read_parquet(paths: Sequence[Path]) -> pa.Table:
    """Parquet files, one after the other.

    Raises:
        UsageError: one can't be read.
    """
    tables = []
    for path in paths:
        try:
            tables.append(pq.ParquetFile(path).read())
        except (pa.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"{path} is not a whole Parquet file ({reason}): write it anew") from None
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"the files of {paths[0].parent} do not have the same columns ({reason})") from None


def parquet_features(path: Path) -> dict[str, Any]:
    """What the datasets library wrote of the columns into a Parquet file; empty where it did not write it."""
    try:
        metadata = pq.ParquetFile(path).schema_arrow.metadata or {}
        return dict(json.loads(metadata[b"huggingface"])["info"]["features"])
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
        return {}


def _arrow_files(path: Path) -> tuple[Path, ...]:
    named = [path / one["filename"] for one in _json(path / STATE).get("_data_files", [])]
    files = named or sorted(path.glob("*.arrow"))
    absent = [file for file in files if not file.exists()]
    if absent or not files:
        raise UsageError(f"{absent[0] if absent else path} is missing or holds no .arrow file: save the dataset anew")
    return tuple(files)


def _features(path: Path) -> dict[str, Any]:
    if not (path / INFO).exists():
        return {}
    return dict(_json(path / INFO).get("features") or {})


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read ({error}): save the dataset anew") from None
    return found if isinstance(found, dict) else {}
