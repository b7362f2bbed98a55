"""Images: what a data set of them says, how they are prepared and augmented."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Fraction, Frozen
from lightloop.config.data import DataSpec, one_feature


class ImageSpec(DataSpec):
    """A data set of images; `size` is height and width in pixels, other sizes are scaled to it."""

    modality: Literal["image"]
    size: tuple[int, int]
    channels: Literal[1, 3]

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        one_feature(self, "images")
        return self


class ImagePreprocess(Frozen):
    """Pixels are standardised by the mean and deviation of each channel of the training images."""

    name: Literal["image"]


class ImageAugment(Frozen):
    """Random changes of whole training batches: mirror, shift by up to `shift` pixels, erase a rectangle."""

    name: Literal["image"]
    flip: bool = True
    shift: Annotated[int, Field(ge=0)] = 0
    erase: Fraction = 0.0
