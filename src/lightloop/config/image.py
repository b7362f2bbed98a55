"""Images: what a data set of them says, how they are prepared and augmented."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Fraction, Frozen, NotNegative
from lightloop.config.data import DataSpec, one_feature


class ImageSpec(DataSpec):
    """A data set of images; `size` is height and width in pixels, other sizes are scaled to it."""

    modality: Literal["image"]
    size: tuple[int, int]
    channels: Literal[1, 3]

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        one_feature(self, "images", ("classification", "generation"))
        return self


class ImagePreprocess(Frozen):
    """Pixels are standardised by the mean and deviation of each channel of the training images."""

    name: Literal["image"]


class ImageAugment(Frozen):
    """Random changes of whole training batches, each image on its own draw.

    Attributes:
        flip: mirror half of the images.
        shift: by up to so many pixels.
        rotate: by up to so many degrees, either way.
        crop: the smallest share of height and width that is kept, and scaled up to the whole; 1 crops nothing.
        brightness, contrast, saturation: factors lie between 1 minus and 1 plus this. Grey images have no saturation.
        erase: chance of a square to be greyed.
        mixup, cutmix: parameter of the beta distribution of the shares when two images are mixed; 0 is off.
        mixed: chance of an image to be mixed, where either is on.
    """

    name: Literal["image"]
    flip: bool = True
    shift: Annotated[int, Field(ge=0)] = 0
    erase: Fraction = 0.0
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0
    mixed: Fraction = 1.0
