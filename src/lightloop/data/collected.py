"""Records that `lightloop collect` took from the log of the service: a file beside those of the data set. No torch.

`collected-NAME.parquet` lies in the folder of the data set NAME, once something was collected. It has the columns of
the data set, `collected_id` (the prediction's) and `collected_split`: whether the record is trained on, chooses the
checkpoint, or is tested on. That was decided when it was collected and never changes, so that no record that a release
was trained on is ever tested on, whatever comes later. Where shares are divided by time, the split is `time`: the
latest records are the test, so that a record only moves from test to validation to training. Of a forecast the file has
the steps that follow the data set's last.
"""

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lightloop.config.data import DataSpec, Part
from lightloop.errors import LightloopError

Side = Literal["train", "validation", "test", "time"]
SIDES: tuple[Side, ...] = ("train", "validation", "test", "time")
ID, SPLIT = "collected_id", "collected_split"
PREFIX = "collected/"
KEYS = pa.schema([(ID, pa.string()), (SPLIT, pa.string())])


def collected_file(spec: DataSpec) -> str:
    """The file's name in the folder of the data set.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.project import Project
        >>> collected_file(compose_config(Project.find()).data)
        'collected-fashion.parquet'
    """
    return f"collected-{spec.name}.parquet"


def collected_path(spec: DataSpec, root: Path) -> Path:
    """The file, which need not be there."""
    return root / spec.path / collected_file(spec)


def read_keys(spec: DataSpec, root: Path) -> pa.Table:
    """The columns `collected_id` and `collected_split`, a row a record in the order of the file.

    Raises:
        LightloopError: the file is damaged.
    """
    path = collected_path(spec, root)
    try:
        table = pq.read_table(path, columns=[ID, SPLIT]).cast(KEYS)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LightloopError(
            f"{spec.path}/{path.name} is not what `lightloop collect` writes ({str(error).splitlines()[0]}): "
            "restore it with `dvc checkout data.dvc`"
        ) from None
    odd = set(table.column(SPLIT).to_pylist()) - set(SIDES)
    if odd:
        raise LightloopError(
            f"{spec.path}/{path.name} has the {SPLIT} {sorted(map(str, odd))[0]!r}: expected {', '.join(SIDES)}; "
            "restore it with `dvc checkout data.dvc`"
        )
    return table


def named(table: pa.Table, keys: pa.Table) -> pa.Table:
    """Records of the collected file under ids that tell where they come from, such as `collected/test/0198...`."""
    ids = pc.binary_join_element_wise(PREFIX.rstrip("/"), keys.column(SPLIT), keys.column(ID), "/")
    return table.set_column(table.schema.get_field_index("id"), "id", ids)


def sides_of(spec: DataSpec, part: Part) -> list[Side]:
    """Which of the collected records belong to a file of the data set: what no other file holds is in the first."""
    if part != "train":
        return [part]
    return [side for side in SIDES if side not in spec.files or side == "train"]


def following_part(spec: DataSpec) -> Part:
    """The file of a series whose last step the collected steps follow."""
    parts: tuple[Part, ...] = ("test", "validation", "train")
    return next(part for part in parts if part in spec.files)
