"""The loop beside the code of a repository that is there already."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lightloop.errors import UsageError
from lightloop.template.making.answers import EMBEDDED, Answers
from lightloop.template.making.naming import TEMPLATE
from lightloop.template.making.start import SCRATCH, make_project
from lightloop.template.repository import export, git_or_none


@dataclass(frozen=True)
class Placed:
    """What was placed.

    Attributes:
        repository: that got it.
        folder: where the loop lies.
        files: how many.
        todo: what the owner decides.
    """

    repository: Path
    folder: Path
    files: int
    todo: tuple[str, ...]


def place_into(root: Path, repository: Path, folder: str, answers: Answers) -> Placed:
    """Write the loop into a folder of its own in another repository; no file of that repository is touched.

    The folder is a project by itself: its own `pyproject.toml`, Makefile, `.dvc` and environment, so that the loop's
    packages never meet those of the code beside it. Nothing is committed.

    Args:
        root: of the template's clone.
        repository: any folder of the other repository.
        folder: for the loop, relative to the repository's top.
        answers: what it becomes.

    Raises:
        UsageError: no repository, the folder is taken, or it lies outside.
    """
    if not repository.is_dir():
        raise UsageError(f"{repository} is no folder: --into names a git repository that is there")
    top = git_or_none(repository, "rev-parse", "--show-toplevel")
    if top is None:
        raise UsageError(f"{repository} is not a git repository: run `git init` there first, so that you can go back")
    home = Path(top.strip())
    if home.resolve() == root.resolve():
        raise UsageError(f"{repository} is the template itself: without --into, init makes a project of it")
    target = (home / folder).resolve()
    if not target.is_relative_to(home.resolve()) or target == home.resolve():
        raise UsageError(f"--folder must name a folder inside {home}, but names {folder}")
    if target.exists():
        raise UsageError(f"{target} is there already: name another folder with --folder, since nothing is written over")
    ignored = git_or_none(home, "check-ignore", "--quiet", str(target.relative_to(home.resolve())))
    if ignored is not None:
        raise UsageError(
            f"{folder} is ignored by {home}/.gitignore, so it would never be committed: name another --folder"
        )
    if answers.remote != EMBEDDED:
        raise UsageError("with --into the data begin in the embedded remote: `remote set` moves them later")
    # Beside the folder, so that the last step is one rename; nobody's, whatever git is asked meanwhile.
    scratch = target.with_name(f"{SCRATCH}-{target.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        (scratch / ".gitignore").write_text("*\n", encoding="utf-8")
        new = scratch / "new"
        export(root, "HEAD", new)
        make_project(root, new, answers)
        files = sum(1 for path in new.rglob("*") if path.is_file())
        new.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Placed(home, target, files, _todo(home, target, answers))


def _todo(home: Path, target: Path, answers: Answers) -> tuple[str, ...]:
    place = target.relative_to(home.resolve()).as_posix()
    lines = [f"cd {place} && make run", f"git add {place} && git commit"]
    if (target / ".github").is_dir():
        lines.append(
            f"GitHub does not read {place}/.github: copy the workflows that you want to .github/ at the top, with"
        )
        page = "" if answers.minimal else " (docs/first-push.md)"  # the small project has no docs/
        lines.append(f"  `defaults: {{run: {{working-directory: {place}}}}}` in each{page}")
    if (home / ".pre-commit-config.yaml").exists():
        lines.append(f"hooks of .pre-commit-config.yaml will look at {place} too: exclude it there if they disagree")
    lines.append(f"the command line is {answers.spelled.command}, made from {TEMPLATE.title}")
    return tuple(lines)
