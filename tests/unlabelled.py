"""Taking labels away, to see what semi-supervised training and active learning make of it."""

import pyarrow as pa
import pyarrow.parquet as pq

from lightloop.project import Project


def hide_labels(project: Project, every: int) -> dict[str, str]:
    """Take the label from each `every`-th training record; return the labels that were there, by record."""
    path = project.root / "data/fashion/train.parquet"
    table = pq.read_table(path)
    labels = table.column("label").to_pylist()
    hidden = [None if row % every == 0 else label for row, label in enumerate(labels)]
    pq.write_table(table.set_column(table.schema.get_field_index("label"), "label", pa.array(hidden)), path)
    return {f"train/{row}": labels[row] for row in range(0, len(labels), every)}
