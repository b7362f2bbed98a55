"""Texts: what a data set of them says, how they become tokens, and how these are augmented."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lightloop.config.base import Count, Fraction, Frozen
from lightloop.config.data import DataSpec, one_feature

Normalisation = Literal["nfkc", "lowercase", "strip_accents", "urls", "emails", "numbers", "digits"]
Vocabulary = Literal["word", "bpe", "char"]


class TextSpec(DataSpec):
    """A data set in which a record is a text."""

    modality: Literal["text"]

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        one_feature(self, "texts", ("classification",))
        return self


class TextPreprocess(Frozen):
    """How texts become tokens: all of it is fitted on the training split and travels as one `tokenizer.json`.

    `normalise` is carried out in the order given: `nfkc` (one form for what Unicode writes in several), `lowercase`,
    `strip_accents`; `urls`, `emails` and `numbers` become one token each; of `digits` each becomes 0.
    `vocabulary` has the `size` most frequent tokens of at least `min_count` occurrences: words and single marks
    (`word`), parts of words by byte-pair encoding (`bpe`), single characters (`char`).
    Of a text of more than `max_length` tokens the `head`, the `tail` or half of each (`both`) is kept.
    """

    name: Literal["text"]
    normalise: tuple[Normalisation, ...] = ("nfkc", "urls", "emails", "lowercase")
    vocabulary: Vocabulary = "word"
    size: Annotated[int, Field(ge=8)] = 20_000
    min_count: Count = 2
    max_length: Count = 256
    truncation: Literal["head", "tail", "both"] = "head"

    @field_validator("normalise")
    @classmethod
    def _each_once(cls, names: tuple[Normalisation, ...]) -> tuple[Normalisation, ...]:
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"preprocess.normalise names {twice[0]} twice: each must stand there once")
        return names


class TextAugment(Frozen):
    """Random changes of whole training batches: each token is unknown with the chance `dropout`, and changes places
    with the one after it with the chance `swap`.
    """

    name: Literal["text"]
    dropout: Fraction = 0.1
    swap: Fraction = 0.0
