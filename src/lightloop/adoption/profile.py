"""All columns of a source looked at, once for however many questions. No torch."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa

from lightloop.adoption.model import Place, Source
from lightloop.adoption.source import raw_table
from lightloop.adoption.values import Values, look
from lightloop.config.data import Part
from lightloop.config.tabular import RESERVED

Key = tuple[tuple[Part, Place], ...]


def values_of(source: Source) -> Mapping[str, Values]:
    """What each column holds, by its name in the source; on the records of all parts together."""
    stamps = tuple(
        (path.stat().st_size, path.stat().st_mtime_ns) for place in source.places.values() for path in place.paths
    )
    return _looked_at(_Hashed(source), stamps)


def forget_values() -> None:
    """Let go of what columns hold: those of a large source take as much memory as its tables."""
    _looked_at.cache_clear()


def whole_table(source: Source) -> pa.Table:
    """The records of all parts as they are written, one part after the other, the columns of the training records."""
    first = raw_table(source, "train")
    tables = [first, *(raw_table(source, part) for part in source.places if part != "train")]
    try:
        return pa.concat_tables([table.select(first.column_names) for table in tables], promote_options="permissive")
    except pa.ArrowException:
        texts = pa.schema([(name, pa.string()) for name in first.column_names])
        return pa.concat_tables([table.select(first.column_names).cast(texts) for table in tables])


def name_in_data(name: str) -> str:
    """The name that a column has in the data set: its own, unless the tables of records have a column called so.

    Examples:
        >>> name_in_data("hash"), name_in_data("Hash rate")
        ('hash_', 'Hash rate')
    """
    return f"{name}_" if name in RESERVED else name


class _Hashed:
    """A source as a key: by how its parts are read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.key = tuple(source.places.items())

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self.key == other.key


@lru_cache(maxsize=2)
def _looked_at(hashed: _Hashed, stamps: Any) -> Mapping[str, Values]:  # noqa: ARG001 - a part of the key
    table = whole_table(hashed.source)
    dialect = hashed.source.places["train"].dialect
    comma = dialect is not None and dialect.delimiter == ";"
    return {name: look(table.column(name), name, decimal_comma=comma) for name in table.column_names}
