"""What is known of each record of a table without training on it: its columns, and how it stands to the others."""

import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lightloop.config.data import Part
from lightloop.config.tabular import TabularSpec
from lightloop.data.records import read_records

# Columns beside the features, and their pandas types; each of these types can hold a null.
BEFORE = {
    "id": "str",
    "part": "str",
    "label": "str",  # float64 where numbers are predicted
    "stratum": "str",  # part/label, of classes
}
AFTER = {
    "missing_values": "Int64",  # features without a value
    "hash": "str",  # of the features
    "copies": "Int64",  # records of the same part with the same features, this one included
    "in_other_part": "boolean",  # the same features stand in another part too
    "copy_labels": "Int64",  # different labels among all records with the same features
    "class_share": "float64",  # of the record's label among the records of its part, of classes
}
OF_CLASSES = ("stratum", "class_share")


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
    parts = pd.concat([_read_part(spec, root, part) for part in spec.files], ignore_index=True)
    return relate(parts, spec)


def _read_part(spec: TabularSpec, root: Path, part: Part) -> pd.DataFrame:
    records = read_records(spec, root, part)
    features = records.select(spec.features).to_pandas()
    texts = [name for name in spec.features if not pa.types.is_floating(records.schema.field(name).type)]
    return features.astype(dict.fromkeys(texts, "str")).assign(
        id=records.column("id").to_pandas().astype("str"),
        part=pd.Series(part, features.index, dtype="str"),
        label=records.column("label").to_pandas().astype("str" if spec.problem == "classification" else "float64"),
        missing_values=features.isna().sum(axis=1).astype("Int64"),
        hash=[hashlib.sha256(repr(row).encode()).hexdigest() for row in features.itertuples(index=False, name=None)],
    )


def relate(table: pd.DataFrame, spec: TabularSpec) -> pd.DataFrame:
    """Add what a record can only be told by looking at the others: copies, overlap, share of its class."""
    same_features = table.groupby("hash")
    related = table.assign(
        copies=table.groupby(["part", "hash"])["hash"].transform("size"),
        in_other_part=same_features["part"].transform("nunique") > 1,
        copy_labels=same_features["label"].transform("nunique"),
    )
    if spec.problem == "classification":
        in_class = table.groupby(["part", "label"])["label"].transform("size")
        related = related.assign(
            stratum=table["part"] + "/" + table["label"],
            class_share=in_class / table.groupby("part")["part"].transform("size"),
        )
    related = related.astype({name: kind for name, kind in AFTER.items() if name in related})
    return related[columns_of(spec)]
