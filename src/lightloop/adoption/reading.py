"""The records of a source as the data set holds them: typed, named, complete. No torch."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lightloop.adoption.folders import class_files
from lightloop.adoption.model import ColumnGuess, FolderFile, Guess, Source
from lightloop.adoption.source import raw_table
from lightloop.adoption.values import convert
from lightloop.config.data import Part
from lightloop.data.tabular.input import as_categories
from lightloop.errors import RefusedError, UsageError


def read_part(source: Source, guess: Guess, part: Part) -> pa.Table:
    """The records of a part that something can be learned of: `read_whole` without those of classes that are left out
    for being too few, and without those that lack a target and are not unlabelled training records.

    Raises:
        UsageError: a value of another part is not of the kind that the training records have.
    """
    table = read_whole(source, guess, part)
    if source.form in ("images", "texts") or guess.problem == "forecasting":
        return table
    label = table.column(guess.target.name)
    if guess.problem == "regression":
        return table.filter(pc.is_valid(label))
    kept = pc.is_in(label, pa.array(guess.classes, label.type))
    # Records without a label are unlabelled ones, but only among those to train on.
    return table.filter(pc.or_(pc.is_null(label), kept) if part == "train" else kept)


def read_whole(source: Source, guess: Guess, part: Part) -> pa.Table:
    """All records of a part, typed and named as the guess says; what is ignored is there too.

    A forecast's steps are in the order of time. Of class folders the columns are `id`, `image` (encoded bytes) or
    `text`, and `label`.

    Raises:
        UsageError: a value of another part is not of the kind that the training records have.
    """
    if source.form in ("images", "texts"):
        return _read_folder(source, part)
    raw = raw_table(source, part)
    arrays: dict[str, pa.ChunkedArray] = {}
    for column in guess.columns:
        try:
            arrays[column.name] = _array(raw, column)
        except (RefusedError, pa.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(f"column {column.source!r} of the {part} records: {reason}") from None
    target = guess.target
    if guess.problem == "classification":
        arrays[target.name] = as_categories(arrays[target.name], target.name)
    table = pa.table(arrays)
    return table.sort_by(guess.with_role("time")[0].name) if guess.problem == "forecasting" else table


def linkable(source: Source, guess: Guess, part: Part, wanted: pa.Table) -> bool:
    """Whether the data layer reads the wanted records exactly so from the file as it stands, so that a link to it will
    do: Parquet alone. A CSV file holds no types: what a column is would depend on the values of the day.
    """
    paths = source.places[part].paths
    if source.form != "parquet" or len(paths) != 1 or paths[0].suffix.lower() != ".parquet":
        return False
    return _same(pq.ParquetFile(paths[0]).read(), wanted, guess)


def labelled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which records have a target; an empty text is none.

    Examples:
        >>> labelled(pa.chunked_array([["a", "", None]])).to_pylist()
        [True, False, False]
    """
    known = column.is_valid()
    return pc.and_(known, pc.not_equal(pc.fill_null(column, ""), "")) if is_text(column.type) else known


def folder_files(source: Source, part: Part) -> tuple[FolderFile, ...]:
    """The files of a folder of class folders, with their labels, in the order of their names."""
    return class_files(source.places[part].paths[0], source.form)


def _array(raw: pa.Table, column: ColumnGuess) -> pa.ChunkedArray:
    if column.parts:
        steps = [convert(raw.column(name), column.reading).cast(pa.float32()) for name in column.parts]
        joined = zip(*(step.to_pylist() for step in steps), strict=True)
        return pa.chunked_array([pa.array([list(values) for values in joined], pa.list_(pa.float32()))])
    return convert(raw.column(column.source), column.reading)


def _read_folder(source: Source, part: Part) -> pa.Table:
    folder = source.places[part].paths[0]
    files = folder_files(source, part)
    contents = [file.path.read_bytes() for file in files]
    record = (
        {"image": pa.array(contents, pa.large_binary())}
        if source.form == "images"
        else {"text": pa.array([one.decode("utf-8", errors="replace") for one in contents], pa.large_string())}
    )
    return pa.table(
        {
            "id": pa.array([file.path.relative_to(folder).as_posix() for file in files], pa.string()),
            **record,
            "label": pa.array([file.label for file in files], pa.string()),
        }
    )


def _same(there: pa.Table, wanted: pa.Table, guess: Guess) -> bool:
    """Whether columns that are read hold the same; of those that are not, none has to."""
    if len(there) != len(wanted):
        return False
    for column in guess.columns:
        if column.role == "ignored" and column.name != guess.id:
            continue
        if column.name not in there.column_names:
            return False
        one, other = there.column(column.name), wanted.column(column.name)
        if column.kind in ("category", "ordered") or (column.role == "target" and guess.problem == "classification"):
            try:
                one, other = as_categories(one, column.name), as_categories(other, column.name)
            except RefusedError:
                return False
        elif one.type != other.type:
            # pandas stores text as large strings, which the data layer reads like the others.
            common = next((kind for is_so, kind in ALIKE if is_so(one.type) and is_so(other.type)), None)
            if common is None:
                return False
            one, other = one.cast(common), other.cast(common)
        if one.combine_chunks() != other.combine_chunks():
            return False
    return True


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


# Types that are read alike, and the one that they are compared as.
ALIKE = ((_is_number, pa.float64()), (is_text, pa.large_string()))
