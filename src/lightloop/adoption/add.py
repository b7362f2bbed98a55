"""`lightloop data add`: records of files become records of the data set, as labelled answers of the service do.

files -> columns and types of the data set -> labelled -> not known -> side -> data check -> file -> data.dvc

They lie in `collected-NAME.parquet`, beside what `lightloop collect` takes from the log (`data.collected`): each record
has a side of the split for good, so that no other record moves to another side because of it.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from lightloop.adoption.model import FOLDERS
from lightloop.adoption.reading import folder_files, is_text, labelled
from lightloop.adoption.source import open_source, raw_table
from lightloop.adoption.values import convert, look
from lightloop.collection.candidates import OUR_NAMES
from lightloop.collection.checked import joined, set_aside
from lightloop.collection.collect import known_contents, label_counts, write_collected
from lightloop.collection.sides import by_time, chosen_sides
from lightloop.config.compose import compose_config, read_params
from lightloop.config.data import Role
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.data.collected import ID, SPLIT, Side, collected_path
from lightloop.data.files import NULLS, read_table
from lightloop.data.records import read_records
from lightloop.data.splits import read_splits
from lightloop.errors import RefusedError, UsageError
from lightloop.monitoring.content import content_keys
from lightloop.project import Project
from lightloop.versions.change import recover, require_whole
from lightloop.versions.check import current_spec

CARRIED: tuple[Role, ...] = ("group", "time", "sensitive", "slice", "auxiliary")
PARTS = ("train", "validation", "test")


class Addition(BaseModel):
    """What came of it: `lightloop data add --json`.

    Attributes:
        name: of the data set.
        records: in the files.
        unlabelled: of them, without a target; they are left out.
        known: those whose content stands in the data under the same label, or twice in the files.
        set_aside: reasons, with the number of records each.
        added: new records by side; `time` where time divides.
        labels: new records by label; empty where numbers are predicted.
        ignored: columns of the files that the data set does not name.
        data_version: of `data.dvc` afterwards; null where nothing was written.
        dry_run: whether nothing was to be written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    records: int
    unlabelled: int
    known: int
    set_aside: dict[str, int]
    added: dict[str, int]
    labels: dict[str, int]
    ignored: tuple[str, ...] = ()
    data_version: str | None = None
    dry_run: bool = False


def add_records(
    project: Project,
    files: Sequence[str],
    *,
    dataset: str | None = None,
    part: str | None = None,
    dry_run: bool = False,
) -> Addition:
    """Add the records of files to the data set; the files are only read.

    Args:
        project: with the data set.
        files: tables, or folders of class folders.
        dataset: name of the data set; without it that of the last run.
        part: the side of all of them; without it drawn for each by the hash of its content, or that of its group.
        dry_run: write nothing.

    Raises:
        UsageError: there is no such data set or part, or a file can't be read.
        RefusedError: a column is missing or holds other values; or the data check refuses all of them together.
        LightloopError: the data are not there or damaged, or DVC failed; nothing was changed.
    """
    recover(project)
    spec = current_spec(project, dataset)
    _possible(spec, part)
    if not dry_run or not (project.root / spec.path).exists():
        require_whole(project)
    rows, ignored = _rows(project, spec, files)
    read = len(rows)
    rows = rows.filter(labelled(rows.column(spec.target)))
    unlabelled = read - len(rows)
    path = collected_path(spec, project.root)
    before = pq.read_table(path) if path.exists() else None
    reasons: Counter[str] = Counter()
    if isinstance(spec, SeriesSpec) and spec.problem == "forecasting":
        new, known = _new_steps(project, spec, rows, reasons)
    else:
        new, known = _new_records(project, spec, rows, reasons, part=part, before=before)
    refused = set_aside(project, spec, before, new) if len(new) else {}
    reasons.update("; ".join(several) for several in refused.values())
    new = new.filter(pa.array([one not in refused for one in new.column(ID).to_pylist()], pa.bool_()))
    version = write_collected(project, path, joined(before, new)) if len(new) and not dry_run else None
    return Addition(
        name=spec.name,
        records=read,
        unlabelled=unlabelled,
        known=known,
        set_aside=dict(sorted(reasons.items())),
        added=dict(sorted(Counter(new.column(SPLIT).to_pylist()).items())),
        labels=label_counts(new, spec),
        ignored=ignored,
        data_version=version,
        dry_run=dry_run,
    )


def _possible(spec: AnySpec, part: str | None) -> None:
    if spec.problem == "generation":
        raise UsageError(
            f"data={spec.name} is for generation, whose records have no answer to be divided by: put more images into "
            f"{spec.path}/{spec.files['train']}, then `dvc add data`"
        )
    if part is None:
        return
    if part not in PARTS:
        raise UsageError(f"there is no part {part!r}: say train, validation or test")
    if by_time(spec) or spec.problem == "forecasting":
        raise UsageError(
            f"the records of {spec.name} are divided by time, so that none can be put into {part}: leave --part out"
        )


