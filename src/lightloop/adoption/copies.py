"""Records that stand there twice, nearly twice, on both sides of a division, or with two answers. No torch.

Shapes: N records of all parts.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lightloop.adoption.model import Finding, Guess, Severity, Source
from lightloop.adoption.reading import read_part
from lightloop.config.data import DataSpec
from lightloop.config.image import ImageSpec
from lightloop.config.series import SeriesSpec
from lightloop.config.text import TextSpec
from lightloop.data.near import near_copies
from lightloop.data.tabular.input import as_categories

# Near copies are looked for among so many: it takes the square of their number.
MOST_COMPARED = 3_000
SHOWN = 5


def about_copies(source: Source, guess: Guess) -> Iterator[Finding]:
    """Copies within parts and between them, and those with different targets."""
    if guess.problem == "forecasting":
        return
    tables = {part: read_part(source, guess, part) for part in source.places}
    keys = {part: _keys(table, guess) for part, table in tables.items()}
    keys_N = np.concatenate(list(keys.values()))
    total, copies = len(keys_N), len(keys_N) - len(np.unique(keys_N))
    # A table of few codes repeats rows by nature; ids that differ make no other record of them.
    if copies:
        text = f"{copies} of {total} records say the same as another one"
        expected = guess.modality == "tabular" and copies > 0.2 * total
        advice = (
            "few values make records alike: if these are other records, all is well"
            if expected
            else "copies on both sides of a division flatter the figures: leave them out, or say `clean` in the config"
        )
        yield Finding("duplicates", "note" if expected else "warning", (), text, advice)
    others = [some for part, some in keys.items() if part != "train"]
    between = len(np.intersect1d(keys["train"], np.concatenate(others))) if others else 0
    if between and not (guess.modality == "tabular" and copies > 0.2 * total):
        text = f"{between} different records stand both in the training part and in another one"
        yield Finding("duplicates", "critical", (), text, "take them out of one of the two: the test would be known")
    if guess.problem == "classification":
        labels_N = _label_codes(list(tables.values()), guess.target.name)
        answers = pd.DataFrame({"key": keys_N, "label": labels_N}).drop_duplicates()
        torn = int(answers["key"].value_counts().gt(1).sum())
        if torn:
            text = f"{torn} records stand there with different classes"
            severity: Severity = "note" if guess.modality == "tabular" else "warning"
            yield Finding("doubtful targets", severity, (guess.target.name,), text, "one of the classes may be wrong")
    yield from _near(tables, guess)


def _near(tables: dict[Any, pa.Table], guess: Guess) -> Iterator[Finding]:
    spec = _spec(guess)
    if spec is None:
        return
    feature = guess.with_role("feature")[0].name
    ours = {"image": "image", "text": "text"}.get(guess.modality, feature)
    records = pa.concat_tables(
        [pa.table({ours: _record(table.column(feature), guess.modality)}) for table in tables.values()]
    )
    records = records.filter(_usable(records.column(ours), guess.modality))
    places = np.unique(np.linspace(0, len(records) - 1, min(len(records), MOST_COMPARED)).astype(int))
    some = records.take(places)
    found = int(near_copies(some, spec).sum())  # type: ignore[arg-type]
    same = int(near_copies(some, spec, exact=True).sum())  # type: ignore[arg-type]
    if found > same:
        text = f"{found - same} of {len(some)} records that were compared are nearly the same as another one"
        advice = "give them one group, or say `clean` in the config: near copies on both sides flatter the figures"
        yield Finding("near-duplicates", "warning", (), text, advice)


def _usable(column: pa.ChunkedArray, modality: str) -> pa.ChunkedArray:
    """Records that are there; of images, those that decode."""
    known = pc.is_valid(column)
    if modality != "image":
        return known
    from lightloop.adoption.files import opened_image

    return pc.and_(
        known, pa.chunked_array([[opened_image(image) is not None for image in column.to_pylist()]], pa.bool_())
    )


def _record(column: pa.ChunkedArray, modality: str) -> pa.ChunkedArray:
    if modality == "image":
        if pa.types.is_struct(column.type):
            column = pc.struct_field(column, "bytes")
        return column.cast(pa.large_binary())
    return column.cast(pa.large_string() if modality == "text" else pa.list_(pa.float32()))


def _spec(guess: Guess) -> DataSpec | None:
    """As much of a data set as comparing records takes."""
    feature = guess.with_role("feature")[0].name
    common: dict[str, Any] = {
        "name": "adopted",
        "path": "data/adopted",
        "files": {"train": "train.parquet"},
        "columns": {feature: "feature", "label" if feature != "label" else "label_": "target"},
        "problem": guess.problem,
        "classes": guess.classes,
        "expectations": "adopted",
        "split": {"test": 0.2, "policy": "random"},
    }
    match guess.modality:
        case "image":
            assert guess.pictures is not None
            size, channels = guess.pictures.size, guess.pictures.channels
            return ImageSpec(modality="image", size=size, channels=channels, **common)
        case "text":
            return TextSpec(modality="text", **common)
        case "series":
            return SeriesSpec(modality="series", window=guess.length or 1, **common)
        case _:
            return None


def _keys(table: pa.Table, guess: Guess) -> NDArray[np.uint64]:
    """What each record says, but for its identifier and target, as a number (N,)."""
    if guess.modality != "tabular":
        name = guess.with_role("feature")[0].name
        column = table.column(name)
        if pa.types.is_struct(column.type):
            column = pc.struct_field(column, "bytes")
        if guess.modality == "text":
            said = [hash(" ".join((text or "").casefold().split())) for text in column.to_pylist()]
        else:
            said = [hash(tuple(one) if isinstance(one, list) else one) for one in column.to_pylist()]
        return np.array(said, dtype=np.int64).view(np.uint64)
    names = [column.name for column in guess.with_role("feature", "sensitive", "group", "time")]
    frame = table.select(names).to_pandas()
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def _label_codes(tables: Sequence[pa.Table], target: str) -> NDArray[np.int64]:
    """Of each record of all tables a number (N,) that stands for its class, -1 where it is not known."""
    chunks = [chunk for table in tables for chunk in as_categories(table.column(target), target).chunks]
    codes = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes.cast(pa.int64()), -1))
