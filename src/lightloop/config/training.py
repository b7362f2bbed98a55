"""How a network is fitted: optimizer, schedule, trainer."""

from typing import Annotated, Literal

from pydantic import Field

from lightloop.config.base import Fraction, Frozen


class SGD(Frozen):
    name: Literal["sgd"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Adam(Frozen):
    name: Literal["adam"]
    lr: Annotated[float, Field(gt=0)]
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class AdamW(Frozen):
    name: Literal["adamw"]
    lr: Annotated[float, Field(gt=0)]
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class RMSprop(Frozen):
    name: Literal["rmsprop"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Fraction = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Constant(Frozen):
    name: Literal["constant"]


class Cosine(Frozen):
    """From the optimizer's rate down to `final` of it along a half cosine, after a linear warm-up."""

    name: Literal["cosine"]
    warmup: Fraction = 0.0
    final: Fraction = 0.0


class OneCycle(Frozen):
    """Up to the optimizer's rate over the share `warmup` of all steps, then down along a cosine."""

    name: Literal["one_cycle"]
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.3


class StepDecay(Frozen):
    """Times `factor`, `drops` times at equal distances: the training has one part more than there are drops."""

    name: Literal["step"]
    drops: Annotated[int, Field(ge=1)] = 3
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1


class TrainerConfig(Frozen):
    """How training runs. `auto` settings take what the processor gains from; the choice is recorded as evidence."""

    max_epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    precision: Literal["auto", "32", "bf16"] = "auto"
    channels_last: Literal["auto"] | bool = "auto"
    accelerator: str = "auto"
    gradient_clip_val: Annotated[float, Field(gt=0)] | None = None
    patience: Annotated[int, Field(ge=1)]
    log_every_n_steps: Annotated[int, Field(ge=1)] = 50
