"""A source as a folder of `data/`: linked where it is used as it is, Parquet where it is not. The source is read.

A hard link takes no room, and can't harm the source: `dvc add` puts a copy of its own into the workspace. Only where
DVC is told to link its cache by hard links it would make the source's file read-only, so there it is copied.
"""

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sized
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.progress import track

from lightloop.adoption.model import FolderFile, Guess, Source
from lightloop.adoption.reading import folder_files, labelled, linkable, read_whole
from lightloop.config.data import Part
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.repository import dvc

PARTS: tuple[Part, ...] = ("train", "validation", "test")
# Records of a class in one file, so that it is in all three splits.
LEAST_TO_DIVIDE = 5
PROGRESS_FROM = 2_000


@dataclass
class Placed:
    """What lies in the folder of the data set.

    Attributes:
        files: by part, relative to the folder.
        classes: that are left, in the order of the outputs.
        records: by part.
        linked, copied, written: files that are links, copies and Parquet.
        left_out: why records of the source are not part of the data set, with their number.
    """

    files: dict[Part, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    records: dict[Part, int] = field(default_factory=dict)
    linked: int = 0
    copied: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def place(project: Project, source: Source, guess: Guess, folder: Path, corrupt: frozenset[str]) -> Placed:
    """Put the source into a folder, in the form that the data layer reads.

    Args:
        project: whose DVC says whether links are safe.
        source: that was read.
        guess: of it.
        folder: that does not exist yet; on the file system of the project.
        corrupt: files below the source that hold nothing, as the findings name them.

    Raises:
        LightloopError: a file can't be read or written.
        UsageError: what is left can't be divided or learned.
    """
    folder.mkdir(parents=True)
    placed = Placed(classes=guess.classes)
    may_link = links_are_safe(project)
    try:
        if source.form in ("images", "texts"):
            _place_folders(source, guess, folder, corrupt, placed, may_link=may_link)
        else:
            _place_tables(source, guess, folder, placed, may_link=may_link)
    except (OSError, pa.ArrowException) as error:
        raise LightloopError(
            f"the source can't be taken over ({str(error).splitlines()[0]}): nothing was changed"
        ) from None
    if guess.problem == "classification" and len(placed.classes) < 2:
        raise UsageError(
            f"of the target {guess.target.source!r} {len(placed.classes)} class is left that has "
            f"{_least(placed.files)} records or more: name another column with --target, or bring more records"
        )
    if not placed.records.get("train"):
        raise UsageError("no record is left to be trained on: see the warnings above")
    return placed


def links_are_safe(project: Project) -> bool:
    """Whether DVC leaves a linked file alone: not where its cache is made of hard links."""
    try:
        kinds = dvc(project.root, "config", "cache.type")
    except LightloopError:  # not set
        return True
    return "hardlink" not in kinds


def link_or_copy(source: Path, target: Path, *, may_link: bool) -> bool:
    """Put a file at `target`; whether it is a link.

    Raises:
        FileExistsError: a file stands there. It may be a link, and what is written into it reaches another source file.
    """
    if target.exists():
        raise FileExistsError(f"{target.name} stands there already")
    target.parent.mkdir(parents=True, exist_ok=True)
    if may_link:
        # Another file system, no rights, or one that knows no links.
        with suppress(OSError):
            os.link(source.resolve(), target)
            return True
    shutil.copyfile(source, target)
    return False


def _place_tables(source: Source, guess: Guess, folder: Path, placed: Placed, *, may_link: bool) -> None:
    tables = {part: read_whole(source, guess, part) for part in PARTS if part in source.places}
    kept = _usable(tables, guess, placed)
    for part, table in kept.items():
        placed.records[part] = len(table)
        placed.files[part] = f"{part}.parquet"
        file = folder / placed.files[part]
        if table is tables[part] and linkable(source, guess, part, table):
            linked = link_or_copy(source.places[part].paths[0], file, may_link=may_link)
            placed.linked += linked
            placed.copied += not linked
            continue
        pq.write_table(table, file, compression="zstd")
        placed.written += 1


def _usable(tables: Mapping[Part, pa.Table], guess: Guess, placed: Placed) -> dict[Part, pa.Table]:
    """The records that can be trained and judged on; those that are not are counted."""
    target = guess.target.name
    found: dict[Part, pa.Table] = dict(tables)
    if guess.problem == "forecasting":
        return found
    for part, table in tables.items():
        # Training records without a class are unlabelled: semi and label-next look at them.
        if not (guess.problem == "classification" and part == "train"):
            _keep(found, part, labelled(table.column(target)), "without a target", placed)
    if guess.modality in ("image", "text"):
        name = guess.with_role("feature")[0].name
        for part in tables:
            _keep(found, part, found[part].column(name).is_valid(), "without content", placed)
        _drop_copies(found, name, target, placed)
    if guess.problem == "classification":
        _drop_rare(found, guess, placed)
    return found


def _keep(found: dict[Part, pa.Table], part: Part, rows: pa.ChunkedArray, why: str, placed: Placed) -> None:
    table = found[part]
    kept = int(pc.sum(pc.cast(rows, pa.int64())).as_py() or 0)
    if kept < len(table):
        placed.left_out[why] += len(table) - kept
        found[part] = table.filter(rows)


def _drop_copies(found: dict[Part, pa.Table], name: str, target: str, placed: Placed) -> None:
    """A copy counts twice, and may fall on both sides of the split."""
    seen: dict[bytes, str | None] = {}
    labels: dict[bytes, set[str | None]] = {}
    digests = {part: [_digest(one) for one in _contents(table.column(name))] for part, table in found.items()}
    for part, table in found.items():
        for digest, label in zip(digests[part], table.column(target).to_pylist(), strict=True):
            labels.setdefault(digest, set()).add(label)
    # The test is left as it is, and what it holds goes from the training file.
    for part in ("test", "validation", "train"):
        if part not in found:
            continue
        rows = []
        for digest in digests[part]:
            why = "of one content under two labels" if len(labels[digest]) > 1 else "copies" if digest in seen else None
            seen[digest] = part
            rows.append(why is None)
            if why:
                placed.left_out[why] += 1
        if not all(rows):
            found[part] = found[part].filter(pa.array(rows))


def _contents(column: pa.ChunkedArray) -> list[object]:
    kind = column.type
    if pa.types.is_struct(kind) and "bytes" in [one.name for one in kind]:
        column = pc.struct_field(column, "bytes")
    values: list[object] = column.to_pylist()
    return values


def _digest(content: object) -> bytes:
    return sha256(content if isinstance(content, bytes) else str(content).encode(errors="replace")).digest()


def _drop_rare(found: dict[Part, pa.Table], guess: Guess, placed: Placed) -> None:
    """Classes with too few records to be in each split, with files of their own for the parts to be learned."""
    target, least = guess.target.name, _least(found)
    counts = {one["values"]: one["counts"] for one in pc.value_counts(found["train"].column(target)).to_pylist()}
    placed.classes = tuple(name for name in guess.classes if counts.get(name, 0) >= least)
    # Of all parts, so that one reason is counted once.
    there = {name for table in found.values() for name in pc.unique(table.column(target)).to_pylist() if name}
    gone = sorted(there - set(placed.classes))
    why = f"of classes with too few records ({', '.join(gone[:5])})"
    for part, table in list(found.items()):
        rows = pc.invert(pc.is_in(table.column(target), value_set=pa.array(gone, pa.string())))
        _keep(found, part, rows, why, placed)


def _least(parts: Sized) -> int:
    """Records that a class needs in the training part."""
    return LEAST_TO_DIVIDE if len(parts) == 1 else 2


def _place_folders(
    source: Source, guess: Guess, folder: Path, corrupt: frozenset[str], placed: Placed, *, may_link: bool
) -> None:
    files = {part: list(folder_files(source, part)) for part in PARTS if part in source.places}
    roots = {part: source.places[part].paths[0] for part in files}
    files = _usable_files(files, roots, corrupt, guess, placed)
    total = sum(map(len, files.values()))
    for part, several in files.items():
        placed.files[part] = part
        placed.records[part] = len(several)
        for one in track(several, f"Taking over {part}", transient=True, disable=total < PROGRESS_FROM):
            linked = link_or_copy(one.path, _flat(one, roots[part], folder / part / one.label), may_link=may_link)
            placed.linked += linked
            placed.copied += not linked


def _flat(one: FolderFile, root: Path, folder: Path) -> Path:
    """A free place in the class folder; folders below that of the source become part of the name."""
    name = "__".join(one.path.relative_to(root / one.label).parts)
    place, number = folder / name, 2
    while place.exists():
        place, number = (folder / name).with_stem(f"{Path(name).stem}_{number}"), number + 1
    return place


def _usable_files(
    files: Mapping[Part, list[FolderFile]],
    roots: Mapping[Part, Path],
    corrupt: frozenset[str],
    guess: Guess,
    placed: Placed,
) -> dict[Part, list[FolderFile]]:
    found: dict[Part, list[FolderFile]] = {}
    labels: dict[bytes, set[str]] = {}
    digests: dict[Path, bytes] = {}
    for several in files.values():
        for one in several:
            digests[one.path] = sha256(one.path.read_bytes()).digest()
            labels.setdefault(digests[one.path], set()).add(one.label)
    seen: set[bytes] = set()
    for part in ("test", "validation", "train"):
        kept = []
        for one in files.get(part, []):
            digest = digests[one.path]
            why = _why_not(one, roots[part], corrupt, labels[digest], digest in seen)
            seen.add(digest)
            if why:
                placed.left_out[why] += 1
            else:
                kept.append(one)
        if part in files:
            found[part] = kept
    counts = Counter(one.label for one in found["train"])
    placed.classes = tuple(name for name in guess.classes if counts[name] >= _least(found))
    for part, several in found.items():
        known = [one for one in several if one.label in placed.classes]
        if len(known) < len(several):
            placed.left_out["of classes with too few files"] += len(several) - len(known)
        found[part] = known
    return {part: found[part] for part in PARTS if part in found}


def _why_not(one: FolderFile, root: Path, corrupt: frozenset[str], labels: set[str], seen: bool) -> str | None:
    if one.path.relative_to(root).as_posix() in corrupt or one.path.stat().st_size == 0:
        return "that can't be read, or are empty"
    if len(labels) > 1:
        return "of one content under two labels"
    return "copies of another one" if seen else None
