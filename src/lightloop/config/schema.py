"""The config as frozen typed objects: one class a group of `configs/`.

What is wrong is found here, before anything heavy is imported. Units and sources of defaults stand in `configs/`.
"""

from difflib import get_close_matches
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.balance import Balance, Clean, check_balance
from lightloop.config.base import Count, Fraction, Frozen
from lightloop.config.generation import SOLVED, check_generation
from lightloop.config.image import ImageAugment, ImagePreprocess, ImageSpec
from lightloop.config.losses import AnyLoss, check_heads, check_loss
from lightloop.config.metrics import METRICS
from lightloop.config.search import AnyEnsemble, AnySemi, NoEnsemble, NoSemi, check_members
from lightloop.config.series import SeriesAugment, SeriesPreprocess, SeriesSpec, check_series
from lightloop.config.signature import ComponentConfig, components
from lightloop.config.tabular import TabularAugment, TabularPreprocess, TabularSpec
from lightloop.config.text import TextAugment, TextPreprocess, TextSpec
from lightloop.config.training import (
    AnyAverage,
    AnyDebug,
    AnyOptimizer,
    AnyScheduler,
    NoAverage,
    NoDebug,
    TrainerConfig,
    check_optimizer,
)

ExplainMethod = Literal["grad_cam", "gradient_shap", "integrated_gradients", "feature_ablation", "kernel_shap"]
# Where a method says something; the others are for every modality.
EXPLAIN_MODALITIES = {"grad_cam": ("image",), "kernel_shap": ("tabular", "series")}
AnySpec = ImageSpec | TabularSpec | TextSpec | SeriesSpec
AnyPreprocess = ImagePreprocess | TabularPreprocess | TextPreprocess | SeriesPreprocess


class NoAugment(Frozen):
    """Training records as they are."""

    name: Literal["none"]


class NoTracking(Frozen):
    """Nothing is tracked."""

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
    perturbations: Annotated[int, Field(ge=16)] = 256
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
    clean: Clean = Clean()
    balance: Balance = Balance()
    preprocess: Annotated[AnyPreprocess, Field(discriminator="name")]
    network: NetworkConfig
    task: TaskConfig
    loss: Annotated[AnyLoss, Field(discriminator="name")]
    optimizer: Annotated[AnyOptimizer, Field(discriminator="name")]
    scheduler: Annotated[AnyScheduler, Field(discriminator="name")]
    average: Annotated[AnyAverage, Field(discriminator="name")] = NoAverage(name="none")
    trainer: TrainerConfig
    debug: Annotated[AnyDebug, Field(discriminator="name")] = NoDebug(name="none")
    augment: Annotated[
        NoAugment | ImageAugment | SeriesAugment | TabularAugment | TextAugment, Field(discriminator="name")
    ]
    tracking: Annotated[NoTracking | WandbTracking, Field(discriminator="name")]
    explain: ExplainConfig
    gate: GateConfig
    folds: Count = 1
    seeds: Count = 1
    ensemble: Annotated[AnyEnsemble, Field(discriminator="name")] = NoEnsemble()
    semi: Annotated[AnySemi, Field(discriminator="name")] = NoSemi()

    @model_validator(mode="after")
    def _members(self) -> Self:
        check_members(self)
        return self

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
        check_generation(self, network.get("problems", SOLVED))
        check_loss(self.loss, self.data.problem, self.data.name, len(self.data.classes), _mixes(self.augment))
        check_heads(self.task.name, self.data)
        check_optimizer(self.optimizer, self.trainer)
        check_series(self.data, self.preprocess)
        check_balance(self.clean, self.balance, self.data)
        for group, name in (("preprocess", self.preprocess.name), ("augment", self.augment.name)):
            if name not in (self.data.modality, "none"):
                raise ValueError(
                    f"{group}={name} is not for data={self.data.name}, which is {self.data.modality}: "
                    f"say {group}={self.data.modality}"
                )
        self._explainable(has_feature_maps=bool(network.get("has_feature_maps")))
        return self

    def _explainable(self, *, has_feature_maps: bool) -> None:
        """Refuse attribution methods that say nothing here; generation is explained by its samples, not by methods."""
        if self.data.problem == "generation":
            return
        for method in self.explain.methods:
            modalities = EXPLAIN_MODALITIES.get(method, (self.data.modality,))
            if self.data.modality not in modalities:
                option = "default" if self.data.modality == "image" else self.data.modality
                raise ValueError(
                    f"explain.methods has {method}, which is for {_words(modalities)}, but data={self.data.name} is "
                    f"{self.data.modality}: say explain={option}"
                )
        if "grad_cam" in self.explain.methods and not has_feature_maps:
            raise ValueError(
                f"explain.methods has grad_cam, but network={self.network.name} has no feature maps: "
                "say explain=gradients, or take a convolutional network"
            )


def _mixes(augment: Any) -> bool:
    """Whether an augmentation mixes the classes of records."""
    return any(getattr(augment, name, 0) for name in ("mixup", "cutmix"))


def _words(values: tuple[str, ...]) -> str:
    return " or ".join(values)
