"""`lightloop serve`: the service in the foreground, as the very process that was started."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lightloop.deploy.follow import copied, follower_words
from lightloop.deploy.process import Start, prepare, words
from lightloop.deploy.released import by_path, fetched, folder_of, production_release
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.service.processes.listening import bind
from lightloop.service.processes.state import start_of
from lightloop.service.settings import settings_of


def serve(bundle: Path | None, overrides: Sequence[str]) -> None:
    """Serve until SIGTERM or Ctrl-C. Does not return: this process becomes the service.

    Args:
        bundle: folder of a bundle; None stands for the release in production.
        overrides: of `serve`.

    Raises:
        UsageError: nothing to serve, a wrong setting, or the address is taken.
        LightloopError: the bundle is damaged or can't be fetched.
    """
    project = _project(bundle)
    settings = settings_of(project, overrides)
    public = bind(settings.host, settings.port)
    if bundle is None:
        assert project is not None, "without a project there is a bundle"
        served = fetched(project, production_release(project))
    else:
        served = by_path(bundle, settings)
    folder = _folder(project)
    if settings.follow and bundle is not None:
        served = copied(bundle, folder)
    prepare(folder, settings, Start(served=served))
    if settings.follow:
        watched = bundle.resolve() if bundle else None
        subprocess.Popen(follower_words(folder, watched or Project.find().root), stdin=subprocess.DEVNULL)
    if project:
        # Paths in the settings are relative to the project.
        os.chdir(project.root)
    os.set_inheritable(public.fileno(), True)
    sys.stdout.flush()
    os.execv(sys.executable, [*words(folder), str(public.fileno())])  # noqa: S606 - no shell is meant


def _folder(project: Project | None) -> Path:
    """Where the processes of this service tell each other; removed when it stops."""
    above = folder_of(project) / "foreground" if project else Path(tempfile.gettempdir())
    above.mkdir(parents=True, exist_ok=True)
    if project:
        for left in above.iterdir():
            # That of a service that was killed.
            if left.name.isdigit() and start_of(int(left.name)) is None:
                shutil.rmtree(left, ignore_errors=True)
        folder = above / str(os.getpid())
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder
    return Path(tempfile.mkdtemp(prefix="lightloop-"))


def _project(bundle: Path | None) -> Project | None:
    try:
        return Project.find()
    except UsageError:
        if bundle is None:
            raise UsageError(
                "there is no project here, so no release: change into one, or name a bundle with --bundle"
            ) from None
        return None
