"""Records a second of `lightloop predict` beside a plain loop over the Predictor and beside PyTorch, by bundle.

    python benchmarks/batch.py PROJECT [PROJECT ...]

PROJECT is a folder in which the loop ran: its exported bundle and its checkpoint are asked the same records, the ones
of its own test split, repeated to RECORDS. All three read the same Parquet file and use one thread. `loop` asks the
Predictor for one record at a time and does nothing with the answers, `batch` is the whole command (read, answer, write
Parquet), `torch` reads, encodes and answers in batches of 256 and writes nothing: what a script of ten lines does.
"""

import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from lightloop.batch.predict import predict_file
from lightloop.config.compose import read_params
from lightloop.data.splits import read_splits
from lightloop.evaluation.problem import problem_of
from lightloop.project import Project
from lightloop.serving.predictor import Predictor
from lightloop.tasks.checkpoint import load_model

RECORDS = 20_000
LOOPED = 1000


def main() -> None:
    """Print a row a project."""
    torch.set_num_threads(1)
    print(f"{'project':<14} {'loop':>8} {'batch':>8} {'torch':>8}   records a second")
    for name in sys.argv[1:]:
        project = Project(Path(name).resolve())
        config = read_params(project)
        test = problem_of(config.data).questions(config, read_splits(config.data, project.root, config.seed)["test"])
        predictor, model = Predictor.load(project.exported), load_model(project.checkpoint, project.calibration)
        asked = predictor.table(test).combine_chunks()
        times = -(-RECORDS // len(asked))
        many = pa.concat_tables([asked] * times).slice(0, RECORDS)
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "in.parquet"
            pq.write_table(many, source, row_group_size=4096)
            begun = time.perf_counter()
            for number in range(LOOPED):
                predictor.predict(asked.slice(number % len(asked), 1))
            looped = LOOPED / (time.perf_counter() - begun)
            counts = predict_file(project.exported, source, Path(scratch) / "out.parquet")
            begun = time.perf_counter()
            for batch in pq.ParquetFile(source).iter_batches(256):
                model.answers(pa.Table.from_batches([batch]))
            by_torch = RECORDS / (time.perf_counter() - begun)
        print(f"{config.name:<14} {looped:>8.0f} {counts.scored / counts.seconds:>8.0f} {by_torch:>8.0f}")


if __name__ == "__main__":
    main()
