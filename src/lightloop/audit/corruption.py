"""Raw records made worse in five strengths: the whole path of serving is asked about them, not the network alone.

Amounts are ours; kinds follow Hendrycks & Dietterich 2019 (arXiv:1903.12261) for images, whose amounts are for larger
ones. The same records, strength and seed give the same records.

Shapes: N records, H height, W width, C channels.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec

Random = np.random.Generator
STRENGTHS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Raw:
    """Raw records.

    Attributes:
        records: to be changed.
        spec: of their data set.
        train: training records, for ranges and units.
    """

    records: pa.Table
    spec: AnySpec
    train: pa.Table


@dataclass(frozen=True)
class Corruption:
    """One way to make records worse.

    Attributes:
        name: for files.
        amounts: of the strengths 1 to 5.
        unit: of the amounts.
        apply: called with the records, an amount and a generator.
    """

    name: str
    amounts: tuple[float, ...]
    unit: str
    apply: Callable[[Raw, float, Random], pa.Table]

    def at(self, strength: int, raw: Raw, seed: int) -> pa.Table:
        """The records at a strength from 1 to 5."""
        return self.apply(raw, self.amounts[strength - 1], np.random.default_rng([seed, strength]))


def corruptions(spec: AnySpec) -> tuple[Corruption, ...]:
    """Those of the data set's modality."""
    return CORRUPTIONS[spec.modality]


# Images


def change_images(table: pa.Table, change: Callable[[Image.Image], Image.Image]) -> pa.Table:
    """Each image decoded in its own size, changed, and encoded without loss."""
    images = []
    for content in table.column("image").to_pylist():
        with Image.open(io.BytesIO(content)) as opened:
            plain = opened if opened.mode in ("L", "RGB") else opened.convert("RGB")
            buffer = io.BytesIO()
            change(plain).save(buffer, "PNG", compress_level=1)
        images.append(buffer.getvalue())
    return replaced(table, "image", pa.array(images, pa.large_binary()))


def _image_noise(raw: Raw, amount: float, random: Random) -> pa.Table:
    def change(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image, dtype=np.float32)
        noisy = pixels + 255 * amount * random.standard_normal(pixels.shape, dtype=np.float32)
        return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))

    return change_images(raw.records, change)


def _image_blur(raw: Raw, amount: float, _random: Random) -> pa.Table:
    return change_images(raw.records, lambda image: image.filter(ImageFilter.GaussianBlur(amount * min(image.size))))


def _image_contrast(raw: Raw, amount: float, _random: Random) -> pa.Table:
    return change_images(raw.records, lambda image: ImageEnhance.Contrast(image).enhance(amount))


# Tables


def number_columns(table: pa.Table, spec: AnySpec) -> list[str]:
    """Features of a table that are numbers."""
    return [name for name in spec.features if pa.types.is_floating(table.schema.field(name).type)]


def _table_missing(raw: Raw, amount: float, random: Random) -> pa.Table:
    table = raw.records
    for name in raw.spec.features:
        lost_N = random.random(len(table)) < amount
        values = [None if lost else value for lost, value in zip(lost_N, table.column(name).to_pylist(), strict=True)]
        table = replaced(table, name, pa.array(values, table.schema.field(name).type))
    return table


def _table_noise(raw: Raw, amount: float, random: Random) -> pa.Table:
    """Numbers move; a category is drawn anew from those of its column, the more often the larger the amount."""
    table = raw.records
    for name in raw.spec.features:
        if name in number_columns(raw.records, raw.spec):
            spread = float(np.nanstd(numbers_of(raw.train, name)))
            table = with_numbers(
                table, name, numbers_of(table, name) + amount * spread * random.normal(size=len(table))
            )
            continue
        known = sorted(set(raw.train.column(name).drop_null().to_pylist()))
        drawn_N = random.integers(max(1, len(known)), size=len(table))
        swapped_N = random.random(len(table)) < min(0.5, amount / 4)
        values = table.column(name).to_pylist()
        values = [known[drawn] if s and known else v for v, drawn, s in zip(values, drawn_N, swapped_N, strict=True)]
        table = replaced(table, name, pa.array(values, table.schema.field(name).type))
    return table


def _table_range(raw: Raw, amount: float, random: Random) -> pa.Table:
    """Of each record one number lies outside of what training showed, by `amount` times the range there."""
    table = raw.records
    names = number_columns(raw.records, raw.spec)
    chosen_N = random.integers(max(1, len(names)), size=len(table))
    above_N = random.random(len(table)) < 0.5
    for place, name in enumerate(names):
        known = numbers_of(raw.train, name)
        low, high = float(np.nanmin(known)), float(np.nanmax(known))
        beyond_N = np.where(above_N, high + amount * (high - low), low - amount * (high - low))
        table = with_numbers(table, name, np.where(chosen_N == place, beyond_N, numbers_of(table, name)))
    return table


