"""What is known of each record without training on it: one table, a row a record, that the expectations are about."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from lightloop.config.text import TextSpec
from lightloop.quality.relations import RELATIONS, read_parts, relate

# Columns of the table and their pandas types; each of these types can hold a null.
COLUMNS = {
    "id": "str",
    "part": "str",
    "label": "str",
    "characters": "Int64",
    "words": "Int64",  # runs of letters and digits
    "empty": "boolean",  # nothing, or nothing but blanks
    "letters": "float64",  # share of the characters that are letters, in whatever script
    "replaced": "float64",  # share of the characters that are U+FFFD, which stands for what could not be decoded
    "controls": "Int64",  # control characters but for tab and line ends
    "longest": "Int64",  # characters of the longest run without a blank
    "hash": "str",  # of the text in one case, without differences in blanks and in Unicode's forms
    **RELATIONS,
    "copy_groups": "Int64",  # different groups among all records with the same hash; null where there are no groups
}
WORD = re.compile(r"\w+")
LETTER = re.compile(r"[^\W\d_]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Said(NamedTuple):
    """What one text says of itself, whatever its language."""

    characters: int
    words: int
    empty: bool
    letters: float
    replaced: float
    controls: int
    longest: int
    hash: str


def read_metadata(spec: TextSpec, root: Path) -> pd.DataFrame:
    """The metadata table of every part that the data set has.

    Args:
        spec: the data set.
        root: the project's folder, to which `spec.path` is relative.

    Returns:
        A row a record, in the order of the files, with the columns and types of `COLUMNS`. What is missing is null
        there: the expectations find it.

    Raises:
        LightloopError: a file is missing or not readable.
        RefusedError: a column that the spec names is missing or of the wrong kind.
    """
    parts = [describe_part(spec, part, records) for part, records in read_parts(spec, root)]
    related = relate(pd.concat(parts, ignore_index=True))
    groups = related.groupby("hash")["group"].transform("nunique").where(related["group"].notna())
    return related.assign(copy_groups=groups.astype("Int64"))[list(COLUMNS)]


def describe_part(spec: TextSpec, part: str, records: pa.Table) -> pd.DataFrame:
    """The same of some records, but for how they stand to others."""
    texts = [None if text is None else describe_text(text) for text in records.column("text").to_pylist()]
    group = next(iter(spec.with_role("group")), None)
    table = pd.DataFrame(
        {
            "id": records.column("id").to_pylist(),
            "part": part,
            "label": records.column("label").to_pylist(),
            "group": records.column(group).cast(pa.string()).to_pylist() if group else None,
        }
    )
    for field in Said._fields:
        table[field] = [None if said is None else getattr(said, field) for said in texts]
    return table.astype({"group": "str"} | {name: kind for name, kind in COLUMNS.items() if name in table})


def describe_text(text: str) -> Said:
    r"""Length, make-up and hash of one text.

    Examples:
        >>> describe_text("Buy  NOW\n")[:4]
        (9, 2, False, 0.6666666666666666)
        >>> describe_text("Buy  NOW\n").hash == describe_text("buy now").hash
        True
    """
    characters = len(text)
    share = 1 / characters if characters else 0.0
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return Said(
        characters=characters,
        words=sum(1 for _ in WORD.finditer(text)),
        empty=not plain,
        letters=len(LETTER.findall(text)) * share,
        replaced=text.count("\ufffd") * share,
        controls=len(CONTROL.findall(text)),
        longest=max(map(len, text.split()), default=0),
        hash=hashlib.sha256(plain.encode("utf-8", errors="surrogatepass")).hexdigest(),
    )
