"""The records of a source as the data set holds them: typed, named, complete. No torch."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from lightloop.adoption.folders import class_files
from lightloop.adoption.model import ColumnGuess, FolderFile, Guess, Source
from lightloop.adoption.source import raw_table
from lightloop.adoption.values import convert
from lightloop.config.data import Part
from lightloop.data.files import NULLS
from lightloop.data.tabular.input import as_categories
from lightloop.errors import RefusedError, UsageError


def read_part(source: Source, guess: Guess, part: Part) -> pa.Table:
    """All records of a part, typed and named as the guess says; what is ignored is there too.

    Records of classes that are left out for being too few are left out, as are those of a regression without a target.
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
    label = table.column(target.name)
    if guess.problem == "classification":
        kept = pc.or_(pc.is_null(label), pc.is_in(label, pa.array(guess.classes, label.type)))
        # Records without a label are unlabelled ones, but only among those to train on.
        table = table.filter(kept if part == "train" else pc.is_in(label, pa.array(guess.classes, label.type)))
    elif guess.problem == "regression":
        table = table.filter(pc.is_valid(label))
    else:
        time = guess.with_role("time")[0].name
        table = table.sort_by(time)
    return table


def linkable(source: Source, guess: Guess, part: Part) -> bool:
    """Whether the data layer reads the part exactly so from the file as it stands, so that a link to it will do.

    Of a folder: whether each file lies right in its class folder.
    """
    place = source.places[part]
    if source.form in ("images", "texts"):
        folder = place.paths[0]
        return all(len(file.path.relative_to(folder).parts) == 2 for file in folder_files(source, part))
    if len(place.paths) != 1:
        return False
    path = place.paths[0]
    if source.form == "parquet" and path.suffix.lower() == ".parquet":
        try:
            there = pq.ParquetFile(path).read()
        except (pa.ArrowException, OSError):
            return False
    elif path.suffix.lower() == ".csv" and place.dialect is not None and place.dialect.plain:
        try:
            # As `data.files` reads it.
            options = pc_csv.ConvertOptions(null_values=NULLS, strings_can_be_null=True)
            there = pc_csv.read_csv(path, convert_options=options)
        except (pa.ArrowException, OSError):
            return False
    else:
        return False
    return _same(there, read_part(source, guess, part), guess)


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


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


# Types that are read alike, and the one that they are compared as.
ALIKE = ((_is_number, pa.float64()), (_is_text, pa.large_string()))
