"""Records that `lightloop collect` took from the log of the service: a file beside those of the data set. No torch.

`collected-NAME.parquet` lies in the folder of the data set NAME, once something was collected. It has the columns of
the data set, `collected_id` (the prediction's) and `collected_split`: whether the record is trained on, chooses the
checkpoint, or is tested on. That was decided when it was collected and never changes, so that no record that a release
was trained on is ever tested on, whatever comes later. Where shares are divided by time, the split is `time`: the
latest records are the test, so that a record only moves from test to validation to training. Of a forecast the file has
the steps that follow the data set's last.

`collected_time` is when the model was asked. Where collecting found that older records no longer tell what is true of
newer ones, the file says since when records hold. The older ones, and those of the data set's own files, then stay
where they are, but nothing is trained, chosen or tested on them. Records without a time, which a person added, always
hold.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lightloop.config.data import DataSpec, Part
from lightloop.errors import LightloopError

Side = Literal["train", "validation", "test", "time"]
SIDES: tuple[Side, ...] = ("train", "validation", "test", "time")
ID, SPLIT, TIME = "collected_id", "collected_split", "collected_time"
PREFIX = "collected/"
KEYS = pa.schema([(ID, pa.string()), (SPLIT, pa.string()), (TIME, pa.timestamp("ms", tz="UTC"))])
HOLDS = b"lightloop.holds"  # in the metadata of the file's schema


def collected_file(spec: DataSpec) -> str:
    """The file's name in the folder of the data set.

    Examples:
        >>> from types import SimpleNamespace
        >>> collected_file(SimpleNamespace(name="shoes"))
        'collected-shoes.parquet'
    """
    return f"collected-{spec.name}.parquet"


def collected_path(spec: DataSpec, root: Path) -> Path:
    """The file, which need not be there."""
    return root / spec.path / collected_file(spec)


def read_keys(spec: DataSpec, root: Path) -> pa.Table:
    """The columns `collected_id`, `collected_split` and `collected_time`, a row a record in the order of the file.

    Files of versions before 0.6.0 have no times: they are null.

    Raises:
        LightloopError: the file is damaged.
    """
    path = collected_path(spec, root)
    try:
        timed = TIME in pq.read_schema(path).names
        table = pq.read_table(path, columns=KEYS.names if timed else [ID, SPLIT])
        table = (table if timed else table.append_column(TIME, pa.nulls(len(table)))).cast(KEYS)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(spec, path, error) from None
    odd = set(table.column(SPLIT).to_pylist()) - set(SIDES)
    if odd:
        raise LightloopError(
            f"{spec.path}/{path.name} has the {SPLIT} {sorted(map(str, odd))[0]!r}: expected {', '.join(SIDES)}; "
            "restore it with `dvc checkout data.dvc`"
        )
    return table


def read_since(spec: DataSpec, root: Path) -> datetime | None:
    """Since when records hold, UTC; None where all do, and where the data set's own files are no longer those of which
    that was found.

    Raises:
        LightloopError: the file is damaged.
    """
    path = collected_path(spec, root)
    if not path.exists():
        return None
    try:
        told = (pq.read_schema(path).metadata or {}).get(HOLDS)
        if told is None:
            return None
        content = json.loads(told)
        since = datetime.fromisoformat(content["since"])
        return since if content["files"] == _sizes(spec, root) else None
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(spec, path, error) from None


def with_since(table: pa.Table, since: datetime | None, spec: DataSpec, root: Path) -> pa.Table:
    """The rows of the collected file, which say since when records hold.

    Args:
        table: of the file.
        since: UTC; None where all hold.
        spec: the data set.
        root: the project's folder, with the data set's own files.
    """
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != HOLDS}
    if since is not None:
        content = {"since": since.astimezone(UTC).isoformat(), "files": _sizes(spec, root)}
        metadata[HOLDS] = json.dumps(content).encode()
    return table.replace_schema_metadata(metadata or None)


def _sizes(spec: DataSpec, root: Path) -> dict[str, int]:
    """Bytes of each of the data set's own files, or of all in a folder."""
    found = {}
    for name in sorted(set(spec.files.values())):
        path = root / spec.path / name
        files = [path] if path.is_file() else path.rglob("*")
        found[name] = sum(one.stat().st_size for one in files if one.is_file())
    return found


def _damaged(spec: DataSpec, path: Path, error: Exception) -> LightloopError:
    return LightloopError(
        f"{spec.path}/{path.name} is not what `lightloop collect` writes ({str(error).splitlines()[0]}): "
        "restore it with `dvc checkout data.dvc`"
    )


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
