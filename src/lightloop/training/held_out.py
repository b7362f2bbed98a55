"""What the members of an ensemble answer to the records that each of them never saw.

It stands for the ensemble on records that nothing was trained on, as scikit-learn's CalibratedClassifierCV has it with
`ensemble=False`. An ensemble is right a little more often than its members, so that what is fitted is a little careful.

Shapes: N records, S seeds.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.schema import Config
from lightloop.data.folds import draw_folds
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model
from lightloop.training.ensemble import member_file

SMALLEST = 1e-12


def held_out_answers(config: Config, project: Project) -> tuple[pa.Table, dict[str, NDArray[Any]]]:
    """Records and the answers of the members that never saw them; of several seeds the mean.

    Args:
        config: of a run with members of folds and seeds; they are drawn again as `training.folds` drew them.
        project: where the members lie.

    Returns:
        The records that were held out at least once, and answers by name as `Model.answers` gives them: `logits` are
        the logarithms of mean probabilities.

    Raises:
        LightloopError: a member is missing.
    """
    splits = read_splits(config.data, project.root, config.seed)
    predefined = config.data.split.validation == "predefined"
    pool = splits["train"] if predefined else pa.concat_tables([splits["train"], splits["validation"]])
    sums: dict[str, NDArray[np.float64]] = {}
    counts_N = np.zeros(len(pool), dtype=np.int64)
    for seed in range(config.seeds):
        for number, fold in enumerate(draw_folds(pool, config.data, config.folds, config.seed + seed)):
            path = project.members / member_file(number, seed)
            if not path.exists():
                raise LightloopError(
                    f"{project.relative(path)} is missing: run `lightloop run`, whose folds stage makes it"
                )
            answers = load_model(path).answers(pool.take(fold.held_out))
            counts_N[fold.held_out] += 1
            for name, values in answers.items():
                if name not in sums:
                    sums[name] = np.zeros((len(pool), *values.shape[1:]))
                sums[name][fold.held_out] += values
    rows = np.flatnonzero(counts_N)
    found = {name: _mean(total[rows], counts_N[rows]) for name, total in sums.items()}
    if "probabilities" in found:
        found["logits"] = np.log(np.maximum(found["probabilities"], SMALLEST))
    return pool.take(rows), found


def _mean(total: NDArray[np.float64], counts_N: NDArray[np.int64]) -> NDArray[np.float64]:
    return total / counts_N.reshape(-1, *[1] * (total.ndim - 1))
