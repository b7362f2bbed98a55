"""Bring a project up to a newer version of its template, by a merge of three trees.

The template as it was, with the project's answers; the template as it is, with the same answers; and the project. Git
merges them, so what the project changed is kept, and what both changed is a conflict as git shows conflicts.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightloop.errors import LightloopError, UsageError
from lightloop.template.record import RECORD, Record, read_record, write_record
from lightloop.template.repository import TEMPLATE_IDENTITY, git, git_or_none, last_words, run_git
from lightloop.template.source import commit_in, open_template
from lightloop.template.versions import PACKAGE, Version, choose, notes

# Of the project alone: results, what runs write, and what says what the project is.
OWN: Final = ("artifacts", "reports", "dvc.lock", "params.yaml", RECORD)
OWN_OF_MADE: Final = ("README.md", "LICENSE", "LICENSE-template")
DATA: Final = ("data.dvc", "storage")
# Written by a command from other files: after a conflict the template's is taken, and the command run again.
GENERATED: Final = {
    "requirements.lock": "make lock",
    "deploy/requirements.lock": "make lock",
    "docs/components.md": "{command} list --markdown > docs/components.md",
}


@dataclass(frozen=True)
class Updated:
    """What came of an update.

    Attributes:
        before: version that the project had.
        after: version that it has when the merge is committed.
        conflicts: files in which git left both sides.
        changed: how many files differ from the project's last commit.
        todo: commands to run afterwards.
        notes: what the changelog says of each version between.
    """

    before: Version
    after: Version
    conflicts: tuple[str, ...]
    changed: int
    todo: tuple[str, ...]
    notes: tuple[tuple[Version, str], ...]


def update(
    root: Path, *, to: str | None = None, since: str | None = None, address: str | None = None
) -> Updated | None:
    """Merge a newer version of the template into a project; the result is staged, and nothing is committed.

    Args:
        root: of the project, the top folder of its repository.
        to: version to update to; None is the newest.
        since: version that the project is made from, where it has no `.template.json`.
        address: of the template; None is the one that `.template.json` names.

    Returns:
        what came of it; None where the project has that version already.

    Raises:
        UsageError: the project is not one, has changes that are not committed, or a version does not exist.
        LightloopError: the template can't be reached, or git can't merge. The project is as it was.
    """
    _require_clean(root)
    record = _record(root, since, address)
    with _scratch(root) as scratch:
        template = open_template(record.template or "", scratch, root)
        before, after = Version.read(record.version), choose(template.versions, to)
        old, new = commit_in(template, record.commit, before), template.versions[after]
        if after < before:
            raise UsageError(
                f"the project is made from {before}, which is newer than {after}: versions are not taken back"
            )
        if old == new:
            return None
        base, theirs = scratch / "base", scratch / "theirs"
        template.tree(old, base, record.answers, before)
        template.tree(new, theirs, record.answers, after)
        data = _leave_own(root, (base, theirs), made=record.answers is not None and set(record.answers) != {"name"})
        conflicts = _merge(root, base, theirs, scratch)
        taken = _take_generated(root, conflicts)
        address = record.template if record.template else template.address
        write_record(root, Record(address, str(after), new, record.answers))
        git(root, "add", "--force", "--", RECORD)
        left = tuple(path for path in conflicts if path not in taken)
        _write_message(root, before, after, left)
        said = notes(template.changes(), before, after)
        changed = _changed(root, "HEAD")
        return Updated(before, after, left, len(changed), _todo(root, changed, taken, data=data), tuple(said))


def _require_clean(root: Path) -> None:
    if git_or_none(root, "rev-parse", "--show-toplevel") is None:
        raise UsageError(
            f"{root} is not a git repository: an update is a merge, so the project must be committed first"
        )
    if git_or_none(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise UsageError(f"{root} has no commit yet: commit the project first")
    changed = git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        raise UsageError(
            f"{len(changed)} files are changed and not committed (such as {changed[0][3:]}): commit them first, "
            "so that the update can be told from them"
        )


def _record(root: Path, since: str | None, address: str | None) -> Record:
    record = read_record(root)
    if record is None:
        if since is None:
            raise UsageError(
                f"{root} has no {RECORD}, so nobody knows what it is made from: say --from VERSION, "
                "the template's version at the time when it was cloned"
            )
        record = Record(None, str(Version.read(since)), "", _by_hand(root))
    elif since is not None:
        raise UsageError(f"{RECORD} says that the project is made from {record.version}: leave --from out")
    if address or record.template:
        return Record(address or record.template, record.version, record.commit, record.answers)
    raise UsageError(f"{RECORD} does not say where the template lies: say --template URL")


def _by_hand(root: Path) -> dict[str, Any] | None:
    """The name of a project that was renamed without `init`; None where it still has the template's."""
    packages = sorted(path.parent.name for path in (root / "src").glob("*/project.py"))
    if len(packages) != 1:
        raise UsageError(
            f"{root}/src must hold the project's one package (with project.py), but holds {packages or 'none'}"
        )
    if packages[0] == PACKAGE:
        return None
    # As the package's first line writes it, if that is the same name.
    said = re.match(r'"""([^:\n]+):', _text(root / "src" / packages[0] / "__init__.py") or "")
    title = said[1] if said else ""
    fits = "_".join(re.findall(r"[A-Za-z0-9]+", title)).lower() == packages[0]
    return {"name": title if fits else packages[0].replace("_", "-")}


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A folder inside `.git`, where nothing looks for the project's files; gone in the end, whatever happens."""
    found = Path(git(root, "rev-parse", "--absolute-git-dir").strip()) / "template-update"
    shutil.rmtree(found, ignore_errors=True)  # of an update that was killed
    found.mkdir()
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


