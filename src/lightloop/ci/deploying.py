"""`lightloop ci resolve`, `image` and `deploy`: from a tag of the registry to a service that answers."""

import os
import re
import time
from pathlib import Path

import httpx

from lightloop.ci import variables
from lightloop.ci.outputs import put, summarise
from lightloop.ci.promoting import came_back, stage_tag
from lightloop.config.serve import CanaryConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.history import PRODUCTION, Release, assignments, find, in_stage, releases
from lightloop.release.repository import git_or_none, require_repository

TAG = re.compile(r"model(@v\d+\.\d+\.\d+[0-9A-Za-z.+-]*|#[a-z][a-z0-9-]*#\d+)")
REGISTRY = "ghcr.io"
IMAGE = "IMAGE"
LOOK = 0.5  # seconds


def resolve(tag: str) -> None:
    """Say what a tag of the registry names. Only here the text of a tag is read.

    Outputs: `version`; `commit` that it was registered at; `stage`, empty for the tag of a version, which is built but
    deployed nowhere; `current`, whether the tag is the last one of its stage.

    Raises:
        UsageError: no tag of the registry.
    """
    project = Project.find()
    require_repository(project.root)
    release, stage = release_of(project, tag)
    current = stage is not None and stage_tag(project, stage) == tag
    put(tag=tag, version=release.version, commit=release.commit, stage=stage, current=current)


def release_of(project: Project, tag: str) -> tuple[Release, str | None]:
    """The release that a tag names, and the stage that it gives.

    Raises:
        UsageError: no tag of the registry.
    """
    if not TAG.fullmatch(tag):
        raise UsageError(f"{tag!r} is no tag of the registry: expected model@v0.1.0 or model#production#1")
    if git_or_none(project.root, "cat-file", "-t", f"refs/tags/{tag}") != "tag\n":
        raise UsageError(f"there is no annotated tag {tag} in this clone: `git fetch --tags` gets those of the remote")
    known = releases(project)
    if tag.startswith("model@"):
        return find(known, tag.removeprefix("model@")), None
    event = next((one for one in assignments(project.root) if one["ref"] == tag), None)
    if event is None:
        raise UsageError(f"GTO does not count {tag} among the registry's tags: see `gto history`")
    return find(known, event["version"]), str(event["stage"])


def deploy(*, tag: str, canary: float | None) -> None:
    """Have what a stage's tag names served on the target, and ask it its golden records.

    The target is what DEPLOY_TARGET says, by default `local`. A tag that is no longer the last one of its stage is
    left alone: the newer one has its own run. On `local`, where another release is served, the new one answers a share
    of the requests first, unless it stood in the stage before; then it is watched, and the step ends when it is watched
    no more (`serve.canary`).

    Outputs: `deployed`, whether something was; `address` of the service.

    Args:
        tag: such as model#production#3.
        canary: share of the requests that the new release answers first; the target `local` alone, where something is
            served already. None: what `serve.canary.share` says; 0: none.

    Raises:
        UsageError: no tag of production.
        RefusedError: the trial went against the new release.
        LightloopError: it does not begin, does not answer as it should, or gave way to the one before, since it did
            worse; what was served is served still, or again.
    """
    project = Project.find()
    require_repository(project.root)
    release, stage = release_of(project, tag)
    if stage != PRODUCTION:
        raise UsageError(f"{tag} puts nothing into {PRODUCTION}: only what stands there is deployed")
    if stage_tag(project, stage) != tag:
        standing = in_stage(releases(project), stage)
        print(f"{tag} is superseded: {standing.version if standing else 'nothing'} stands in {stage} now")
        summarise(f"### Not deployed\n\n`{tag}` is superseded.")
        return put(deployed=False, address=None)
    target = variables.target()
    if target == variables.LOCAL:
        address = _deploy_here(project, release, canary)
        try:
            answered = _smoke(project, release, address)
        except LightloopError:
            # Where it gave way meanwhile, that is what is said.
            _watched(project, release)
            raise
        _watch(project, release)
        summarise(f"### {release.version} is served\n\nAt {address}; {answered} golden records answered as released.")
        return put(deployed=True, address=address)
    from lightloop.deploy.targets import deploy_to

    # A container that runs here is built here; elsewhere the published image is taken, by its digest.
    published = os.environ.get(IMAGE) if target != "container" else None
    named = [f"serve.cluster.image={published}"] if published else []
    deploy_to(target, [*variables.service_settings(), *named])
    summarise(f"### {release.version} is deployed\n\nTarget: {target}.")
    return put(deployed=True, address=None)


