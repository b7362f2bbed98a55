"""Training one network: what the train stage, folds, sweeps, snapshots and pseudo-labels have in common."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytorch_lightning as pl
import torch

from lightloop.config.schema import AFTER_TRAINING, Config
from lightloop.config.signature import PACKAGE, components
from lightloop.data.module import build_data
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.splits import SplitName
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import build_network
from lightloop.tasks.processor import tune_allocator
from lightloop.training.dynamics import watch, write_dynamics
from lightloop.training.fit import fit, store
from lightloop.training.speed import choose_speed

CHECKPOINT = "member.ckpt"
RECORD = "member.json"
DYNAMICS = "dynamics.parquet"


@dataclass(frozen=True)
class Member:
    """A trained network.

    Attributes:
        checkpoint: with its weights, preprocessing state and config; `tasks.checkpoint.load_model` reads it.
        history: a row an epoch.
        summary: what `artifacts/training/summary.json` says of a training.
    """

    checkpoint: Path
    history: list[dict[str, float]]
    summary: dict[str, Any]


def train_member(
    config: Config,
    project: Project,
    *,
    scratch: Path,
    tables: Mapping[SplitName, pa.Table] | None = None,
    preprocessor: Preprocessor | None = None,
    initial: Path | None = None,
    logger: Any = False,
    callbacks: Sequence[pl.Callback] = (),
    lines: bool = True,
    watched: bool = False,
) -> Member:
    """Train one network as the config says; what `scratch` holds already is not trained again.

    Args:
        config: of the run; its `seed` decides everything that is random but the splits in `tables`.
        project: where the data lie.
        scratch: folder of this training alone. An interrupted training goes on from its last step; a finished one is
            read from there. The caller names it by all that decides the result (see `fingerprint`), and removes it.
        tables: records of each split, as `data.splits.read_splits` gives them, which is also the default.
        preprocessor: fitted; by default one is fitted on the training split.
        initial: a checkpoint to start the network from, instead of fresh weights.
        logger: of Lightning, or False.
        callbacks: more of them, for the trainer.
        lines: show a line or a bar an epoch.
        watched: leave how each record was learned in `scratch`, see `training.dynamics`.

    Raises:
        LightloopError: the loss became infinite or not a number.
        RefusedError: a record is not as the data spec says.
    """
    if (scratch / RECORD).exists():
        return Member(scratch / CHECKPOINT, **read_json(scratch / RECORD))
    speed = choose_speed(config.trainer)
    tune_allocator()

    data = build_data(config, project.root)
    data.given(tables, preprocessor)
    data.setup()

    torch.manual_seed(config.seed)
    network = build_network(config, data.preprocessor.inputs, pretrained=True)
    if initial is not None:
        state = torch.load(initial, map_location="cpu", weights_only=True)["state_dict"]
        network.load_state_dict(
            {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
        )
    task_class = components("tasks")[config.task.name].load()
    task = task_class(config, network, data.preprocessor, speed.channels_last, **config.task.arguments())

    dynamics = watch(config, data) if watched else None
    fitted = fit(
        config,
        task,
        data,
        speed,
        scratch=scratch,
        logger=logger,
        callbacks=[*callbacks, dynamics] if dynamics else callbacks,
        lines=lines,
        bad_batch=project.scratch / "nan-batch.pt",
    )
    store(fitted.best, scratch / CHECKPOINT, config)
    summary = {
        "network": config.network.name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "records": {split: len(records) for split, records in data.splits.items()},
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "precision": speed.precision,
        "channels_last": speed.channels_last,
        "reason": speed.reason,
        **fitted.notes,
    }
    if watched:
        write_dynamics(scratch / DYNAMICS, dynamics, data)
    write_json(scratch / RECORD, {"history": fitted.history, "summary": summary})
    # The states to go on from are as large as the network, several times.
    for left in scratch.glob("*.ckpt"):
        if left.name != CHECKPOINT:
            left.unlink()
    return Member(scratch / CHECKPOINT, fitted.history, summary)


def fingerprint(config: Config, project: Project, *more: object, leave_out: Collection[str] = ()) -> str:
    """Names a training by all that decides its result: config but for groups to `leave_out`, data, code, and `more`."""
    kept = config.model_dump(mode="json", exclude={*AFTER_TRAINING, *leave_out})
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for file in sorted((project.root / config.data.path).rglob("*")):
        digest.update(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}".encode())
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    digest.update(repr(more).encode())
    return digest.hexdigest()[:16]
