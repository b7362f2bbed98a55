"""`lightloop predict`: a file of records in, a file of answers out; flat memory, and it goes on where it was killed."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lightloop.batch.parts import Parts, form_of, rejected_path
from lightloop.batch.scoring import output_schema, score_chunk
from lightloop.batch.sources import Chunk, Rejected, Source, open_source
from lightloop.errors import UsageError
from lightloop.serving.golden import check_golden
from lightloop.serving.predictor import Predictor

BATCH = 256
# Rows of a part, at least: what a killed run loses, at most.
PART = 4096
FORMAT = 1  # of the output and its parts


@dataclass(frozen=True)
class Counts:
    """What came of a batch.

    Attributes:
        scored, rejected: rows of the input.
        resumed: rows that an earlier run had done.
        seconds: of this run.
        rejects: the file that tells the rejected rows; None where there are none.
    """

    scored: int
    rejected: int
    resumed: int
    seconds: float
    rejects: Path | None


def predict_file(
    bundle: Path, source: Path, output: Path, *, batch: int = BATCH, threads: int = 1, force: bool = False
) -> Counts:
    """Answer every record of a file or folder.

    The output has a row for each record that was answered, in the order of the input, with its `row` (from 1), its
    `id` (the data spec's id column, a column `id`, or the path of a file in a folder) and the fields of its prediction;
    those that can't be answered stand in `OUTPUT.rejected.jsonl`, with row, id and reason. The same input and bundle
    give the same bytes, also when the run was killed and started again.

    Args:
        bundle: folder of the bundle.
        source: a Parquet, CSV or JSON Lines file, or a folder of images or texts.
        output: to write; its suffix says the form.
        batch: records that are answered at once.
        threads: of ONNX Runtime.
        force: replace an output that lies there.

    Raises:
        UsageError: input or output can't be what they are named, or the output is there already.
        LightloopError: the bundle is damaged.
    """
    begun = time.perf_counter()
    form_of(output)
    _check_places(source, output, force=force)
    if batch < 1:
        raise UsageError(f"batch is {batch}: expected 1 or more")
    predictor = Predictor.load(bundle, threads=threads)
    check_golden(predictor)
    records = open_source(source, predictor.manifest)
    state = {
        "format": FORMAT,
        "input": records.state(),
        "bundle": predictor.digest,
        "batch": batch,
    }
    chunks_in_part = -(-PART // batch)
    with Parts.open(output, output_schema(predictor.manifest), state) as parts:
        done = parts.done()
        number, resumed = len(done), sum(done)
        with _Progress(records, resumed) as advance:
            for rows, table, rejected in _scored(predictor, records.chunks(batch, resumed), chunks_in_part):
                parts.add(number, rows, table, rejected)
                number += 1
                advance(rows)
        scored, lost = parts.counts()
        parts.finish()
    rejects = rejected_path(output) if lost else None
    return Counts(scored, lost, resumed, time.perf_counter() - begun, rejects)


def _check_places(source: Path, output: Path, *, force: bool) -> None:
    if output.is_dir():
        raise UsageError(f"{output} is a folder: name a file of .parquet, .csv or .jsonl")
    if source.exists() and output.exists() and output.samefile(source):
        raise UsageError(f"{output} is the input itself: name another output")
    if output.exists() and not force:
        raise UsageError(f"{output} is there already: name another output, or say --force to replace it")
    if source.is_dir() and source.resolve() in output.resolve().parents:
        raise UsageError(f"{output} lies in the folder that is read: name an output elsewhere")


def _scored(
    predictor: Predictor, chunks: Iterator[Chunk], chunks_in_part: int
) -> Iterator[tuple[int, pa.Table, list[Rejected]]]:
    """Parts: the rows of the input that each stands for, the answers, and what was not answered."""
    tables: list[pa.Table] = []
    rejected: list[Rejected] = []
    rows = held = 0
    for chunk in chunks:
        table, lost = score_chunk(predictor, chunk)
        tables.append(table)
        rejected += lost
        rows += len(chunk.rows) + len(chunk.rejected)
        held += 1
        if held == chunks_in_part:
            yield rows, pa.concat_tables(tables).combine_chunks(), rejected
            tables, rejected, rows, held = [], [], 0, 0
    if held:
        yield rows, pa.concat_tables(tables).combine_chunks(), rejected


class _Progress:
    """A bar on the standard error of a terminal; nothing elsewhere."""

    def __init__(self, source: Source, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("records", total=source.total, completed=done)

    def __enter__(self) -> "_Progress":
        self._bar.start()
        return self

    def __call__(self, rows: int) -> None:
        self._bar.advance(self._task, rows)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
