"""Writing what a target would run into a folder that somebody named, without a loss of what lies there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightloop.errors import UsageError
from lightloop.files import replacing


@contextmanager
def rendering(folder: Path, templates: Path) -> Iterator[Path]:
    """Yield an empty folder; put it in the place of `folder` when the block ends well.

    Args:
        folder: new, empty, or with what an earlier call wrote.
        templates: of the project, which are not written over.

    Raises:
        UsageError: something else lies there.
    """
    place = folder.resolve()
    if place.exists() and not place.is_dir():
        raise UsageError(f"{folder} is a file: name a folder to write into")
    if templates.resolve().is_relative_to(place):
        raise UsageError(f"{folder} holds the project's own templates: name another folder, such as build/image")
    with replacing(place) as temporary:
        temporary.mkdir()
        yield temporary
        there = {entry.name for entry in place.iterdir()} if place.exists() else set()
        others = sorted(there - {entry.name for entry in temporary.iterdir()})
        if others:
            raise UsageError(
                f"{folder} holds {others[0]}, which is not of an earlier run: name a new folder, or an empty one"
            )
