"""Where a release can be deployed to: a name each, with the function that does it."""

import importlib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from lightloop.deploy.released import by_path, fetched, production_release
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.service.settings import settings_of
from lightloop.serving.signature import check_signature, name_keys

LOCAL: Final = "local"
# Each module has `deploy(project, settings, served, *, render)`.
ELSEWHERE: Final = {
    "container": "lightloop.deploy.container",
    "kubernetes": "lightloop.deploy.kubernetes",
    "ray": "lightloop.deploy.ray",
}


def deploy_to(
    target: str,
    overrides: Sequence[str],
    *,
    bundle: Path | None = None,
    render: Path | None = None,
    canary: float | None = None,
    shadow: bool = False,
) -> None:
    """Deploy the release in production.

    Args:
        target: `local`, or a name of `ELSEWHERE`.
        overrides: of `serve`.
        bundle: deploy this one instead of the release; not `local`, which serves what the registry says.
        render: folder for what would be run; not `local`.
        canary: see `local.deploy`; `local` alone.
        shadow: see there.

    Raises:
        UsageError: an unknown target, or what the target does not know.
    """
    project = Project.find()
    if target == LOCAL:
        from lightloop.deploy.local import deploy

        if render or bundle:
            raise UsageError(f"--{'render' if render else 'bundle'} is not for the target local: leave it out")
        deploy(project, overrides, canary=canary, shadow=shadow)
        return
    if target not in ELSEWHERE:
        close = get_close_matches(target, [LOCAL, *ELSEWHERE], n=1)
        hint = f": did you mean {close[0]!r}?" if close else ";"
        raise UsageError(f"there is no target {target!r}{hint} there are {', '.join([LOCAL, *ELSEWHERE])}")
    if canary is not None or shadow:
        raise UsageError(f"--{'shadow' if shadow else 'canary'} is for the target local: {target} has its own means")
    settings = settings_of(project, overrides)
    served = by_path(bundle) if bundle else fetched(project, production_release(project))
    # Elsewhere the digest is pinned, and no key lies there.
    name_keys(project.root, public=settings.public_key)
    check_signature(Path(served.folder))
    run: Callable[..., None] = importlib.import_module(ELSEWHERE[target]).deploy
    run(project, settings, served, render=render)
