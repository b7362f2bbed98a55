"""Telling W&B about releases: what the registry's git tags say, as aliases of W&B's versions."""

import yaml

from lightloop.config.compose import read_params
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.release.history import Release, releases
from lightloop.release.registry import stage_names
from lightloop.release.repository import file_at
from lightloop.tracking.mode import notice, tracking_mode
from lightloop.tracking.registry import link_releases, release_entry
from lightloop.tracking.sending import require_server


def announce(project: Project, *changed: Release) -> None:
    """After a release or a promotion: bring W&B up to date, where runs go online.

    The tags stand whatever W&B does: a failure costs a line on stderr and a bounded time, and `lightloop sync` does it
    later.
    """
    try:
        config = read_params(project)
        if tracking_mode(config) != "online":
            return
        require_server(project, config)
        for line in tell(project, config, list(changed)):
            notice(line)
    except LightloopError as error:
        notice(f"W&B does not know it yet ({error}): `lightloop sync` tells it later")


def announce_all(project: Project, config: Config) -> list[str]:
    """Bring W&B up to date with the whole registry; what could not be done, in sentences."""
    known = releases(project) if project.in_git() else []
    return tell(project, config, known) if known else []


def tell(project: Project, config: Config, known: list[Release]) -> list[str]:
    """Give the versions of these releases their aliases; what could not be done, in sentences.

    Raises:
        LightloopError: W&B said no, or did not answer in time.
    """
    entries = [
        release_entry(_name(project, release, config), release.version, release.digest, release.stages)
        for release in known
        if release.digest
    ]
    done = link_releases(config, entries, stage_names(project))
    said = (
        [f"W&B has no registry for this ({done['failures'][0]}): aliases stand in the project"]
        if done["failures"]
        else []
    )
    if done["absent"]:
        versions = ", ".join(done["absent"])
        said.append(f"W&B does not have the bundle of {versions} (its evidence was not sent from this project)")
    return said


def _name(project: Project, release: Release, config: Config) -> str:
    """The config's name when the release was made."""
    content = yaml.safe_load(file_at(project.root, release.tag, "params.yaml") or "null")
    return str(content["name"]) if isinstance(content, dict) and "name" in content else config.name
