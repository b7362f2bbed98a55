"""What `lightloop init` does and says."""

from collections.abc import Callable
from pathlib import Path

from lightloop.errors import UsageError
from lightloop.template.making.answers import EMBEDDED, Answers
from lightloop.template.making.naming import TEMPLATE
from lightloop.template.making.start import SCRATCH, finish_started, require_clone, start


def begin(ask: Callable[[Path], Answers], *, into: Path | None, folder: str) -> None:
    """Make a project, and say what to type next.

    Args:
        ask: answers, for the clone at a folder.
        into: another repository that gets the loop; None makes the clone itself the project.
        folder: for the loop in that repository.

    Raises:
        UsageError: the clone or the repository is not in a state for it.
    """
    root = clone_root()
    if finish_started(root):
        print("the project was half in its place; now it is whole")
        return
    require_clone(root)
    if into is not None:
        from lightloop.template.making.into import place_into

        placed = place_into(root, into, folder, ask(root))
        print(f"{placed.files} files lie in {placed.folder}; nothing else of {placed.repository} was touched")
        for line in placed.todo:
            print(f"  {line}")
        return
    answers = ask(root)
    print(f"making {answers.name} of the template", flush=True)
    started = start(root, answers)
    print(f"{answers.name}: {started.files} files, a history of one commit")
    if started.history is not None:
        print(f"the template's history, which no remote holds, is kept in {started.history.relative_to(root)}")
    print("next:")
    print("  make run     # makes the environment anew, under the new name, and runs the loop")
    print("  make test")
    print("  git remote add origin URL && git push --set-upstream origin HEAD")
    if answers.remote != EMBEDDED:
        page = "" if answers.minimal else " (docs/remote.md)"  # the small project has no docs/
        print(f"data lie in {answers.remote}: workflows need rights there{page}")


def clone_root() -> Path:
    """The template's folder around the current one.

    Raises:
        UsageError: there is none.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / SCRATCH).is_dir() or (folder / "src" / TEMPLATE.package).is_dir():
            return folder
    raise UsageError(f"{here} is not inside a clone of the template: `git clone` it, and change into the clone")
