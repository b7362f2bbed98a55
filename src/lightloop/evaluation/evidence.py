"""What every evaluation leaves behind, whatever the problem: metrics with intervals, and how predictions are read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lightloop.calibration.rules import Decision
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.evaluation.bootstrap import Scorer, intervals, paired_difference
from lightloop.files import replacing

# The place of the rule in the schema of predictions.parquet.
DECISION = b"lightloop.decision"
# Of every problem; what else there is depends on the problem.
PREDICTION_COLUMNS = ["id", "label", "prediction"]


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn; see `bootstrap.intervals`."""

    confidence: float
    resamples: int
    seed: int

    @classmethod
    def of(cls, config: Config) -> "Resampling":
        return cls(config.gate.confidence, config.gate.resamples, config.seed)


def metrics_content(model: Scorer, baseline: Scorer, metric: str, how: Resampling) -> dict[str, Any]:
    """metrics.json: every metric of model and baseline, and whether the model is better on `metric`.

    `better_than_baseline` has one-sided bounds, positive where the model is better; see `bootstrap.Difference`.
    """
    options = asdict(how)
    difference = paired_difference(model, baseline, metric, **options)
    return {
        "n": model.records,
        "confidence": how.confidence,
        "resamples": how.resamples,
        "resampling": model.draws.as_json(),
        "metrics": plain(intervals(model, **options)),
        "baseline": plain(intervals(baseline, **options)),
        "better_than_baseline": {"metric": metric, **asdict(difference)},
    }


def write_table(path: Path, table: pa.Table) -> None:
    """Write predictions.parquet."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def read_predictions(path: Path) -> pa.Table:
    """predictions.parquet as the evaluate stage wrote it: the one reader for every later stage.

    Raises:
        LightloopError: the file is missing, damaged, or no table of predictions.
    """
    try:
        table = pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise LightloopError(f"{path} is missing: run `lightloop run`, whose evaluate stage makes it") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise LightloopError(f"{path} is not a whole table of predictions ({reason}): run `lightloop run`") from None
    absent = [name for name in PREDICTION_COLUMNS if name not in table.column_names]
    if absent:
        raise LightloopError(
            f"{path} is not a whole table of predictions (it has no column {absent[0]!r}): run `lightloop run`"
        )
    return table


def decided_by(table: pa.Table, decision: Decision) -> pa.Table:
    """A table whose answers are decided by a rule; it says so in its schema, which slices and filters keep.

    The most probable class needs no word.
    """
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != DECISION}
    if decision.name != "argmax":
        metadata[DECISION] = decision.model_dump_json().encode()
    return table.replace_schema_metadata(metadata or None)


def decision_of(table: pa.Table) -> Decision:
    """The rule by which the answers to a table's records are decided."""
    said = (table.schema.metadata or {}).get(DECISION)
    return Decision.model_validate_json(said) if said else Decision()


def lists(values_NM: NDArray[np.floating[Any]]) -> pa.ListArray:
    """A matrix as a column of lists."""
    values_NM = np.asarray(values_NM, dtype=np.float32)
    offsets = np.arange(len(values_NM) + 1, dtype=np.int32) * values_NM.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(values_NM.ravel(), pa.float32()))


def matrix(table: pa.Table, column: str) -> NDArray[np.float64]:
    """A column of lists as a matrix (N, M)."""
    values = table.column(column).combine_chunks()
    flat = np.asarray(values.flatten(), dtype=np.float64)
    return flat.reshape(len(values), -1)


def plain(estimates: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Intervals as JSON."""
    return {name: asdict(interval) for name, interval in estimates.items()}
