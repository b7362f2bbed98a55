"""Experiments of the template that a project does not want: their configs, and their data."""

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from lightloop.errors import UsageError
from lightloop.template.making.needing import drop_tests
from lightloop.template.slim.docs import cut_page

# Every experiment that any version of the template brought. Others are the project's own, made by `lightloop adopt`.
DEMOS: tuple[str, ...] = ("co2", "fashion", "fashion-gan", "loans", "loans-fast", "loans-two-heads", "spam")
_FOLDERS: tuple[str, ...] = ("co2", "fashion", "loans", "spam")  # of their data, below `data/`
# What `scripts/` makes data of; those of a data set go with it.
_SCRIPTS: Final = {"fashion": "draw_fashion.py", "co2": "make_co2.py", "loans": "make_loans.py", "spam": "make_spam.py"}
_OBJECTS: Final = "storage/files/md5"


def gone_experiments(root: Path, kept: Collection[str]) -> list[str]:
    """The template's experiments in the tree that are not kept.

    Args:
        root: of the tree.
        kept: names; those that this version does not have are passed over.

    Raises:
        UsageError: one that is kept stands on one that is not.
    """
    there = {path.stem for path in (root / "configs/experiment").glob("*.yaml")}
    gone = [name for name in DEMOS if name in there and name not in kept]
    for name in sorted(there - set(gone)):
        for below in sorted(_bases(root, name)):
            if below in gone:
                raise UsageError(f"the experiment {name} stands on {below}: keep both, or leave both out")
    return gone


def drop_data(root: Path) -> list[str]:
    """Leave data that nothing reads any more out of `data.dvc` and `storage/`, with results of the template's own runs.

    Args:
        root: of a tree with `data.dvc`, from which experiments are gone already. Data that are not the template's stay.

    Returns:
        folders below `data/` that are no longer part of the data.
    """
    (root / "dvc.lock").unlink(missing_ok=True)
    pointer = root / "data.dvc"
    if not pointer.exists():
        return []
    dropped = set(_FOLDERS) - _read_folders(root)
    text = pointer.read_text(encoding="utf-8")
    digest = re.search(r"md5: ([0-9a-f]{32})\.dir", text)
    objects = root / _OBJECTS
    if digest is None or not (listing := objects / digest[1][:2] / f"{digest[1][2:]}.dir").exists():
        return []
    entries = json.loads(listing.read_text(encoding="utf-8"))
    left = [entry for entry in entries if entry["relpath"].partition("/")[0] not in dropped]
    # As DVC writes it: its hash is the name.
    content = json.dumps(left, sort_keys=True).encode()
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    _keep_only(objects, {entry["md5"] for entry in left})
    target = objects / name[:2] / f"{name[2:]}.dir"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    size = sum((objects / one["md5"][:2] / one["md5"][2:]).stat().st_size for one in left)
    text = re.sub(r"md5: [0-9a-f]{32}\.dir", f"md5: {name}.dir", text)
    text = re.sub(r"(?m)^( *)size: \d+$", rf"\g<1>size: {size}", text)
    text = re.sub(r"(?m)^( *)nfiles: \d+$", rf"\g<1>nfiles: {len(left)}", text)
    pointer.write_text(text, encoding="utf-8")
    return sorted(dropped)


def drop_experiments(root: Path, kept: Collection[str]) -> None:
    """Leave out configs of experiments that are not kept, with what only they name, and tests that run on them.

    Raises:
        UsageError: one that is kept stands on one that is not.
    """
    gone = gone_experiments(root, kept)
    if not gone:
        return
    unneeded = _unneeded(root, gone)
    groups = _named_by(root, gone) - _named_by(root, _experiments(root) - set(gone))
    removed = {("experiment", name) for name in gone}
    for name in gone:
        (root / f"configs/experiment/{name}.yaml").unlink()
    for group, option in sorted(groups):
        if option in DEMOS:
            (root / f"configs/{group}/{option}.yaml").unlink(missing_ok=True)
            removed.add((group, option))
    _unlist(root, removed)
    _cut_pages(root, gone, [_SCRIPTS[name] for name in unneeded if name in _SCRIPTS])
    for name in gone:
        for path in (f"configs/sweep/{name}.yaml", f"configs/audit/{name}.yaml"):
            (root / path).unlink(missing_ok=True)
    drop_tests(root, gone, unneeded)
    for folder in unneeded:
        (root / f"configs/expectations/{folder}.json").unlink(missing_ok=True)
        script = _SCRIPTS.get(folder, "")
        (root / "scripts" / script).unlink(missing_ok=True) if script else None
        (root / "tests/scripts" / f"test_{script}").unlink(missing_ok=True) if script else None