def _rows(project: Project, spec: AnySpec, files: Sequence[str]) -> tuple[pa.Table, tuple[str, ...]]:
    """The files' rows with the columns and types of the data set, and the names of columns that it does not have."""
    schema = _schema(project, spec)
    tables, ignored = [], set()
    for file in files:
        raw = _raw(file, spec)
        ignored |= set(raw.column_names) - set(schema.names) - set(spec.columns)
        tables.append(pa.table({field.name: _typed(raw, field, file) for field in schema}, schema=schema))
    return pa.concat_tables(tables), tuple(sorted(ignored))


def _schema(project: Project, spec: AnySpec) -> pa.Schema:
    """The columns that are read of the data set's own file, with their types; ids become text."""
    if (project.root / spec.path / spec.files["train"]).is_dir():
        kind = pa.large_binary() if spec.modality == "image" else pa.large_string()
        return pa.schema([(spec.feature, kind), (spec.target, pa.string())])
    identifier = getattr(spec, "id", None)
    names = [*([identifier] if identifier else []), *spec.features, spec.target, *spec.with_role(*CARRIED)]
    schema = read_table(spec, project.root, "train", names).slice(0, 0).schema
    kinds = {field.name: field.type for field in schema}
    if spec.problem == "classification":
        kinds[spec.target] = pa.string()
    if identifier:
        kinds[identifier] = pa.string()
    if spec.modality == "image":
        kinds[spec.feature] = pa.large_binary()
    return pa.schema(list(kinds.items()))


def _raw(file: str, spec: AnySpec) -> pa.Table:
    source = open_source([file])
    if source.form not in ("images", "texts"):
        raw = pa.concat_tables([raw_table(source, part) for part in source.places], promote_options="permissive")
        return _without_nulls(raw) if source.form == "delimited" else raw
    if FOLDERS[source.form] != spec.modality:
        raise UsageError(
            f"{file} holds {source.form}, but data={spec.name} is {spec.modality}: give files of that kind"
        )
    found = [one for part in source.places for one in folder_files(source, part)]
    contents = [one.path.read_bytes() for one in found]
    values = contents if spec.modality == "image" else [one.decode("utf-8", errors="replace") for one in contents]
    return pa.table({spec.feature: values, spec.target: [one.label for one in found]})


def _without_nulls(raw: pa.Table) -> pa.Table:
    """A delimited file has no missing values, only texts that stand for them: those that the data layer takes so."""
    nulls = pa.array(NULLS, pa.string())
    columns = {
        name: pc.if_else(pc.is_in(column, value_set=nulls), pa.scalar(None, pa.string()), column)
        for name, column in zip(raw.column_names, raw.columns, strict=True)
    }
    return pa.table(columns)


def _typed(raw: pa.Table, field: pa.Field, file: str) -> pa.ChunkedArray:
    """A column in the type of the data set.

    Raises:
        RefusedError: it is missing, or holds what that type can't.
    """
    name = Path(file).name
    if field.name not in raw.column_names:
        raise RefusedError(
            f"{name} has no column {field.name!r} (it has {', '.join(raw.column_names)}), which the data set "
            "needs: nothing was added"
        )
    column = raw.column(field.name)
    if pa.types.is_struct(column.type) and pa.types.is_large_binary(field.type):
        column = pc.struct_field(column, "bytes")
    try:
        wants_text = is_text(field.type)
        if is_text(column.type) and not wants_text:
            column = convert(column, look(column, field.name).reading)
        if pa.types.is_floating(column.type) and wants_text:  # "1", not "1.0"
            whole = column.cast(pa.int64(), safe=False)
            same = pc.all(pc.equal(pc.fill_null(whole.cast(pa.float64()), 0.0), pc.fill_null(column, 0.0))).as_py()
            column = whole if same else column
        return column.cast(field.type)
    except (pa.ArrowException, OverflowError) as error:
        raise RefusedError(
            f"{name}: the column {field.name!r} can't be read as {field.type}, which it is in the data set "
            f"({str(error).splitlines()[0]}): mend it; nothing was added"
        ) from None


