"""An alert of W&B, which passes it on by mail or Slack as each user's settings say."""

from pathlib import Path

from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.monitoring.alerts.channel import Done
from lightloop.monitoring.alerts.message import Message
from lightloop.project import Project
from lightloop.tracking import close_run, open_run


class WandbAlert:
    """Sends an alert in a small run of its own.

    Args:
        project: whose `wandb` folder it is written in.
        config: with the project and entity of W&B.
    """

    remembers = False

    def __init__(self, project: Project, config: Config) -> None:
        self._project = project
        self._config = config

    def tell(self, message: Message) -> Done | None:
        run = open_run(self._config, self._project, job="monitoring")
        if run is None:
            return None
        online = run.settings.mode != "offline"
        try:
            run.alert(message.title[:64], message.plain(), level="INFO" if message.well else "WARN")
        finally:
            close_run(run)
        if not online:
            folder = Path(run.dir).parent.relative_to(self._project.root).as_posix()
            raise LightloopError(f"W&B is not reachable: `lightloop sync` sends {folder} later")
        return "well" if message.well else "sent"
