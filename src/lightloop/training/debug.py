"""Switches for finding faults: what they change in the trainer and in the data."""

from typing import Any

import torch

from lightloop.config.schema import Config
from lightloop.config.training import AnyDebug, FastDevRun, LimitBatches, Overfit
from lightloop.data.module import RecordsModule


def limits(debug: AnyDebug, train_batches: int, validation_batches: int) -> dict[str, Any]:
    """Arguments of the trainer. Lightning's own `fast_dev_run` is not among them: it would keep no checkpoint.

    Args:
        debug: of the config.
        train_batches: there are; a share of them is one at least, where Lightning refuses none.
        validation_batches: likewise.

    Examples:
        >>> limits(FastDevRun(name="fast_dev_run"), 40, 10)
        {'max_epochs': 1, 'limit_train_batches': 1, 'limit_val_batches': 1}
        >>> limits(LimitBatches(name="limit", train=0.1, validation=0.5), 7, 10)
        {'limit_train_batches': 1, 'limit_val_batches': 0.5}
    """
    match debug:
        case FastDevRun(batches=batches):
            return {"max_epochs": 1, "limit_train_batches": batches, "limit_val_batches": batches}
        case LimitBatches(train=train, validation=validation):
            return {
                "limit_train_batches": 1 if train * train_batches < 1 else train,
                "limit_val_batches": 1 if validation * validation_batches < 1 else validation,
            }
        case _:
            return {}


def overfit(config: Config, data: RecordsModule) -> None:
    """Where the config asks for it, leave a few batches of training records, and validate on the same."""
    if not isinstance(config.debug, Overfit):
        return
    records = data.splits["train"]
    count = min(len(records), config.debug.batches * config.trainer.batch_size)
    rows = torch.randperm(len(records), generator=torch.Generator().manual_seed(config.seed))[:count]
    few = records.take(rows)
    data.splits |= {"train": few, "validation": few}