def _new_records(
    project: Project,
    spec: AnySpec,
    rows: pa.Table,
    reasons: Counter[str],
    *,
    part: str | None,
    before: pa.Table | None,
) -> tuple[pa.Table, int]:
    """Those that the data do not have, with ids and sides, and how many of the others there are."""
    seed = _seed(project, spec)
    read = _as_read(spec, rows)
    names_read = [OUR_NAMES.get(spec.modality, name) for name in spec.features]
    keys_N, labels_N = content_keys(read, names_read), content_keys(read, ["label"])
    sides, seen = known_contents(project, spec, seed)
    identifier = getattr(spec, "id", None)
    ids = rows.column(identifier).to_pylist() if identifier else [None] * len(rows)
    taken = _ids(project, spec, before) if identifier else set()
    kept, names, known = [], [], 0
    for row, (key, label) in enumerate(zip(keys_N.tolist(), labels_N.tolist(), strict=True)):
        if (key, label) in seen:
            known += 1
            continue
        seen.add((key, label))
        if identifier and (ids[row] is None or ids[row] in taken):
            reasons[f"{identifier}: missing, or that of another record"] += 1
            continue
        taken.add(ids[row])
        kept.append(row)
        digest = hashlib.sha256(f"{key}/{label}".encode()).hexdigest()
        names.append(str(ids[row]) if identifier else f"added-{digest[:16]}")
    new = rows.take(pa.array(kept, pa.int64())).append_column(ID, pa.array(names, pa.string()))
    if part:
        chosen: list[Side] = [part] * len(new)  # type: ignore[list-item]
    else:
        share = compose_config(project).monitor.collect.test_share
        chosen = chosen_sides(new, spec, share, keys_N[kept], sides)
        chosen = _with_their_group(project, spec, new, chosen, seed)
    return new.append_column(SPLIT, pa.array(chosen, pa.string())), known


def _as_read(spec: AnySpec, rows: pa.Table) -> pa.Table:
    """The rows as the data layer reads them, by which contents are compared: a code may be text there."""
    with tempfile.TemporaryDirectory() as root:
        alone: dict[str, Any] = {"path": ".", "files": {"train": "rows.parquet"}, "unlabelled": None}
        if hasattr(spec, "id"):
            alone["id"] = None  # ids may repeat: that is said of each record
        pq.write_table(rows, Path(root) / "rows.parquet")
        if not len(rows):
            return pa.table({name: pa.array([], pa.string()) for name in ("image", "text", "label", *spec.features)})
        return read_records(spec.model_copy(update=alone), Path(root), "train", collected=False)


def _seed(project: Project, spec: AnySpec) -> int:
    """By which the data set was divided."""
    if project.params.exists():
        config = read_params(project)
        if config.data.name == spec.name:
            return config.seed
    return compose_config(project).seed


def _ids(project: Project, spec: AnySpec, before: pa.Table | None) -> set[str | None]:
    name = getattr(spec, "id", None)
    assert isinstance(name, str)
    found: set[str | None] = set()
    for part in spec.files:
        column = read_table(spec, project.root, part, [name]).column(name)
        found |= set(column.cast(pa.string()).to_pylist())
    if before is not None and name in before.column_names:
        found |= set(before.column(name).cast(pa.string()).to_pylist())
    return found


def _with_their_group(project: Project, spec: AnySpec, new: pa.Table, chosen: list[Side], seed: int) -> list[Side]:
    """Records of one group never straddle a split: the group's side where the data have one, else that of its first."""
    names = spec.with_role("group")
    if spec.split.policy != "group" or not names:
        return chosen
    sides: dict[object, Side] = {}
    known: dict[Side, pa.Table] = dict(read_splits(spec, project.root, seed, whole=True).items())
    for side, table in known.items():
        sides |= {group: side for group in table.column(names[0]).to_pylist() if group is not None}
    found = []
    for group, side in zip(new.column(names[0]).to_pylist(), chosen, strict=True):
        found.append(side if group is None else sides.setdefault(group, side))
    return found


def _new_steps(project: Project, spec: SeriesSpec, rows: pa.Table, reasons: Counter[str]) -> tuple[pa.Table, int]:
    """The steps after the last one of the data set."""
    from lightloop.data.series.records import stamp_names, time_stamps
    from lightloop.data.series.windows import read_steps

    times = time_stamps(rows.column(spec.time), spec.time, "the new file")
    last = read_steps(spec, project.root).times[-1]
    seen: set[object] = set()
    kept = []
    for row in times.argsort(kind="stable").tolist():
        if times[row] <= last:
            continue
        if times[row] in seen:
            reasons[f"{spec.time}: a second value for one time stamp"] += 1
            continue
        seen.add(times[row])
        kept.append(row)
    known = len(rows) - len(kept) - sum(reasons.values())
    new = rows.take(pa.array(kept, pa.int64()))
    names = [f"step-{name}" for name in stamp_names(times[kept])] if kept else []
    new = new.append_column(ID, pa.array(names, pa.string()))
    return new.append_column(SPLIT, pa.array(["time"] * len(new), pa.string())), known
