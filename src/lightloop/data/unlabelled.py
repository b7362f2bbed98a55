"""Records without a label: what pseudo-labels and active learning choose from. No torch."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.schema import AnySpec
from lightloop.data.records import read_records


def split_labelled(table: pa.Table, spec: AnySpec) -> tuple[pa.Table, pa.Table]:
    """The records with a label and those without, in order; of other problems than classification all are the first."""
    if spec.problem != "classification":
        return table, table.slice(0, 0)
    known = table.column("label").is_valid()
    return table.filter(known), table.filter(pc.invert(known))


def read_unlabelled(spec: AnySpec, root: Path) -> pa.Table:
    """The records of the training file without a label, then all of the file `spec.unlabelled`.

    Args:
        spec: the data set.
        root: the project's folder.

    Returns:
        As `data.records.read_records`; `label` is null.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    _, table = split_labelled(read_records(spec, root, "train"), spec)
    if spec.unlabelled is None:
        return table
    there = spec.model_copy(update={"files": {**spec.files, "train": spec.unlabelled}})
    more = read_records(there, root, "train")
    place = more.schema.get_field_index("id")
    ids = pc.replace_substring_regex(more.column("id"), "^train/", "unlabelled/")
    more = more.set_column(place, "id", ids)
    # Labels that stand there are not looked at: a file says of itself that it is unlabelled.
    place = more.schema.get_field_index("label")
    more = more.set_column(place, "label", pa.nulls(len(more), more.schema.field("label").type))
    return pa.concat_tables([table, more])
