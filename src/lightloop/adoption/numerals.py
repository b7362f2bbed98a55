"""Numbers in texts: how they are written, decided on many of them. No torch."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.adoption.dates import plainly
from lightloop.adoption.model import Reading

# Share of the values that must be numbers for the rest to be taken for faults.
MOSTLY: Final = 0.95
_GROUPED = {
    ",": re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"),
    ".": re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"),
    " ": re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d+)?"),
    "'": re.compile(r"[+-]?\d{1,3}(['\u2019]\d{3})+(\.\d+)?"),
}
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+|[+-]?\d+")
_AFFIXED = re.compile(r"(?P<before>[^\d\s+\-.,]{0,3})\s*(?P<number>[+-]?[\d.,'\u00a0 ]*\d)\s*(?P<after>\S{0,8})")


def may_be_numbers(texts: Sequence[str], *, decimal_comma: bool) -> bool:
    """Whether some of the texts, evenly drawn, are numbers, so that it is worth looking at all of them."""
    some = texts[:: max(1, len(texts) // 500)]
    return bool(np.isfinite(parse_numbers(some, number_reading(some, decimal_comma=decimal_comma))).mean() > 0.5)


def number_reading(texts: Sequence[str], *, decimal_comma: bool) -> Reading:
    """The marks that most of the texts are numbers with."""
    some = list(texts[:5_000])
    affix = ""
    matches = [_AFFIXED.fullmatch(text) for text in some]
    affixes = {
        (match["before"] + match["after"]) if not (match["before"] and match["after"]) else None
        for match in matches
        if match
    }
    if len(affixes) == 1 and sum(match is not None for match in matches) >= MOSTLY * len(some):
        only = next(iter(affixes))
        # Letters right at the digits make a code, such as A12; a unit stands apart.
        apart = only and all(match is None or f" {only}" in match.group(0) for match in matches)
        if only and (apart or not any(character.isalnum() for character in only)):
            affix = only
    bare = [text.replace(affix, "").strip() if affix else text for text in some]
    plain = sum(_PLAIN.fullmatch(text) is not None for text in bare)
    grouped = {mark: sum(pattern.fullmatch(text) is not None for text in bare) for mark, pattern in _GROUPED.items()}
    commas = [text for text in bare if _COMMA.fullmatch(text) and "," in text]
    # Three digits after each comma mean thousands, unless semicolons divide the file, or a number has no such group.
    loose = [text for text in commas if _GROUPED[","].fullmatch(text) is None]
    both = any("," in text or text.count(".") > 1 for text in bare if _GROUPED["."].fullmatch(text))
    if grouped["."] and (decimal_comma or loose or both) and not _points(bare):
        return Reading("number", ",", ".", affix)
    if commas and (loose or decimal_comma) and plain <= len(bare) - len(commas):
        return Reading("number", ",", "", affix)
    for mark in (",", " ", "'"):
        if grouped[mark]:
            comma = mark == " " and any("," in text for text in bare)
            return Reading("number", "," if comma else ".", mark, affix)
    return Reading("number", affix=affix)


def _points(texts: Sequence[str]) -> bool:
    """Whether some have a decimal point."""
    return any(_PLAIN.fullmatch(text) and "." in text and not _GROUPED["."].fullmatch(text) for text in texts)


def parse_numbers(texts: Sequence[str], reading: Reading) -> NDArray[np.float64]:
    """Texts as numbers (D,), NaN where one is none."""
    series = pd.Series(list(texts), dtype="object").astype("str")
    values: NDArray[np.float64] = pd.to_numeric(plainly(series, reading), errors="coerce").to_numpy(
        np.float64, copy=True
    )
    return values


def is_code(texts: Sequence[str]) -> bool:
    """Whether digits are a code, such as a postal one: some begin with a zero, and all are of one length."""
    return (
        len({len(text) for text in texts}) == 1
        and len(texts[0]) > 1
        and all(text.isdigit() for text in texts)
        and any(text.startswith("0") for text in texts)
    )
