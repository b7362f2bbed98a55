"""Releases are annotated git tags, by GTO: which version was made of which commit, and which stands in production.

`champion` asks what stands there before a run; `register` and `promote` write one more tag each.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json, write_json
from lightloop.template.minimal.loop.gate import digest
from lightloop.template.minimal.loop.paths import Project

MODEL, PRODUCTION = "model", "production"
OUTPUTS = ("dvc.lock", "artifacts")  # git knows them; what DVC alone holds it ignores


def champion(project: Project) -> dict[str, Any]:
    """Fetch what stands in production, for the gate to compare with; `version` is None where nothing does."""
    version = _version_in(project, PRODUCTION)
    found = {"version": version, "digest": None}
    if version is not None:
        _fetch(project, version)
        found["digest"] = digest(project.champion_bundle)
    if not project.champion.exists() or read_json(project.champion) != found:
        write_json(project.champion, found)
    return found


def _fetch(project: Project, version: str) -> None:
    """The bundle of a version, from the DVC remote, where another one lies there."""
    known = read_json(project.champion) if project.champion.exists() else {}
    if known.get("version") == version and project.champion_bundle.exists():
        return
    folder = _run(project, "git", "rev-parse", "--show-prefix").stdout.strip()  # of the repository
    command = ["get", ".", f"{folder}artifacts/bundle", "--rev", f"{MODEL}@{version}", "--force", "--quiet"]
    done = _run(project, "dvc", *command, "--out", str(project.champion_bundle))
    if done.returncode:
        raise LightloopError(
            f"the bundle of {version} could not be fetched: check that the DVC remote is reachable (`dvc remote list`) "
            f"and holds it: {_last(done.stderr)}"
        )


def register(project: Project) -> str:
    """Commit the loop's outputs, push them to the DVC remote, and tag the commit as the next version.

    Raises:
        UsageError: other changes are not committed, or the bundle is not the judged one, or is registered already.
        RefusedError: the gate refused it.
        LightloopError: git or DVC failed.
    """
    verdict = read_json(project.gate)
    if digest(project.bundle) != verdict["bundle_digest"]:
        raise UsageError("the gate judged another bundle than the one that lies there: run `lightloop run`")
    if verdict["verdict"] != "accepted":
        failed = next(check for check in verdict["checks"] if not check["passed"])
        raise RefusedError(f"the gate refused this bundle: {failed['message']}")
    if verdict["champion"]["digest"] == verdict["bundle_digest"]:
        raise UsageError(f"this bundle is in production already, as {verdict['champion']['version']}")
    changed = [line[3:] for line in _git(project, "status", "--porcelain", "--untracked-files=all").splitlines()]
    others = [name for name in changed if not name.startswith((*OUTPUTS, "storage/"))]
    if others:
        raise UsageError(f"{others[0]} is changed and not committed: commit it, so that the version can be made again")
    _must(project, "dvc", "push", "--quiet")
    if any(name.startswith(OUTPUTS) for name in changed):
        _git(project, "add", "--", *(name for name in OUTPUTS if (project.root / name).exists()))
        _git(project, "commit", "--quiet", "--message", "Results of the loop")
    if (project.root / "storage").is_dir() and _git(project, "status", "--porcelain", "storage"):
        _git(project, "add", "--", "storage")
        _git(project, "commit", "--quiet", "--message", "Objects of the results")

    from gto import api

    deciding = verdict["checks"][-1]["message"]
    api.register(str(project.root), MODEL, "HEAD", message=f"gate {verdict['verdict']}: {deciding}")
    version = _newest(project)
    print(f"registered {version}")
    return version


def promote(project: Project, version: str | None = None, stage: str = PRODUCTION) -> None:
    """Put a version (default: the one of this commit) into a stage; an older one is how a release is rolled back.

    Raises:
        UsageError: there is no such version or stage, or it stands there already.
    """
    chosen = version or _newest(project, here=True)
    known = [one["version"] for one in releases(project)]
    if chosen not in known:
        raise UsageError(f"there is no version {chosen}: there are {', '.join(known) or 'none'}")
    if _version_in(project, stage) == chosen:
        raise UsageError(f"{chosen} stands in {stage} already: nothing is to be done")

    from gto import api
    from gto.exceptions import GTOException

    try:
        # By force: a version that stood there before may come back.
        api.assign(str(project.root), MODEL, stage, version=chosen, message=f"{chosen} into {stage}", force=True)
    except GTOException as error:
        raise UsageError(f"{chosen} was not promoted: {' '.join(str(error).split())}") from None
    print(f"{chosen} is in {stage}; `git push --follow-tags` publishes it")


def releases(project: Project) -> list[dict[str, str]]:
    """Every version with its stages, the newest first."""
    from gto import api

    if not _git(project, "tag", "--list", f"{MODEL}@*").strip():
        return []
    known: Any = api.show(str(project.root), MODEL)
    return [
        {"version": one["version"], "stages": ", ".join(stage["stage"] for stage in one["stages"])} for one in known
    ]


def _newest(project: Project, *, here: bool = False) -> str:
    """The newest version, or that of this commit."""
    tags = _git(project, "tag", "--list", f"{MODEL}@v*", *(["--points-at", "HEAD"] if here else [])).split()
    names = [tag.partition("@")[2] for tag in tags]
    found = next((one["version"] for one in releases(project) if one["version"] in names), None)
    if found is None:
        raise UsageError("this commit is not registered: `lightloop register` does it")
    return found


def _version_in(project: Project, stage: str) -> str | None:
    return next((one["version"] for one in releases(project) if stage in one["stages"].split(", ")), None)


def _git(project: Project, *words: str) -> str:
    return _must(project, "git", *words)


def _must(project: Project, program: str, *words: str) -> str:
    done = _run(project, program, *words)
    if done.returncode:
        raise LightloopError(f"`{program} {words[0]}` failed: {_last(done.stderr or done.stdout)}")
    return done.stdout


def _run(project: Project, program: str, *words: str) -> "subprocess.CompletedProcess[str]":
    own = Path(sys.executable).parent / program
    command = [str(own) if own.exists() else program, *words]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["it gave no reason"])[-1]
