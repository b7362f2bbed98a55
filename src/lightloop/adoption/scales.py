"""Categories whose values follow each other: known scales, ranges of numbers, grades."""

import re
from collections.abc import Iterable
from typing import Final

SCALES: Final[tuple[tuple[str, ...], ...]] = (
    ("very low", "low", "medium low", "medium", "medium high", "high", "very high"),
    ("very low", "low", "moderate", "high", "very high"),
    ("low", "mid", "high"),
    ("low", "med", "high", "vhigh"),
    ("low", "average", "high"),
    ("below average", "average", "above average"),
    ("tiny", "small", "medium", "large", "huge"),
    ("small", "med", "big"),
    ("xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl"),
    ("never", "rarely", "sometimes", "often", "usually", "always"),
    ("never", "seldom", "sometimes", "often", "very often"),
    ("none", "little", "some", "much"),
    ("none", "mild", "moderate", "severe"),
    ("none", "some", "marked"),
    ("no", "mild", "moderate", "severe"),
    ("not at all", "a little", "somewhat", "very"),
    ("very poor", "poor", "fair", "average", "good", "very good", "excellent"),
    ("bad", "fair", "good", "excellent"),
    ("unacc", "acc", "good", "vgood"),
    ("fair", "good", "very good", "premium", "ideal"),
    ("strongly disagree", "disagree", "neither agree nor disagree", "neutral", "undecided", "agree", "strongly agree"),
    ("very unhappy", "unhappy", "not too happy", "pretty happy", "happy", "very happy"),
    ("unlikely", "somewhat likely", "very likely"),
    ("first", "second", "third", "fourth", "fifth"),
    ("third class", "second class", "first class"),
    ("young", "middle-aged", "old"),
    ("child", "teen", "adult", "senior"),
    ("freshman", "sophomore", "junior", "senior"),
    ("junior", "mid", "senior", "lead"),
    ("entry", "mid", "senior", "executive"),
    ("bronze", "silver", "gold", "platinum"),
    ("basic", "standard", "premium"),
    ("cold", "cool", "mild", "warm", "hot"),
    ("slow", "medium", "fast"),
    ("short", "medium", "long"),
    ("light", "medium", "heavy"),
    ("primary", "secondary", "tertiary"),
    ("high school", "some college", "bachelor", "bachelors", "master", "masters", "doctorate", "phd"),
    ("f", "e", "d", "c", "b", "a"),
    ("i1", "si2", "si1", "vs2", "vs1", "vvs2", "vvs1", "if"),
    ("i", "ii", "iii", "iv", "v"),
)
_RANGE = re.compile(
    r"(?P<open>[<>\u2264\u2265]=?|under|over|below|above|less than|more than|up to)?\s*[\[(]?\$?"
    r"(?P<low>-?\d[\d,.]*)\s*[kK%]?\s*(?:(?:-|to|\u2013|,|;|\.\.)\s*\$?(?P<high>-?\d[\d,.]*)\s*[kK%]?\s*[\])]?)?\s*"
    r"(?P<more>\+|or more|and over|and more)?(?:\s*(?:years?|yrs?|months?|days?|old|usd|dollars))*",
    re.IGNORECASE,
)


def order_of(values: Iterable[str]) -> tuple[str, ...] | None:
    """The values of a category from the lowest; None where they are on no scale that is known.

    Examples:
        >>> order_of(["High", "low", "Medium"])
        ('low', 'Medium', 'High')
        >>> order_of(["65+", "<18", "18-34", "35-64"])
        ('<18', '18-34', '35-64', '65+')
        >>> order_of(["red", "low"]) is None, order_of(["A", "B"]) is None
        (True, True)
    """
    given = list(dict.fromkeys(values))
    if len(given) < 3:
        plain = {" ".join(value.casefold().split()) for value in given}
        if plain not in ({"low", "high"}, {"small", "large"}, {"short", "long"}, {"young", "old"}):
            return None
    for scale in SCALES:
        places = {value: _place(value, scale) for value in given}
        if all(place is not None for place in places.values()) and len(set(places.values())) == len(given):
            # Letters and Roman numbers alone name kinds as often as they rank; a whole run of them ranks.
            if max(map(len, given)) <= 1 and len(given) < 4:
                continue
            return tuple(sorted(given, key=lambda value: places[value] or 0))
    return _ranges(given)


def _place(value: str, scale: tuple[str, ...]) -> int | None:
    plain = " ".join(value.casefold().replace("_", " ").split())
    return scale.index(plain) if plain in scale else None


def _ranges(given: list[str]) -> tuple[str, ...] | None:
    """Ranges of numbers by their lower end; a range without one comes first."""
    keys = {}
    for value in given:
        match = _RANGE.fullmatch(value.strip())
        # A number alone is a number, and no range.
        if match is None or not (match["open"] or match["high"] or match["more"]):
            return None
        try:
            low = float(match["low"].replace(",", "").rstrip("."))
        except ValueError:
            return None
        below = (match["open"] or "").casefold() in ("<", "<=", "\u2264", "under", "below", "less than", "up to")
        above = (match["open"] or "").casefold() in (">", ">=", "\u2265", "over", "above", "more than")
        keys[value] = (low, -1 if below else 1 if above or match["more"] else 0)
    if len(given) < 3 or len(set(keys.values())) < len(given):
        return None
    return tuple(sorted(given, key=lambda value: keys[value]))
