"""Texts that were read in a wrong encoding, are empty or damaged. No torch."""

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lightloop.adoption.folders import class_files
from lightloop.adoption.model import Finding, Guess, Source
from lightloop.adoption.profile import values_of

MOST = 20_000
SHOWN = 5
REPLACED = "\N{REPLACEMENT CHARACTER}"
# UTF-8 that was read as Windows-1252 or Latin-1: a lead byte, then a continuation byte, as the letters that they
# stand for there.
_CONTINUED = "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019"
_CONTINUED += "\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
MOJIBAKE = re.compile(f"[\u00c2-\u00df][{_CONTINUED}]|[\u00e0-\u00ef][{_CONTINUED}]{{2}}|\u00f0[{_CONTINUED}]{{3}}")


def about_texts(source: Source, guess: Guess) -> Iterator[Finding]:
    """Columns, or files, of texts that are damaged."""
    if source.form == "texts":
        yield from _about_files(source)
    elif source.form != "images":
        for column in guess.columns:
            one = values_of(source)[column.source]
            if one.holds == "text" and not column.parts:
                yield from _about_column(column.name, one.array)
                if column.role == "feature" and guess.modality == "text" and one.missing:
                    text = f"{one.missing:.1%} of the texts in {column.name!r} are missing or empty"
                    yield Finding("empty texts", "critical", (column.name,), text, "leave these records out")


def wrongly_decoded(text: str) -> bool:
    """Whether a text looks like UTF-8 that was read in another encoding.

    Examples:
        >>> wrongly_decoded("Gr\u00c3\u00b6\u00c3\u0178e"), wrongly_decoded("Gr\u00f6\u00dfe")
        (True, False)
    """
    return MOJIBAKE.search(text) is not None


def _about_column(name: str, array: pa.ChunkedArray) -> Iterator[Finding]:
    texts = pc.unique(pc.drop_null(array)).slice(0, MOST).cast(pa.large_string())
    foreign = texts.filter(pc.invert(pc.string_is_ascii(texts))).to_pylist()
    yield from _damaged(foreign, len(texts), f"the values of {name!r}", (name,), ())


def _about_files(source: Source) -> Iterator[Finding]:
    empty: list[str] = []
    other: list[str] = []
    wrong: list[str] = []
    looked_at = 0
    for place in source.places.values():
        for file in class_files(place.paths[0], source.form):
            name = file.path.relative_to(place.paths[0]).as_posix()
            content = file.path.read_bytes()
            looked_at += 1
            try:
                text = content.decode()
            except UnicodeDecodeError:
                other.append(name)
                continue
            if not text.strip():
                empty.append(name)
            elif not text.isascii() and wrongly_decoded(text):
                wrong.append(name)
    if empty:
        text = f"{len(empty)} of {looked_at} texts are empty ({', '.join(empty[:SHOWN])})"
        yield Finding("corrupt file", "warning", (), text, "they are left out", tuple(empty))
    if other:
        text = f"{len(other)} of {looked_at} texts are no UTF-8 ({', '.join(other[:SHOWN])})"
        advice = "U+FFFD stands for what is none; convert them if that is much"
        yield Finding("encoding", "warning", (), text, advice, tuple(other[:SHOWN]))
    if wrong:
        yield _mojibake(f"{len(wrong)} of {looked_at} texts", (), tuple(wrong[:SHOWN]))


def _damaged(
    texts: Sequence[str], total: int, what: str, columns: tuple[str, ...], records: tuple[str, ...]
) -> Iterator[Finding]:
    wrong = [text for text in texts if wrongly_decoded(text)]
    # A letter of French or Portuguese beside a mark may look so once; all over a column it is none.
    if len(wrong) >= max(1, 0.2 * len(texts)):
        example = " ".join(wrong[0].split())[:40]
        yield _mojibake(f"{len(wrong)} of {what} ({example!r})", columns, records)
    lost = [text for text in texts if REPLACED in text]
    if lost:
        text = f"{len(lost)} of {total} different values in {what} hold U+FFFD, which stands for lost characters"
        yield Finding("encoding", "warning", columns, text, "make the file anew from its source, in UTF-8", records)


def _mojibake(what: str, columns: tuple[str, ...], records: tuple[str, ...]) -> Finding:
    text = f"{what} look like UTF-8 that was read in another encoding"
    return Finding("encoding", "warning", columns, text, "make the file anew from its source, in UTF-8", records)