def _leave_own(root: Path, trees: tuple[Path, Path], *, made: bool) -> bool:
    """Take from both trees what is the project's alone; return whether data of the template's are left out, too.

    The template's data come along for as long as the project has not changed them.
    """
    same = _text(root / "data.dvc") == _text(trees[0] / "data.dvc")
    gone = (*OWN, *(OWN_OF_MADE if made else ()), *(() if same else DATA))
    new_data = not same and _text(trees[0] / "data.dvc") != _text(trees[1] / "data.dvc")
    for tree in trees:
        if same:
            _keep_objects_of_data(tree)
        for name in gone:
            path = tree / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return new_data


def _keep_objects_of_data(tree: Path) -> None:
    """Of `storage/`, what `data.dvc` needs: the rest are results of the template's own runs."""
    objects = tree / "storage/files/md5"
    pointer = _text(tree / "data.dvc") or ""
    wanted = set()
    for name in re.findall(r"md5: ([0-9a-f]{32}(?:\.dir)?)", pointer):
        wanted.add(name)
        listing = objects / name[:2] / name[2:]
        if name.endswith(".dir") and listing.exists():
            wanted |= {entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
    for path in sorted(objects.glob("??/*")):
        if path.parent.name + path.name not in wanted:
            path.unlink()


def _merge(root: Path, base: Path, theirs: Path, scratch: Path) -> list[str]:
    """Apply to the project what lies between the two trees; return the files that git could not merge."""
    first = _commit(root, base, scratch, "the template as it was")
    second = _commit(root, theirs, scratch, "the template as it is", first)
    settings = ("-c", "merge.renameLimit=20000", "-c", "merge.conflictStyle=merge", "-c", "core.autocrlf=false")
    done = run_git(root, *settings, "cherry-pick", "--no-commit", "--allow-empty", second)
    conflicts = sorted(_changed(root, "--diff-filter=U"))
    if done.returncode and not conflicts:
        said = last_words(done)
        _restore(root)
        raise LightloopError(f"git can't merge the update ({said}): move such files away; the project is as it was")
    return conflicts


def _restore(root: Path) -> None:
    git(root, "reset", "--quiet", "--merge")


def _commit(root: Path, tree: Path, scratch: Path, message: str, *parents: str) -> str:
    """Put a folder into the project's objects as a commit that no branch holds."""
    index = {"GIT_INDEX_FILE": str(scratch / f"{tree.name}.index")}
    where = ("--git-dir", git(root, "rev-parse", "--absolute-git-dir").strip(), "--work-tree", str(tree))
    git(tree, *where, "-c", "core.autocrlf=false", "-c", "core.safecrlf=false", "add", "--all", "--force", ".", **index)
    written = git(root, "write-tree", **index).strip()
    # The project may be a folder of a repository: there the trees lie, too.
    if place := git(root, "rev-parse", "--show-prefix").strip():
        below = {"GIT_INDEX_FILE": str(scratch / f"{tree.name}.below")}
        git(root, "read-tree", f"--prefix={place}", written, **below)
        written = git(root, "write-tree", **below).strip()
    before = [word for parent in parents for word in ("-p", parent)]
    return git(root, "commit-tree", "--no-gpg-sign", written, *before, "-m", message, **TEMPLATE_IDENTITY).strip()


def _take_generated(root: Path, conflicts: list[str]) -> list[str]:
    """Settle conflicts in files that a command writes anew: the template's side, until it is run."""
    taken = []
    for path in conflicts:
        if path in GENERATED and run_git(root, "checkout", "--theirs", "--", path).returncode == 0:
            git(root, "add", "--", path)
            taken.append(path)
    return taken


def _changed(root: Path, *words: str) -> set[str]:
    """Files of the project that `git diff` names, relative to it."""
    return set(git(root, "diff", "--relative", "--name-only", "-z", *words).split("\0")) - {""}


def _todo(root: Path, changed: set[str], taken: list[str], *, data: bool) -> tuple[str, ...]:
    command = next(iter(sorted(path.parent.name for path in (root / "src").glob("*/project.py"))), PACKAGE)
    found = [GENERATED[path].format(command=command.replace("_", "-")) for path in taken]
    if "pyproject.toml" in changed or "requirements.lock" in changed:
        found.append("make environment")
    if data:
        found.append("data of the template's new experiments did not come along, since data.dvc is the project's own")
    elif "data.dvc" in changed:
        found.append("dvc pull data.dvc")
    return tuple(dict.fromkeys([*found, "make check", "make test"]))


def _write_message(root: Path, before: Version, after: Version, conflicts: tuple[str, ...]) -> None:
    """What `git commit` proposes."""
    remarks = "".join(f"#\t{path}\n" for path in conflicts)
    text = f"Update from version {before} of the template to {after}\n"
    text += f"\n# Conflicts:\n{remarks}" if conflicts else ""
    folder = Path(git(root, "rev-parse", "--absolute-git-dir").strip())
    (folder / "MERGE_MSG").write_text(text, encoding="utf-8")


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
