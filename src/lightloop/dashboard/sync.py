"""`lightloop sync`: everything that W&B does not have yet."""

from lightloop.config.schema import Config
from lightloop.dashboard.releases import announce_all
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.tracking.mode import notice
from lightloop.tracking.sending import require_server, sync_runs


def sync(config: Config, project: Project) -> None:
    """Send unsent runs, a line each, then the registry's aliases.

    Raises:
        UsageError: no key is set, or tracking is none.
        LightloopError: the server is not reachable, or some runs were not taken; they stay, to be sent again.
    """
    require_server(project, config)
    sent, still_open = sync_runs(project, config)
    for one in sent:
        name = project.relative(one.folder)
        print(f"{name}: {f'not taken {one.failure}' if one.failure else 'sent'}", flush=True)
    for folder in still_open:
        notice(f"{project.relative(folder)} is still being written: it was left alone")
    if not sent and not still_open:
        print("W&B has every run")
    for line in announce_all(project, config):
        notice(line)
    failed = [one for one in sent if one.failure]
    if failed:
        raise LightloopError(
            f"{len(failed)} of {len(sent)} runs were not sent; they are kept: run `lightloop sync` again"
        )
