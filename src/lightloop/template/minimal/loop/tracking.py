"""Runs in Weights & Biases: offline without a key, never a prompt, and no fault of it stops the loop."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.paths import Project


def tracking_mode(config: Config) -> str:
    """`online`, `offline` or `disabled`."""
    chosen = os.environ.get("WANDB_MODE") or config.tracking.mode
    if chosen == "auto":
        return "online" if os.environ.get("WANDB_API_KEY") else "offline"
    return chosen


@contextmanager
def tracked(config: Config, project: Project, job: str) -> Iterator[Any]:
    """A run of W&B that is ended with the block; None where there is none."""
    run = None
    if tracking_mode(config) != "disabled":
        import wandb

        settings = wandb.Settings(silent=True, console="off", init_timeout=20, x_disable_stats=True)
        try:
            run = wandb.init(
                project=config.tracking.project,
                job_type=job,
                mode=tracking_mode(config),  # type: ignore[arg-type]
                dir=project.root,
                config=config.model_dump(),
                settings=settings,
            )
        except (wandb.Error, OSError) as error:
            print(f"nothing is tracked: {' '.join(str(error).split())}", file=sys.stderr)
    try:
        yield run
    finally:
        if run is not None:
            run.finish()
