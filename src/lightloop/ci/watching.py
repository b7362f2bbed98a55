"""`lightloop ci monitor` and `push-data`: what production brought, and what follows from it."""

from datetime import datetime, timedelta
from pathlib import Path

from lightloop.ci import variables
from lightloop.ci.git import at_remote, introduce, push
from lightloop.ci.outputs import put, run_again, summarise, warn
from lightloop.ci.training import FOLDER
from lightloop.errors import LightloopError, UsageError
from lightloop.monitoring.findings import Monitoring
from lightloop.project import Project
from lightloop.release.history import production
from lightloop.release.repository import changed_files, dvc, git, require_commit, require_repository

BRANCHES = "data/"


def watch(*, window: timedelta | None, collected: timedelta, now: datetime | None = None) -> None:
    """Collect labelled data, look at the log, tell people, and say what is to be done.

    Where the rule says retrain, new data are handed on as a commit on the branch `data/VERSION`, in `ci/data.bundle`.

    Outputs: `act` (nothing, issue, retrain or rollback), `reason`, `branch`, empty where there are no new data.

    Args:
        window: of monitoring; None: what the config says.
        collected: how far back labelled data are collected.
        now: end of the newest window; None: this moment.

    Raises:
        LightloopError: the log can't be read.
    """
    project = Project.find()
    require_repository(project.root)
    base = require_commit(project.root)
    introduce(project.root)
    if production(project) is None:
        return _quiet("nothing stands in production")
    added = _collect(project, collected, now)
    monitoring = _monitor(project, window, now)
    if monitoring is None:
        return _quiet("the log holds nothing yet")
    reason = " ".join("; ".join(monitoring.reasons).split())[:300]
    branch = _hand_on(project, base) if added and monitoring.act == "retrain" else None
    summarise(f"### {monitoring.act.capitalize()}\n\n{reason or 'Nothing was found.'}\n\n{added} new labelled records.")
    return put(act=monitoring.act, reason=reason, branch=branch)


def _collect(project: Project, span: timedelta, now: datetime | None) -> int:
    """How many records are new; what can't be collected stops no monitoring."""
    from lightloop.collection.collect import collect
    from lightloop.collection.said import said

    try:
        found = collect(project, window=span, log=variables.log(), feedback=variables.feedback(), now=now)
    except LightloopError as error:
        warn(f"no data were collected: {error}")
        return 0
    print(said(found), flush=True)
    return sum(found.added.values()) if found.data_version else 0


def _monitor(project: Project, window: timedelta | None, now: datetime | None) -> Monitoring | None:
    """What was found, told to people; None where there is no log yet."""
    from lightloop.config.compose import compose_config
    from lightloop.monitoring.alerts.send import send
    from lightloop.monitoring.monitor import monitor, write_monitoring
    from lightloop.monitoring.said import said
    from lightloop.monitoring.settings import read_settings, span

    log = variables.log()
    if log is not None and "://" not in log and not Path(log).exists():
        return None
    settings = read_settings(project)
    found = monitor(
        project,
        window=window or span(settings.window),
        log=log,
        feedback=variables.feedback(),
        now=now,
        config=settings,
    )
    path = write_monitoring(project, found)
    print(said(found, project.relative(path)), flush=True)
    if found.windows:
        try:
            send(project, compose_config(project), found)
        except LightloopError as error:
            # What is to be done does not wait for a channel that is dead.
            warn(str(error))
    return found


def _hand_on(project: Project, base: str) -> str:
    """Commit the new data, with what DVC holds of them in git, for the job that may push."""
    version = project.data_version()
    if version is None:
        raise UsageError("data.dvc is missing, so that new data can't be handed on: `dvc add` the data")
    branch = f"{BRANCHES}{version.removesuffix('.dir')[:12]}"
    dvc(project.root, "push", "--quiet", "data.dvc")
    folder = project.root / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    git(project.root, "switch", "--quiet", "--force-create", branch)
    new = [name for name in changed_files(project.root) if name == "data.dvc" or name.startswith("storage/")]
    git(project.root, "add", "--all", "--", *new)
    git(project.root, "commit", "--quiet", "--message", "Labelled data from production")
    git(project.root, "bundle", "create", "--quiet", str(folder / "data.bundle"), f"{base}..{branch}")
    return branch


def push_data(branch: str) -> None:
    """Push the branch with new data that `ci monitor` made, in a job that may write.

    The branch is named after its data: where the remote has it, a training with them was asked for before. A job that
    is run again asks for it all the same, since its first attempt may have come no further.

    Output: `new`, whether there is something to train with that was not there before.

    Raises:
        UsageError: there is no such branch in `ci/data.bundle`, or no name of one.
        LightloopError: the remote refuses it.
    """
    project = Project.find()
    source = project.root / FOLDER / "data.bundle"
    if not branch.startswith(BRANCHES) or not source.exists():
        raise UsageError(f"there are no data to push as {branch!r}: `lightloop ci monitor` makes ci/data.bundle")
    git(project.root, "fetch", "--quiet", str(source), f"+refs/heads/{branch}:refs/heads/{branch}")
    new = not at_remote(project.root, f"refs/heads/{branch}") or run_again()
    if new:
        push(project.root, f"refs/heads/{branch}", force=True)
    print(
        f"{branch} is pushed" if new else f"{branch} was pushed before: a training with these data was asked for then"
    )
    put(new=new)


def _quiet(why: str) -> None:
    summarise(f"### Nothing to look at\n\n{why[0].upper()}{why[1:]}.")
    print(f"nothing to look at: {why}")
    put(act="nothing", reason=why, branch=None)
