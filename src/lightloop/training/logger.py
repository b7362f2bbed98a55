"""Lightning's logger on a run of Weights & Biases."""

from typing import TYPE_CHECKING, Literal

from pytorch_lightning.loggers import WandbLogger

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