def _deploy_here(project: Project, release: Release, canary: float | None) -> str:
    from lightloop.deploy import local
    from lightloop.service.settings import settings_of

    told = variables.service_settings()
    bounds = settings_of(project, told).canary
    told += _trial(bounds)
    share = bounds.share if canary is None else canary
    found = local.health_of(project)
    # The very bundle that is served can't be tried beside itself, and what was there before proved itself then.
    other = found is not None and found[1].current.digest != release.digest
    return local.deploy(project, told, canary=share if share and other and not came_back(project, release) else None)


def _trial(bounds: CanaryConfig) -> list[str]:
    """How a trial by a workflow is judged, where the config leaves that as it is by default.

    Nobody waits for traffic that does not come. And the gate judged the answers by labels: after drift a better model
    answers otherwise than the one that it replaces.
    """
    own = {"few": "take", "max_disagreement": 1.0}
    usual = CanaryConfig()
    return [f"serve.canary.{key}={value}" for key, value in own.items() if getattr(bounds, key) == getattr(usual, key)]


def _watch(project: Project, release: Release) -> None:
    """Wait until the service watches its new release no more.

    Raises:
        LightloopError: it gave way to the one before, or the service ended.
    """
    while (watched := _watched(project, release)) is not None:
        if not watched:
            return
        time.sleep(LOOK)
    raise LightloopError(f"the service of {release.version} ended after it was deployed: see its log")


def _watched(project: Project, release: Release) -> bool | None:
    """Whether the service watches its release still; None where none runs.

    Raises:
        LightloopError: it went back to the release before by itself.
    """
    from lightloop.deploy.local import health_of

    found = health_of(project)
    if found is None:
        return None
    change = found[1].change
    # One that went back to this very release, some time ago, speaks for it.
    if change is not None and change.what == "return" and change.version != release.version:
        raise LightloopError(f"{release.version} gave way to {change.version}: {change.why}")
    return found[1].watched is not None


def _smoke(project: Project, release: Release, address: str) -> int:
    """Ask the service whether its public address answers, and its golden records by the private socket.

    What comes by that needs no key, and is no traffic: neither the log nor the objectives count it.
    """
    from lightloop.deploy.local import running
    from lightloop.deploy.released import fetched
    from lightloop.deploy.smoke import SECONDS, smoke
    from lightloop.service.processes.state import ServiceFolder

    named = running(project)
    if named is None:
        raise LightloopError(f"the service of {release.version} ended right after it was deployed: see its log")
    answered = smoke(ServiceFolder(Path(named.folder)).private, fetched(project, release))
    try:
        ready = httpx.get(f"{address}/health/ready", timeout=SECONDS)
    except httpx.HTTPError as error:
        raise LightloopError(f"the service does not answer at {address} ({error})") from None
    if not ready.is_success:
        raise LightloopError(f"the service at {address} is not ready (status {ready.status_code}): see its log")
    return answered


def image(*, version: str, folder: Path) -> None:
    """Write the context of the serving image of a version, and say its name.

    For the target `local` there is no image. Outputs: `name` of the image without its tag, empty where there is none,
    `folder` to build in, `sbom`, the bill of materials in it.

    Args:
        version: of the registry.
        folder: to write into.
    """
    project = Project.find()
    if variables.target() == variables.LOCAL:
        print("the target local needs no image")
        return put(name=None, folder=None, sbom=None)
    from lightloop.deploy.container import write_context
    from lightloop.deploy.order import Order
    from lightloop.deploy.released import fetched
    from lightloop.service.settings import settings_of

    require_repository(project.root)
    release = find(releases(project), version)
    order = Order.of(project, settings_of(project, variables.service_settings()), fetched(project, release))
    write_context(order, folder)
    repository = os.environ.get("GITHUB_REPOSITORY", "").lower()
    name = f"{REGISTRY}/{repository}" if repository else order.image.rpartition(":")[0]
    print(f"written: {folder}")
    return put(name=name, folder=str(folder), sbom=str(folder / "sbom.json"))
