"""Calibrating answers to records that nothing was trained on."""

from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from lightloop.calibration.fit import calibrate_classes, calibrate_numbers
from lightloop.config.schema import Config
from lightloop.data.targets import encode_targets


def fitted(config: Config, table: pa.Table, answers: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The content of artifacts/calibration.json for answers to records that nothing was trained on.

    Args:
        config: of the run.
        table: the records.
        answers: by name, as `Model.answers` or a bundle's graph gives them: `logits` of classes, `prediction` and
            perhaps `quantiles` of numbers.
    """
    targets = encode_targets(table, config.data).numpy()
    if config.data.problem == "classification":
        return calibrate_classes(config, table, answers["logits"], targets)
    return calibrate_numbers(config, targets, answers["prediction"], answers.get("quantiles"))
