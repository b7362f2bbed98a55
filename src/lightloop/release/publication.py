"""What must be durable before a version is named: the tree in git, the bundle and the data in the DVC remote."""

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from lightloop.errors import LightloopError, UsageError
from lightloop.files import write_text
from lightloop.project import Project
from lightloop.release.repository import changed_files, dvc, git, git_or_none, some

# What the loop and DVC write themselves, and nothing that a person edits.
OWN = re.compile(r"(dvc\.lock|params\.yaml|data\.dvc|\.gitignore|(artifacts|reports|storage)/.*)")


def publish(project: Project, *, commit: bool, title: str, further: Sequence[str] = ()) -> None:
    """Bring the checked-out state to where others find it: outputs committed, bundle and data pushed by DVC.

    Args:
        project: to publish.
        commit: commit the loop's own outputs, with what DVC pushed into the embedded remote; else the tree must be
            clean before and after.
        title: first line of the commit's message.
        further: outputs that are pushed beside bundle and data.

    Raises:
        UsageError: files are changed that must not be committed here, or the pipeline is not up to date.
        LightloopError: the DVC remote can't be reached. Nothing was committed.
    """
    _refuse_changes(project, commit)
    _refuse_outdated(project)
    _push(project, further)
    changed = changed_files(project.root)
    if not changed:
        return
    if not commit:
        raise UsageError(
            f"`dvc push` made files that must be in git ({some(changed)}): register with `--commit`, or commit them"
        )
    git(project.root, "add", "--all", "--", *changed)
    body = "Made by Lightloop: outputs of the loop, and what DVC holds of them in storage/."
    git(project.root, "commit", "--quiet", "--message", title, "--message", body)


def publish_candidate(project: Project, digest: str, *, title: str) -> None:
    """Commit a candidate with everything that registering its commit elsewhere needs; push it to the DVC remote.

    Beside bundle and data that is what the gate reads: it judges again before a promotion, perhaps in another clone.
    And the report, for people.

    Args:
        project: after a whole run.
        digest: of its bundle.
        title: first line of the commit's message.

    Raises:
        UsageError: files are changed that are not the loop's own, or the pipeline is not up to date.
        LightloopError: the DVC remote can't be reached. Nothing was committed.
    """
    from lightloop.release.sbom import write_sbom

    write_sbom(project, project.bundle, project.sbom)
    keep_card(project, digest)
    publish(project, commit=True, title=title, further=[*judged_files(project), project.relative(project.reports)])


def judged_files(project: Project) -> list[str]:
    """What the gate reads and DVC holds, beside bundle and data."""
    return [project.relative(project.root / "artifacts" / "compressed"), project.relative(project.predictions)]


def keep_card(project: Project, digest: str) -> None:
    """Put the model card where the release's commit takes it along; a card of another bundle is none of this one.

    Args:
        project: whose `reports/model-card.md` to keep as `artifacts/model-card.md`.
        digest: of the bundle that is released.
    """
    text = project.model_card.read_text(encoding="utf-8") if project.model_card.exists() else ""
    if digest in text:
        write_text(project.released_card, text)
    else:
        project.released_card.unlink(missing_ok=True)


def _refuse_changes(project: Project, commit: bool) -> None:
    changed = changed_files(project.root)
    foreign = [name for name in changed if not OWN.fullmatch(name)]
    if foreign:
        raise UsageError(
            f"a version names a commit, but {some(foreign)} {'is' if len(foreign) == 1 else 'are'} not committed: "
            "commit or stash that first (`--commit` takes the loop's own outputs only)"
        )
    if changed and not commit:
        raise UsageError(
            f"a version names a commit, but outputs of the loop are not committed ({some(changed)}): "
            "register with `--commit`, or commit them"
        )
    if commit and git_or_none(project.root, "symbolic-ref", "--quiet", "HEAD") is None:
        raise UsageError("no branch is checked out, so that a commit would belong to none: `git switch` to one first")


def _refuse_outdated(project: Project) -> None:
    """The commit names the bundle through dvc.lock, so that must describe what lies there."""
    changed = outdated(project)
    if changed:
        raise UsageError(
            f"the pipeline is not up to date ({some(changed)}): run `lightloop run`, then register what it made"
        )


def outdated(project: Project, *, without: Collection[str] = ()) -> list[str]:
    """The stages up to the gate that dvc.lock does not describe as they are now, sorted.

    Files that are not here are no change: a fresh clone lacks what DVC holds, and what is in git says enough.

    Args:
        project: whose pipeline.
        without: dependencies whose changes do not count.
    """
    answer = json.loads(dvc(project.root, "status", "--with-deps", "--json", "gate"))
    return sorted(name for name, parts in answer.items() if any(_changed(project, one, without) for one in parts))


def _changed(project: Project, change: Any, without: Collection[str]) -> bool:
    """Whether one entry of `dvc status` is more than a file that is not here."""
    if not isinstance(change, dict):  # such as "changed command"
        return True

    def absent(name: str, state: str) -> bool:
        # DVC says "deleted" where its cache has the file, and "not in cache" where it has not, or has another one.
        return state == "deleted" or (state == "not in cache" and not (project.root / name).exists())

    entries = [entry for part in change.values() for entry in part.items()]
    return any(name not in without and not absent(name, state) for name, state in entries)


def _push(project: Project, further: Sequence[str]) -> None:
    data = ["data.dvc"] if (project.root / "data.dvc").exists() else []
    targets = [project.relative(project.bundle), *further, *data]
    try:
        dvc(project.root, "push", "--quiet", *targets)
    except LightloopError as error:
        raise LightloopError(
            f"bundle and data could not be pushed to the DVC remote, so that nobody else could fetch this version "
            f"({error}): see `dvc remote list`, then register again; no tag was made"
        ) from None
