"""Texts: what a data set of them says, and how they become tokens."""

from typing import Literal, Self

from pydantic import model_validator

from lightloop.config.base import Count, Frozen
from lightloop.config.data import DataSpec, one_feature


class TextSpec(DataSpec):
    """A data set in which a record is a text."""

    modality: Literal["text"]

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        one_feature(self, "texts")
        return self


class TextPreprocess(Frozen):
    """How texts become tokens."""

    name: Literal["text"]
    max_length: Count = 256
