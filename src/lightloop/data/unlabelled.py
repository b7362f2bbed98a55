"""Records without a label: what pseudo-labels and active learning choose from. No torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.schema import AnySpec
from lightloop.data.records import read_records


def split_labelled(table: pa.Table, spec: AnySpec) -> tuple[pa.Table, pa.Table]:
    """The records with a label and those without, in order; of other problems than classification all are the first.

    Where `data.hide_labels` says so, a share of each class's records loses its label, always the same ones.
    """
    if spec.problem != "classification":
        return table, table.slice(0, 0)
    if spec.hide_labels:
        place = table.schema.get_field_index("label")
        table = table.set_column(place, "label", _hidden(table.column("label"), spec.hide_labels))
    known = table.column("label").is_valid()
    return table.filter(known), table.filter(pc.invert(known))


def _hidden(labels: pa.ChunkedArray, share: float) -> pa.ChunkedArray:
    random = np.random.default_rng(0)
    names_N = np.array([str(label) for label in labels.to_pylist()])
    hidden_N = np.zeros(len(names_N), dtype=bool)
    for name in np.unique(names_N):
        rows = np.flatnonzero(names_N == name)
        hidden_N[random.permutation(rows)[: int(share * len(rows))]] = True
    return pc.if_else(pa.array(hidden_N), pa.scalar(None, labels.type), labels)


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
    _, table = split_labelled(read_records(spec, root, "train", collected=False), spec)
    more = read_file(spec, root)
    # Columns that hold nothing in one of the two files have no type there.
    return table if more is None else pa.concat_tables([table, more], promote_options="permissive")


def apart_from(unlabelled: pa.Table, held_out: Sequence[pa.Table], spec: AnySpec) -> pa.Table:
    """The unlabelled records that may be trained on: where the split is by groups, those of no group that is held out.

    Examples:
        >>> from lightloop.config.tabular import TabularSpec
        >>> spec = TabularSpec(name="x", modality="tabular", problem="classification", path="x", expectations="x",
        ...     files={"train": "x.csv"}, columns={"a": "feature", "y": "target", "who": "group"}, classes=["n", "y"],
        ...     split={"policy": "group", "test": 0.5})
        >>> apart_from(pa.table({"who": ["Ada", "Bob", None]}), [pa.table({"who": ["Bob", None]})], spec).to_pylist()
        [{'who': 'Ada'}, {'who': None}]
    """
    if spec.split.policy != "group":
        return unlabelled
    name = spec.with_role("group")[0]
    groups = {group for table in held_out for group in table.column(name).to_pylist()} - {None}
    return unlabelled.filter(
        pa.array([group not in groups for group in unlabelled.column(name).to_pylist()], pa.bool_())
    )


def read_file(spec: AnySpec, root: Path) -> pa.Table | None:
    """All records of the file `spec.unlabelled`, or None where there is no such file; raises as `read_unlabelled`."""
    if spec.unlabelled is None:
        return None
    there = spec.model_copy(update={"files": {**spec.files, "train": spec.unlabelled}})
    more = read_records(there, root, "train", collected=False)
    place = more.schema.get_field_index("id")
    more = more.set_column(place, "id", pc.replace_substring_regex(more.column("id"), "^train/", "unlabelled/"))
    # Labels that stand there are not looked at: a file says of itself that it is unlabelled.
    place = more.schema.get_field_index("label")
    return more.set_column(place, "label", pa.nulls(len(more), more.schema.field("label").type))