def _unlist(root: Path, removed: Collection[tuple[str, str]]) -> None:
    """Take options out of the page that lists all of them, as `lightloop list --markdown` would write it."""
    page = root / "docs/components.md"
    if page.exists():
        names = "|".join(sorted(re.escape(f"{group}={option}") for group, option in removed))
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(rf"`(?:{names})` | `(?:{names})`(?=\n)", "", text), encoding="utf-8")


def _cut_pages(root: Path, gone: Collection[str], scripts: Collection[str]) -> None:
    """Cut rows about experiments that are gone out of pages, and commands that would run them or make their data."""
    names = "|".join(map(re.escape, gone))
    said = [re.compile(rf"^\| `(?:{names})` \|"), re.compile(rf"experiment=(?:{names})(?![\w-])")]
    said += [re.compile(rf"scripts/{re.escape(script)}") for script in scripts]
    for path in [*root.glob("*.md"), *sorted((root / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        if path.name != "CHANGELOG.md" and any(one.search(line) for one in said for line in text.splitlines()):
            path.write_text(cut_page(text, said), encoding="utf-8")


def _experiments(root: Path) -> set[str]:
    return {path.stem for path in (root / "configs/experiment").glob("*.yaml")}


def _bases(root: Path, name: str) -> set[str]:
    """Experiments that one is written on top of."""
    defaults = _yaml(root / f"configs/experiment/{name}.yaml").get("defaults", [])
    return {entry for entry in defaults if isinstance(entry, str) and entry != "_self_"}


def _named_by(root: Path, experiments: Iterable[str]) -> set[tuple[str, str]]:
    """Group and option of everything that experiments name in their defaults."""
    found = set()
    for name in experiments:
        for entry in _yaml(root / f"configs/experiment/{name}.yaml").get("defaults", []):
            if isinstance(entry, dict):
                found |= {(key.removeprefix("override ").strip("/ "), str(value)) for key, value in entry.items()}
    return found


def _data_folders(root: Path, experiments: Iterable[str]) -> set[str]:
    """Folders below `data/` that experiments read."""
    found = set()
    for group, option in _named_by(root, experiments):
        if group == "data" and (config := root / f"configs/data/{option}.yaml").exists():
            found |= set(re.findall(r"\bdata/([\w-]+)", config.read_text(encoding="utf-8")))
    return found


def _unneeded(root: Path, gone: Collection[str]) -> set[str]:
    return _data_folders(root, gone) - _data_folders(root, _experiments(root) - set(gone))


def _read_folders(root: Path) -> set[str]:
    """Folders below `data/` that any config of the tree names."""
    named = sorted((root / "configs/data").glob("*.yaml")) or [root / "params.yaml", root / "dvc.yaml"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in named if path.exists())
    return set(re.findall(r"\bdata/([\w-]+)", text))


def _keep_only(objects: Path, names: Collection[str]) -> None:
    for path in sorted(objects.glob("??/*")):
        if path.parent.name + path.name not in names:
            path.unlink()
    for folder in sorted(objects.glob("??")):
        if not any(folder.iterdir()):
            shutil.rmtree(folder)


def _yaml(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return content if isinstance(content, dict) else {}


def holds(root: Path, folder: str) -> bool:
    """Whether `storage/` holds every file of a folder below `data/`, as `data.dvc` has it."""
    pointer = re.search(r"md5: ([0-9a-f]{32})\.dir", (root / "data.dvc").read_text(encoding="utf-8"))
    if pointer is None:
        return False
    listing = root / _OBJECTS / pointer[1][:2] / f"{pointer[1][2:]}.dir"
    known = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
    files = [path for path in (root / "data" / folder).rglob("*") if path.is_file()]
    return all(
        hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        == known.get(path.relative_to(root / "data").as_posix())
        for path in files
    )
