"""Numbers as people read them. Evidence holds full precision; rounding happens here and nowhere else."""

from collections.abc import Mapping
from typing import Any

MISSING = "–"


def count(value: int | None) -> str:
    """A whole number with separators.

    Examples:
        >>> count(12000), count(None)
        ('12,000', '–')
    """
    return MISSING if value is None else f"{value:,}"


def figure(value: float | None, digits: int = 3) -> str:
    """A number with `digits` decimals; small ones as a power of ten, so that they are not shown as 0.

    Examples:
        >>> figure(0.91249), figure(0.0), figure(2.4e-7), figure(None), figure(-0.0131)
        ('0.912', '0.000', '2.4 × 10⁻⁷', '–', '−0.013')
    """
    if value is None:
        return MISSING
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        return _power(value)
    return f"{value:,.{digits}f}".replace("-", "−")


def plain(value: Any) -> str:
    """Any value of an evidence file in short: numbers rounded, lists joined, None as missing.

    Examples:
        >>> plain(0.8600001), plain([1, 2]), plain({"low": 0, "high": 9}), plain(True), plain(None)
        ('0.86', '1, 2', 'low 0, high 9', 'yes', '–')
    """
    match value:
        case None:
            text = MISSING
        case bool():
            text = "yes" if value else "no"
        case int():
            text = count(value).replace("-", "−")
        case float() if value != 0 and abs(value) < 1e-3:
            text = _power(value)
        case float():
            text = f"{value:,.4f}".rstrip("0").rstrip(".").replace("-", "−")
        case {"value": _, "low": _, "high": _}:
            text = estimate(value)
        case Mapping():
            text = ", ".join(f"{words(str(key))} {plain(item)}" for key, item in value.items())
        case list() | tuple():
            text = ", ".join(plain(item) for item in value)
        case _:
            text = str(value)
    return text or MISSING


def settings(content: Mapping[str, Any]) -> str:
    """One group of a config: its name, then its values.

    Examples:
        >>> settings({"name": "adamw", "lr": 0.004, "weight_decay": 0.05})
        'adamw: lr 0.004, weight decay 0.05'
        >>> settings({"name": "constant"})
        'constant'
    """
    rest = {key: value for key, value in content.items() if key != "name"}
    return f"{content['name']}: {plain(rest)}" if rest else str(content["name"])


def interval(content: Mapping[str, float | None] | None) -> str:
    """The bounds of an estimate.

    Examples:
        >>> interval({"value": 0.912, "low": 0.8991, "high": 0.9241})
        '[0.899, 0.924]'
        >>> interval({"value": 1.0, "low": None, "high": None})
        ''
    """
    if content is None or content.get("low") is None or content.get("high") is None:
        return ""
    return f"[{figure(content['low'])}, {figure(content['high'])}]"


def estimate(content: Mapping[str, float | None] | None) -> str:
    """Value and interval.

    Examples:
        >>> estimate({"value": 0.912, "low": 0.8991, "high": 0.9241})
        '0.912 [0.899, 0.924]'
        >>> estimate({"value": None, "low": None, "high": None})
        '–'
    """
    if content is None or content.get("value") is None:
        return MISSING
    return f"{figure(content['value'])} {interval(content)}".rstrip()


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage.

    Examples:
        >>> percent(0.9537), percent(0.9996), percent(None)
        ('95 %', '>99 %', '–')
    """
    if share is None:
        return MISSING
    shown = round(share * 100, digits)
    # A probability is not certain because it was rounded.
    if shown >= 100 > share * 100:
        return f">{100 - 10**-digits:.{digits}f} %"
    if shown <= 0 < share:
        return f"<{10**-digits:.{digits}f} %"
    return f"{shown:.{digits}f} %"


def size(octets: int | None) -> str:
    """Bytes in a unit that suits.

    Examples:
        >>> size(512), size(431_000), size(2_345_000), size(None)
        ('512 B', '431 kB', '2.3 MB', '–')
    """
    if octets is None:
        return MISSING
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1e3:.0f} kB" if octets < 1e6 else f"{octets / 1e6:.1f} MB"


def words(name: str) -> str:
    """A machine's name as words.

    Examples:
        >>> words("max_difference")
        'max difference'
    """
    return name.replace("_", " ")


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Examples:
        >>> plural(1, "check"), plural(1200, "check"), plural(2, "class", "classes")
        ('1 check', '1,200 checks', '2 classes')
    """
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}".replace("-", "−")
