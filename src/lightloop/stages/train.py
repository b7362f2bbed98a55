"""train: fit the network on the training split, keep the checkpoint with the lowest validation loss."""

import shutil

from lightloop.config.schema import Config
from lightloop.data.collected import read_since
from lightloop.files import replacing, write_json
from lightloop.project import Project
from lightloop.tracking import close_run
from lightloop.training.dynamics import keep_dynamics
from lightloop.training.ensemble import train_released
from lightloop.training.fit import start_over
from lightloop.training.logger import open_training_run, wandb_logger
from lightloop.training.member import DYNAMICS, fingerprint


def train(config: Config, project: Project, *, resume: bool = False) -> None:
    """Train as the config says; write checkpoint, history, summary, and how each record was learned.

    Args:
        config: of the run.
        project: where to read and write.
        resume: continue an interrupted training of the same config, data and code, to the same weights.

    Raises:
        LightloopError: the loss became infinite or not a number.
        RefusedError: a record is not as the data spec says.
    """
    scratch = project.scratch / "training" / fingerprint(config, project)
    if not resume:
        start_over(scratch)
    run = open_training_run(config, project, scratch)
    trained = train_released(config, project, scratch=scratch, logger=wandb_logger(run))
    close_run(run)

    with replacing(project.checkpoint) as temporary:
        shutil.copyfile(trained.checkpoint, temporary)
    keep_dynamics(trained.checkpoint.parent / DYNAMICS, project.dynamics)
    write_json(project.history, trained.history)
    since = read_since(config.data, project.root)
    holds = {} if since is None else {"holds_since": since.isoformat(timespec="minutes")}
    write_json(project.training_summary, trained.summary | holds)
    start_over(scratch)
