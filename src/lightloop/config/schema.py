"""The config as frozen typed objects: one class a group of `configs/`.

What is wrong is found here, before anything heavy is imported. Units and sources of defaults stand in `configs/`.
"""

from difflib import get_close_matches
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Fraction, Frozen
from lightloop.config.image import ImageAugment, ImagePreprocess, ImageSpec
from lightloop.config.metrics import METRICS
from lightloop.config.series import SeriesPreprocess, SeriesSpec
from lightloop.config.signature import ComponentConfig, components
from lightloop.config.tabular import TabularPreprocess, TabularSpec
from lightloop.config.text import TextPreprocess, TextSpec
from lightloop.config.training import (
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    OneCycle,
    RMSprop,
    StepDecay,
    TrainerConfig,
)

ExplainMethod = Literal["grad_cam", "gradient_shap", "integrated_gradients"]
AnySpec = ImageSpec | TabularSpec | TextSpec | SeriesSpec
AnyPreprocess = ImagePreprocess | TabularPreprocess | TextPreprocess | SeriesPreprocess


class NoAugment(Frozen):
    name: Literal["none"]


class NoTracking(Frozen):
    name: Literal["none"]


class WandbTracking(Frozen):
    """Weights & Biases. `auto` is online when WANDB_API_KEY is set, else offline; WANDB_MODE wins over both."""

    name: Literal["wandb"]
    project: str
    entity: str | None = None
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    init_timeout: Annotated[int, Field(ge=1)] = 20


class ExplainConfig(Frozen):
    """Which attributions to compute, on how many test records, and from when on a method is not to be trusted."""

    methods: tuple[ExplainMethod, ...] = Field(min_length=1)
    records: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=8)]
    samples: Annotated[int, Field(ge=2)]
    max_completeness_error: Annotated[float, Field(gt=0)]
    max_randomised_correlation: Fraction


class GateConfig(Frozen):
    """When a challenger may replace the champion. Bounds are minima or maxima as each metric's direction says."""

    metric: str
    margin: Annotated[float, Field(ge=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]
    bounds: dict[str, float]
    max_parity_difference: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _known_metrics(self) -> Self:
        for key, name in (("gate.metric", self.metric), *(("gate.bounds", name) for name in self.bounds)):
            if name not in METRICS:
                near = get_close_matches(name, METRICS, n=1)
                hint = f": did you mean {near[0]!r}?" if near else "."
                raise ValueError(f"{key} names {name!r}{hint} The metrics are {', '.join(METRICS)}")
        return self


def _any_of(room: str) -> Any:
    """The configs of all components of a room as one type, told apart by `name`."""
    models = [component.model for component in components(room).values()]
    union = reduce(or_, models)
    return Annotated[union, Field(discriminator="name")] if len(models) > 1 else union


if TYPE_CHECKING:
    NetworkConfig = ComponentConfig
    TaskConfig = ComponentConfig
else:
    NetworkConfig = _any_of("networks")
    TaskConfig = _any_of("tasks")


class Config(Frozen):
    """Everything that a run needs to be told."""

    name: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    data: Annotated[AnySpec, Field(discriminator="modality")]
    preprocess: Annotated[AnyPreprocess, Field(discriminator="name")]
    network: NetworkConfig
    task: TaskConfig
    optimizer: Annotated[SGD | Adam | AdamW | RMSprop, Field(discriminator="name")]
    scheduler: Annotated[Constant | Cosine | OneCycle | StepDecay, Field(discriminator="name")]
    trainer: TrainerConfig
    augment: Annotated[NoAugment | ImageAugment, Field(discriminator="name")]
    tracking: Annotated[NoTracking | WandbTracking, Field(discriminator="name")]
    explain: ExplainConfig
    gate: GateConfig

    @model_validator(mode="after")
    def _combination(self) -> Self:
        network = components("networks")[self.network.name].traits
        task = components("tasks")[self.task.name].traits
        if self.data.modality not in network["modalities"]:
            raise ValueError(
                f"network={self.network.name} takes {_words(network['modalities'])}, not {self.data.modality}"
            )
        if self.data.problem not in task["problems"]:
            raise ValueError(
                f"task={self.task.name} solves {_words(task['problems'])}, "
                f"but data={self.data.name} is {self.data.problem}"
            )
        for group, name in (("preprocess", self.preprocess.name), ("augment", self.augment.name)):
            if name not in (self.data.modality, "none"):
                raise ValueError(
                    f"{group}={name} is not for data={self.data.name}, which is {self.data.modality}: "
                    f"say {group}={self.data.modality}"
                )
        if "grad_cam" in self.explain.methods and not network["has_feature_maps"]:
            raise ValueError(
                f"explain.methods has grad_cam, but network={self.network.name} has no feature maps: "
                "say explain=gradients, or take a convolutional network"
            )
        return self


def _words(values: tuple[str, ...]) -> str:
    return " or ".join(values)