def numbers_of(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of numbers (N,), NaN where there is none."""
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def with_numbers(table: pa.Table, name: str, values_N: NDArray[np.float64]) -> pa.Table:
    """The table with other numbers in a column; NaN is null."""
    return replaced(table, name, pa.array(values_N, pa.float64(), from_pandas=True))


# Texts

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def change_texts(table: pa.Table, change: Callable[[str], str]) -> pa.Table:
    """Each text changed."""
    texts = [change(text) for text in table.column("text").to_pylist()]
    return replaced(table, "text", pa.array(texts, table.schema.field("text").type))


def _typos(raw: Raw, amount: float, random: Random) -> pa.Table:
    def change(text: str) -> str:
        words = text.split(" ")
        for place in np.flatnonzero(random.random(len(words)) < amount):
            words[place] = typo(words[place], random)
        return " ".join(words)

    return change_texts(raw.records, change)


def typo(word: str, random: Random) -> str:
    """A word with one slip: two letters exchanged, one left out, one doubled or another one struck.

    Examples:
        >>> typo("", np.random.default_rng(0)), typo("word", np.random.default_rng(0)) != "word"
        ('', True)
    """
    if not word:
        return word
    kind, place = int(random.integers(4)), int(random.integers(len(word)))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    match kind:
        case 0 if after and after[0] != letter:
            return before + after[0] + letter + after[1:]
        case 1 if len(word) > 1:
            return before + after
        case 2:
            return before + letter + letter + after
        case _:
            others = LETTERS.replace(letter.lower(), "")
            return before + others[int(random.integers(len(others)))] + after


def _dropped_words(raw: Raw, amount: float, random: Random) -> pa.Table:
    def change(text: str) -> str:
        words = text.split(" ")
        kept = random.random(len(words)) >= amount
        return " ".join(word for word, stays in zip(words, kept, strict=True) if stays)

    return change_texts(raw.records, change)


# Series


def change_series(
    table: pa.Table, spec: SeriesSpec, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> pa.Table:
    """Each series changed, as an array of its steps, NaN in gaps."""
    changed = [
        np.asarray(change(np.array(values, dtype=np.float32)), dtype=np.float32)
        for values in table.column(spec.known).to_pylist()
    ]
    return replaced(table, spec.known, pa.array(changed, pa.list_(pa.float32())))


def _dropped_steps(raw: Raw, amount: float, random: Random) -> pa.Table:
    assert isinstance(raw.spec, SeriesSpec)
    return change_series(
        raw.records, raw.spec, lambda x: np.where(random.random(len(x)) < amount, np.float32(np.nan), x)
    )


def _series_noise(raw: Raw, amount: float, random: Random) -> pa.Table:
    assert isinstance(raw.spec, SeriesSpec)

    def change(x: NDArray[np.float32]) -> NDArray[np.float32]:
        spread = float(np.nanstd(x)) if np.isfinite(x).any() else 0.0
        return (x + amount * spread * random.standard_normal(len(x))).astype(np.float32)

    return change_series(raw.records, raw.spec, change)


def replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    """The table with another column of that name, and its metadata."""
    place = table.schema.get_field_index(name)
    changed: pa.Table = table.set_column(place, pa.field(name, values.type), values)
    return changed.replace_schema_metadata(table.schema.metadata)


CORRUPTIONS: dict[str, tuple[Corruption, ...]] = {
    "image": (
        Corruption("noise", (0.04, 0.08, 0.12, 0.18, 0.26), "deviation, share of the range of a pixel", _image_noise),
        Corruption("blur", (0.01, 0.02, 0.03, 0.045, 0.06), "radius, share of the side", _image_blur),
        Corruption("contrast", (0.75, 0.5, 0.35, 0.2, 0.1), "share of the contrast that is left", _image_contrast),
    ),
    "tabular": (
        Corruption("missing", (0.05, 0.1, 0.2, 0.3, 0.5), "share of the values", _table_missing),
        Corruption("noise", (0.1, 0.2, 0.4, 0.8, 1.6), "deviations of the training records", _table_noise),
        Corruption("out_of_range", (0.1, 0.25, 0.5, 1.0, 2.0), "ranges beyond that of training", _table_range),
    ),
    "text": (
        Corruption("typos", (0.02, 0.05, 0.1, 0.2, 0.4), "share of the words", _typos),
        Corruption("dropped_words", (0.05, 0.1, 0.2, 0.35, 0.5), "share of the words", _dropped_words),
    ),
    "series": (
        Corruption("dropped_steps", (0.05, 0.1, 0.2, 0.35, 0.5), "share of the steps", _dropped_steps),
        Corruption("noise", (0.05, 0.1, 0.2, 0.4, 0.8), "deviations of the record", _series_noise),
    ),
}
