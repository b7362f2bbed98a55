"""What is known of each record without training on it: one table, a row a record, that the expectations are about."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lightloop.config.data import Part
from lightloop.config.text import TextSpec
from lightloop.data.records import read_records

# Columns of the table and their pandas types; each of these types can hold a null.
COLUMNS = {
    "id": "str",
    "part": "str",
    "label": "str",
    "stratum": "str",  # part/label
    "characters": "Int64",
    "words": "Int64",  # runs of letters and digits
    "empty": "boolean",  # nothing, or nothing but blanks
    "letters": "float64",  # share of the characters that are letters, in whatever script
    "replaced": "float64",  # share of the characters that are U+FFFD, which stands for what could not be decoded
    "controls": "Int64",  # control characters but for tab and line ends
    "longest": "Int64",  # characters of the longest run without a blank
    "hash": "str",  # of the text in one case, without differences in blanks and in Unicode's forms
    "copies": "Int64",  # records of the same part with the same hash, this one included
    "in_other_part": "boolean",  # the same hash stands in another part too
    "copy_labels": "Int64",  # different labels among all records with the same hash
    "copy_groups": "Int64",  # different groups among them; null where the data set has no groups
    "class_share": "float64",  # of the record's label among the records of its part
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
    return relate(pd.concat([_read_part(spec, root, part) for part in spec.files], ignore_index=True))


def _read_part(spec: TextSpec, root: Path, part: Part) -> pd.DataFrame:
    records = read_records(spec, root, part)
    texts = [None if text is None else describe_text(text) for text in records.column("text").to_pylist()]
    labels = records.column("label").to_pylist()
    table = pd.DataFrame(
        {
            "id": records.column("id").to_pylist(),
            "part": part,
            "label": [None if label is None else str(label) for label in labels],
            "group": _groups(spec, records.column(name).to_pylist() if (name := _group_column(spec)) else labels),
        }
    )
    for field in Said._fields:
        table[field] = [None if said is None else getattr(said, field) for said in texts]
    return table.astype({"group": "str"} | {name: kind for name, kind in COLUMNS.items() if name in table})


def _group_column(spec: TextSpec) -> str | None:
    return next(iter(spec.with_role("group")), None)


def _groups(spec: TextSpec, values: list[object]) -> list[str | None]:
    known = _group_column(spec) is not None
    return [None if value is None or not known else str(value) for value in values]


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


def relate(table: pd.DataFrame) -> pd.DataFrame:
    """Add what a record can only be told by looking at the others: copies, overlap, share of its class.

    Args:
        table: the columns of `COLUMNS` that stand on one record alone, and `group`.

    Returns:
        All columns of `COLUMNS`; a relation of something null is null.

    Examples:
        >>> same = {"part": ["train", "test"], "label": ["a", "a"], "hash": ["x", "x"], "group": ["g", "h"]}
        >>> found = relate(pd.DataFrame(same))
        >>> found["in_other_part"].tolist(), found["copy_groups"].tolist()
        ([True, True], [2, 2])
    """
    same_text = table.groupby("hash")
    related = table.assign(
        stratum=table["part"] + "/" + table["label"],
        copies=table.groupby(["part", "hash"])["hash"].transform("size"),
        in_other_part=(same_text["part"].transform("nunique") > 1).where(table["hash"].notna()),
        copy_labels=same_text["label"].transform("nunique"),
        copy_groups=same_text["group"].transform("nunique").where(table["group"].notna()),
        class_share=table.groupby(["part", "label"])["label"].transform("size")
        / table.groupby("part")["part"].transform("size"),
    )
    known = [name for name in COLUMNS if name in related]
    return related[known].astype({name: COLUMNS[name] for name in known})
