"""Folders of class folders with images or texts. No torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightloop.adoption.model import Finding, FolderFile, Form, Place
from lightloop.adoption.stored import part_of
from lightloop.config.data import Part
from lightloop.data.image.records import IMAGE_SUFFIXES
from lightloop.errors import UsageError

TEXT_SUFFIXES = (".txt",)
SUFFIXES: Mapping[str, tuple[str, ...]] = {"images": IMAGE_SUFFIXES, "texts": TEXT_SUFFIXES}
# What systems leave in folders.
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
SHOWN = 5


def files_below(path: Path) -> list[Path]:
    """The files below a folder in the order of their names, without hidden ones and what systems leave there."""
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") or part in LITTER for part in file.relative_to(path).parts)
    )


def form_of(files: Sequence[Path]) -> Form | None:
    """Whether most files are images or texts; None where none is either."""
    counts: Counter[Form] = Counter()
    for file in files:
        suffix = file.suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            counts["images"] += 1
        elif suffix in TEXT_SUFFIXES and file.stem.casefold() not in ("readme", "license", "licence"):
            counts["texts"] += 1
    return counts.most_common(1)[0][0] if counts else None


def open_folder(path: Path, form: Form) -> tuple[dict[Part, Place], tuple[Finding, ...]]:
    """The parts of a folder: itself, or folders in it that are named train, validation and test.

    Raises:
        UsageError: images or texts do not lie in class folders, or one class alone has some.
    """
    parts: dict[Part, Path] = {}
    for folder in sorted(one for one in path.iterdir() if one.is_dir()):
        part = part_of(folder.name)
        if part is not None and part not in parts and any(file.parent != folder for file in _wanted(folder, form)):
            parts[part] = folder
    others = [
        one
        for one in path.iterdir()
        if one.is_dir() and one not in parts.values() and not one.name.startswith(".") and _wanted(one, form)
    ]
    # A class may be called so: then folders that are no part stand beside it.
    if "train" not in parts or others:
        parts = {"train": path}
    places: dict[Part, Place] = {part: Place((folder,)) for part, folder in parts.items()}
    findings = []
    for part, folder in parts.items():
        loose = [file for file in _wanted(folder, form) if file.parent == folder]
        found = class_files(folder, form)
        classes = {file.label for file in found}
        if part == "train" and len(classes) < 2:
            having = f"{len(found)} {form} of {'one class' if classes else 'no class'}"
            raise UsageError(f"{folder} holds {having}: expected one folder a class, at least two, with {form} in them")
        if loose:
            findings.append(
                Finding(
                    "files without a class",
                    "warning",
                    (),
                    f"{len(loose)} {form} of {folder} lie in no class folder",
                    "they are left out; move them into the folder of their class",
                    tuple(file.name for file in loose[:SHOWN]),
                )
            )
    unread = [file for file in files_below(path) if file.suffix.lower() not in SUFFIXES[form]]
    if unread:
        kinds = ", ".join(sorted({file.suffix.lower() or "no suffix" for file in unread})[:SHOWN])
        findings.append(
            Finding(
                "other files",
                "note",
                (),
                f"{len(unread)} files of {path} are no {form} ({kinds})",
                "they are left out",
                tuple(file.relative_to(path).as_posix() for file in unread[:SHOWN]),
            )
        )
    return places, tuple(findings)


def class_files(folder: Path, form: Form) -> tuple[FolderFile, ...]:
    """The files below class folders with their labels, in the order of their names."""
    return tuple(
        FolderFile(file, file.relative_to(folder).parts[0]) for file in _wanted(folder, form) if file.parent != folder
    )


def _wanted(folder: Path, form: Form) -> list[Path]:
    return [file for file in files_below(folder) if file.suffix.lower() in SUFFIXES[form]]
