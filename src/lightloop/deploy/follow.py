"""With `serve.follow`: a process that tells `lightloop serve` of a new release, or of a new bundle in a folder."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from lightloop.deploy.released import by_path, fetched, production_release
from lightloop.errors import LightloopError
from lightloop.files import replacing
from lightloop.journal import die_with_parent
from lightloop.project import MARKERS, Project
from lightloop.release.history import registry_tags
from lightloop.service.processes.control import ask
from lightloop.service.processes.state import Served, ServiceFolder
from lightloop.service.processes.supervisor import served_from
from lightloop.serving.manifest import HASHES, verify_bundle

EVERY = 2.0  # seconds between looks


def follower_words(folder: Path, watched: Path) -> list[str]:
    """The command that follows a project's production, or the bundle in a folder."""
    return [sys.executable, "-P", "-m", "lightloop.deploy.follow", str(folder), str(watched)]


def copied(bundle: Path, folder: Path) -> Served:
    """A bundle as it is now, kept in the service's folder: its own may be written anew at any time.

    Raises:
        UsageError: there is none.
        LightloopError: it is not whole.
    """
    served = by_path(bundle)
    target = folder / "bundles" / served.digest[:16]
    if not target.exists():
        with replacing(target) as temporary:
            shutil.copytree(bundle, temporary)
            # It may have changed while it was copied.
            digest = verify_bundle(temporary)
        return served_from(target, None, digest)
    return served_from(target, None, served.digest)


def follow(folder: Path, watched: Path) -> None:
    """Tell the service of each change, until it ends."""
    service = ServiceFolder(folder)
    project = Project(watched) if all((watched / marker).exists() for marker in MARKERS) else None
    seen = _state(project, watched)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(EVERY)
        now = _state(project, watched)
        if now == seen or now is None:
            continue
        try:
            served = fetched(project, production_release(project)) if project else copied(watched, folder)
            health = service.health()
            if health is not None and served.digest != health.current.digest:
                ask(service.control, do="reload", served=served.model_dump())
        except LightloopError as error:
            print(f"lightloop: not followed: {error}", flush=True)
        seen = now


def _state(project: Project | None, watched: Path) -> object:
    """What is another one as soon as there may be something new; None while it can't be told."""
    try:
        if project:
            return registry_tags(project.root)
        status = (watched / HASHES).stat()
    except (LightloopError, OSError):
        return None
    return status.st_ino, status.st_mtime_ns


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to hear
    follow(Path(sys.argv[1]), Path(sys.argv[2]))
