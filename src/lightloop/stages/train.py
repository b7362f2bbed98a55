"""train: fit the network on the training split, keep the checkpoint with the lowest validation loss."""

import hashlib

import torch

from lightloop.config.compose import to_yaml
from lightloop.config.schema import Config
from lightloop.config.signature import PACKAGE, components
from lightloop.data.module import build_data
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import build_network
from lightloop.tracking import close_run, open_run
from lightloop.training.fit import fit, start_over, store
from lightloop.training.logger import wandb_logger
from lightloop.training.speed import choose_speed, tune_allocator


def train(config: Config, project: Project, *, resume: bool = False) -> None:
    """Train as the config says; write checkpoint, history and summary.

    Args:
        config: of the run.
        project: where to read and write.
        resume: continue an interrupted training of the same config, data and code, to the same weights.

    Raises:
        LightloopError: the loss became infinite or not a number.
        RefusedError: a record is not as the data spec says.
    """
    speed = choose_speed(config.trainer)
    tune_allocator()

    data = build_data(config, project.root)
    data.setup()

    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs)
    task_class = components("tasks")[config.task.name].load()
    task = task_class(config, network, data.preprocessor, speed.channels_last, **config.task.arguments())

    scratch = project.scratch / "training" / _fingerprint(config, project)
    if not resume:
        start_over(scratch)
    run = open_run(config, project, job="train")
    fitted = fit(config, task, data, speed, scratch=scratch, logger=wandb_logger(run))
    close_run(run)

    store(fitted.best, project.checkpoint, config)
    write_json(project.history, fitted.history)
    write_json(
        project.training_summary,
        {
            "network": config.network.name,
            "parameters": sum(p.numel() for p in network.parameters()),
            "records": {split: len(records) for split, records in data.splits.items()},
            "epochs": len(fitted.history),
            "best_epoch": fitted.best_epoch,
            "precision": speed.precision,
            "channels_last": speed.channels_last,
            "reason": speed.reason,
        },
    )
    start_over(scratch)


def _fingerprint(config: Config, project: Project) -> str:
    """Names a training by all that decides its result: config, data files and code."""
    digest = hashlib.sha256(to_yaml(config).encode())
    for file in sorted((project.root / config.data.path).rglob("*")):
        digest.update(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}".encode())
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
