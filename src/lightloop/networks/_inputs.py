"""What a network is given, by modality: the first argument of every network's constructor. Plain data."""

from dataclasses import dataclass

PADDING = 0  # the token id that stands for nothing


@dataclass(frozen=True)
class ImageInputs:
    """`forward(x_BCHW)`: float32 (B, channels, height, width)."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class TableInputs:
    """`forward(numbers_BF, codes_BC)`: float32 (B, numbers), and int64 (B, len(cardinalities)).

    `codes[:, c]` lies in 0 to `cardinalities[c]` - 1. Either may have no column: (B, 0).
    """

    numbers: int
    cardinalities: tuple[int, ...] = ()

    @property
    def columns(self) -> int:
        return self.numbers + len(self.cardinalities)


@dataclass(frozen=True)
class TextInputs:
    """`forward(ids_BT)`: int64 (B, T), T up to `length`, 0 to `vocabulary` - 1; PADDING fills up short texts."""

    vocabulary: int
    length: int


@dataclass(frozen=True)
class SeriesInputs:
    """`forward(x_BTC)`: float32 (B, length, channels), the oldest step first."""

    length: int
    channels: int


Inputs = ImageInputs | TableInputs | TextInputs | SeriesInputs
