"""What a record can only be told by looking at the others: copies, overlap, share of its class. For every modality."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lightloop.config.schema import AnySpec
from lightloop.data.records import read_records
from lightloop.data.unlabelled import read_file

# Of `data.unlabelled`, beside the parts that have a file in `data.files`.
UNLABELLED = "unlabelled"
# Columns of the relations and their pandas types; each of these types can hold a null.
RELATIONS = {
    "stratum": "str",  # part/label
    "copies": "Int64",  # records of the same part with the same content, this one included
    "in_other_part": "boolean",  # the same content stands in another part too
    "copy_labels": "Int64",  # different labels among all records with the same content
    "class_share": "float64",  # of the record's label among the labelled records of its part
}
OF_CLASSES = ("stratum", "class_share")


def label_type(spec: AnySpec) -> str:
    """The pandas type of the column `label`."""
    return "float64" if spec.problem in ("regression", "forecasting") else "str"


def read_parts(spec: AnySpec, root: Path) -> Iterator[tuple[str, pa.Table]]:
    """The records of each of the data set's files, by part; those of the file `data.unlabelled` come last.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    for part in spec.files:
        yield part, read_records(spec, root, part)
    more = read_file(spec, root)
    if more is not None:
        yield UNLABELLED, more


def relate(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of `RELATIONS`.

    Args:
        table: with `part`, `label` and `hash`, which is the same for records with the same content.

    Returns:
        The table with five columns more; a relation of something null is null. Unlabelled records may be trained on,
        so a copy of one among the training records is in no other part.

    Examples:
        >>> same = {"part": ["train", "test"], "label": ["a", "a"], "hash": ["x", "x"]}
        >>> relate(pd.DataFrame(same))["in_other_part"].tolist()
        [True, True]
    """
    same = table.assign(side=table["part"].replace(UNLABELLED, "train")).groupby("hash")
    related = table.assign(
        stratum=table["part"] + "/" + table["label"].astype("str"),
        copies=table.groupby(["part", "hash"])["hash"].transform("size"),
        in_other_part=(same["side"].transform("nunique") > 1).where(table["hash"].notna()),
        copy_labels=same["label"].transform("nunique"),
        class_share=table.groupby(["part", "label"])["label"].transform("size")
        / table.groupby("part")["label"].transform("count"),
    )
    return related.astype(RELATIONS)
