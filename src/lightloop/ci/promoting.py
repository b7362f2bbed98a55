"""`lightloop ci promote` and `give-back`: the registry's tags, written by a workflow."""

from lightloop.ci.git import introduce, push
from lightloop.ci.outputs import put, run_again, summarise, warn
from lightloop.ci.publishing import publish_release
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.project import Project
from lightloop.release import registry
from lightloop.release.history import PRODUCTION, Release, assignments, in_stage, json_at, releases
from lightloop.release.publication import judged_files
from lightloop.release.repository import dvc, git, require_commit, require_repository


def promote(*, stage: str) -> Release | None:
    """Have the gate judge the model of the checked-out commit again; register and promote it, and push the tags.

    A commit without a judged model, or with the one that stands there already, is left alone. A run that is run again
    goes on where its first attempt was broken off: what that one promoted is told once more, so that it is deployed.

    Outputs: `tag` of the stage, empty where nothing was promoted, and `version`.

    Args:
        stage: of the registry.

    Raises:
        RefusedError: the gate refuses the model.
        UsageError: a clone that lacks tags, or a commit whose data, config or code are others than the model's.
        LightloopError: bundle or data can't be fetched, or the remote refuses the tags.
    """
    project = Project.find()
    require_repository(project.root)
    commit = require_commit(project.root)
    introduce(project.root)
    judged = json_at(project.root, commit, project.relative(project.gate))
    if judged is None:
        _nothing("this commit holds no model that was judged")
        return None
    known = releases(project)
    present = in_stage(known, stage)
    if present is not None and present.digest == judged["bundle_digest"]:
        if run_again() and present.commit == commit:
            fetch_judged(project)
            return _promoted(project, present, stage)
        _nothing(f"its model is {present.version}, which stands in {stage} already")
        return None
    release = next((one for one in known if one.digest == judged["bundle_digest"]), None)
    if release is not None and _stood(project, release, stage):
        # Whoever rolled it back had a reason; a later commit on the branch must not undo that.
        _nothing(f"its model is {release.version}, which stood in {stage} before: promote it by hand")
        return None
    fetch_judged(project)
    judge_again(project)
    if release is None:
        release = registry.register(project)
    release = registry.promote(project, stage=stage, version=release.version)
    push(project.root, f"refs/tags/{release.tag}", f"refs/tags/{stage_tag(project, stage)}")
    return _promoted(project, release, stage, f" (before: {present.version})" if present else "")


def _promoted(project: Project, release: Release, stage: str, before: str = "") -> Release:
    """Say what stands in a stage, to people and to the steps that follow."""
    publish_release(project, release)
    summarise(f"### {release.version} stands in {stage}\n\n{release.message.splitlines()[0]}{before}.")
    print(f"{release.version} stands in {stage}{before}")
    put(tag=stage_tag(project, stage), version=release.version)
    return release


def fetch_judged(project: Project) -> None:
    """Fetch what the gate reads at the checked-out commit: bundle, answers, data."""
    targets = [project.relative(project.bundle), *judged_files(project)]
    targets += ["data.dvc"] if (project.root / "data.dvc").exists() else []
    try:
        dvc(project.root, "pull", *targets)
    except LightloopError as error:
        raise LightloopError(
            f"the model of this commit can't be fetched ({error}): was it made by `lightloop ci train`, and is it the "
            "same DVC remote (`dvc remote list`)?"
        ) from None


def judge_again(project: Project) -> None:
    """Have the gate judge again, against what stands in production now.

    Raises:
        RefusedError: it refuses.
        UsageError: its verdict is another than the one in git: production changed in between.
    """
    from lightloop.config.compose import read_params
    from lightloop.release.champion import write_champion
    from lightloop.stages.gate import gate

    write_champion(project)
    path = project.relative(project.gate)
    try:
        gate(read_params(project), project)
        if git(project.root, "status", "--porcelain", "--", path).strip():
            raise UsageError(
                "the gate judges this model otherwise than when it was trained, since another one stands in production "
                "now: start the retrain workflow, which compares with that one"
            )
    except RefusedError as error:
        summarise(f"### Not promoted\n\n{error}.")
        raise
    finally:
        # What is registered is what was merged.
        git(project.root, "checkout", "--quiet", "--", path, project.relative(project.comparison))


def give_back(*, tag: str | None, stage: str) -> None:
    """After a failed deployment: put the version before into the stage again, and push that.

    Outputs: `tag` of the stage, empty where nothing was given back, and `version`.

    Args:
        tag: that was to be deployed; where the stage changed since then, nothing is done. None gives back whatever
            stands there.
        stage: of the registry.
    """
    project = Project.find()
    require_repository(project.root)
    introduce(project.root)
    if tag is not None and tag != stage_tag(project, stage):
        print(f"{tag} stands in {stage} no longer: nothing is given back")
        return put(tag=None, version=None)
    try:
        release = registry.rollback(project, stage=stage)
    except UsageError as error:
        warn(f"the stage could not be given back: {error}")
        return put(tag=None, version=None)
    new = stage_tag(project, stage)
    push(project.root, f"refs/tags/{new}")
    summarise(f"### {release.version} stands in {stage} again\n\nWhat stood there was given back.")
    print(f"{release.version} stands in {stage} again")
    return put(tag=new, version=release.version)


def stage_tag(project: Project, stage: str) -> str:
    """The tag by which the stage was given last.

    Raises:
        UsageError: nothing stands there.
    """
    given = [event["ref"] for event in assignments(project.root) if event["stage"] == stage]
    if not given:
        raise UsageError(f"nothing stands in {stage}: `lightloop ci promote` puts a version there")
    return str(given[-1])


def _stood(project: Project, release: Release, stage: str) -> bool:
    return release.version in _given(project, stage)


def _given(project: Project, stage: str) -> list[str]:
    """The versions that were put into a stage, the oldest first."""
    return [str(event["version"]) for event in assignments(project.root) if event["stage"] == stage]


def came_back(project: Project, release: Release, stage: str = PRODUCTION) -> bool:
    """Whether a release stood in its stage before, and took it back from a later one."""
    *before, now = _given(project, stage)
    order = [one.version for one in releases(project)]  # the highest first
    return now == release.version and now in before and order.index(now) > order.index(before[-1])


def _nothing(why: str) -> None:
    summarise(f"### Nothing to promote\n\n{why[0].upper()}{why[1:]}.")
    print(f"nothing to promote: {why}")
    put(tag=None, version=None)
