"""What is known of each record of a table without training on it: its columns, and how it stands to the others."""

import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lightloop.config.tabular import TabularSpec
from lightloop.quality.relations import OF_CLASSES, RELATIONS, label_type, read_parts, relate

PIECE = 200_000  # records
# Columns beside the features, and their pandas types; each of these types can hold a null.
BEFORE = {
    "id": "str",
    "part": "str",
    "label": "str",  # float64 where numbers are predicted
}
AFTER = {
    "missing_values": "Int64",  # features without a value
    "hash": "str",  # of the features
    **RELATIONS,
}


def columns_of(spec: TabularSpec) -> list[str]:
    """Names of the columns of the table of `read_metadata`."""
    names = [*BEFORE, *spec.features, *AFTER]
    return [name for name in names if spec.problem == "classification" or name not in OF_CLASSES]


def read_metadata(spec: TabularSpec, root: Path) -> pd.DataFrame:
    """The metadata table of every part that the data set has.

    Args:
        spec: the data set.
        root: the project's folder, to which `spec.path` is relative.

    Returns:
        A row a record, in the order of the files, with the columns of `columns_of`; features are float64 or text.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind, or a file has no record.
    """
    parts = [describe_part(spec, part, records) for part, records in read_parts(spec, root)]
    related = relate(pd.concat(parts, ignore_index=True)).astype({"missing_values": "Int64", "hash": "str"})
    return related[columns_of(spec)]


def describe_part(spec: TabularSpec, part: str, records: pa.Table) -> pd.DataFrame:
    """The same of some records, but for how they stand to others."""
    features = records.select(spec.features).to_pandas()
    texts = [name for name in spec.features if not pa.types.is_floating(records.schema.field(name).type)]
    return features.astype(dict.fromkeys(texts, "str")).assign(
        id=records.column("id").to_pandas().astype("str"),
        part=pd.Series(part, features.index, dtype="str"),
        label=records.column("label").to_pandas().astype(label_type(spec)),
        missing_values=features.isna().sum(axis=1).astype("Int64"),
        hash=_hashes(features),
    )


def _hashes(features: pd.DataFrame) -> "pd.Series[str]":
    """Of each record's features; made by pieces, since Python's texts take twice the room that pandas needs."""
    pieces = [features.iloc[start : start + PIECE] for start in range(0, max(1, len(features)), PIECE)]
    return pd.concat(
        [
            pd.Series(
                [hashlib.sha256(repr(row).encode()).hexdigest() for row in piece.itertuples(index=False, name=None)],
                piece.index,
                dtype="str",
            )
            for piece in pieces
        ]
    )
