"""How long one record takes in the service."""

import statistics
import time
from pathlib import Path

import pyarrow as pa

from lightloop.release.bundle import write_bundle
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import Model

CALLS, WARM_UP = 100, 10


def measure_latency(model: Model, records: pa.Table, folder: Path) -> float:
    """Milliseconds for one encoded record through the exported graph, on one thread; the median of 100 calls.

    Args:
        model: the trained one.
        records: as `data.records.read_records` gives them; the first is asked.
        folder: where to write the bundle for it.
    """
    write_bundle(model, folder, data_version=None)
    predictor = Predictor.load(folder)
    feeds = predictor.manifest.input.encode(records.slice(0, 1), model.preprocessor.files())
    seconds = []
    for _ in range(WARM_UP + CALLS):
        began = time.perf_counter()
        predictor.run(feeds)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[WARM_UP:]) * 1000
