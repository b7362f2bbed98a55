"""Lightning's logger on a run of Weights & Biases."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytorch_lightning.loggers import WandbLogger

from lightloop.config.schema import Config
from lightloop.files import write_text
from lightloop.project import Project
from lightloop.tracking import open_run

if TYPE_CHECKING:
    from wandb import Run


def wandb_logger(run: "Run | None") -> "WandbLogger | Literal[False]":
    """The logger that writes into an open run, or False, with which a Trainer logs nothing. It logs no checkpoints."""
    if run is None:
        return False
    # Lightning declares its x-axis only on runs that it starts itself.
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return WandbLogger(experiment=run, project=run.project, save_dir=run.settings.root_dir)


def open_training_run(config: Config, project: Project, scratch: Path) -> "Run | None":
    """Open the run of a training; one that is taken up again goes on in the run that it began, as `scratch` remembers.

    Raises:
        UsageError: as `tracking.open_run`.
    """
    remembered = scratch / "run-id"
    run_id = remembered.read_text(encoding="utf-8") if remembered.exists() else None
    run = open_run(config, project, job="train", run_id=run_id)
    if run is not None:
        write_text(remembered, run.id)
    return run
