"""The config as frozen typed objects: one class a group of `configs/`.

What is wrong is found here, before anything heavy is imported. Units and sources of defaults stand in `configs/`.
"""

from difflib import get_close_matches
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lightloop.config.metrics import METRICS
from lightloop.config.signature import ComponentConfig, components

Fraction = Annotated[float, Field(ge=0, le=1)]
Role = Literal["feature", "target", "group", "time", "sensitive", "ignored"]
ExplainMethod = Literal["grad_cam", "gradient_shap", "integrated_gradients"]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(Frozen):
    """How records are divided.

    `test` is "predefined" (the spec's files say) or a share drawn stratified from the training file; `validation` is
    always a stratified share of what is left for training.
    """

    test: Literal["predefined"] | Annotated[float, Field(gt=0, lt=1)] = "predefined"
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1


class DataSpec(Frozen):
    """What a data set is.

    `path` is the file or folder that DVC versions; `files` are relative to it: a Parquet file, or a folder that holds
    one folder a class. `columns` gives each column that is read its role.
    """

    name: str
    modality: Literal["image"]
    problem: Literal["classification"]
    path: str
    files: dict[Literal["train", "test"], str]
    columns: dict[str, Role]
    classes: tuple[str, ...] = Field(min_length=2)
    size: tuple[int, int]
    channels: Literal[1, 3]
    split: Split = Split()
    expectations: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for role in ("feature", "target"):
            named = [name for name, given in self.columns.items() if given == role]
            if len(named) != 1:
                raise ValueError(f"data.columns must name exactly one {role} for images, but names {named or 'none'}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("data.classes names a class twice: each must stand there once")
        if "train" not in self.files:
            raise ValueError("data.files must name a train file")
        if (self.split.test == "predefined") != ("test" in self.files):
            raise ValueError(
                "data.split.test and data.files disagree: give a test file with `test: predefined`, "
                "or no test file with a share such as `test: 0.2`"
            )
        return self

    @property
    def feature(self) -> str:
        """The column that holds the image."""
        return next(name for name, role in self.columns.items() if role == "feature")

    @property
    def target(self) -> str:
        """The column that holds the label."""
        return next(name for name, role in self.columns.items() if role == "target")


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


class NoAugment(Frozen):
    name: Literal["none"]


class ImageAugment(Frozen):
    """Random changes of whole training batches: mirror, shift by up to `shift` pixels, erase a rectangle."""

    name: Literal["image"]
    flip: bool = True
    shift: Annotated[int, Field(ge=0)] = 0
    erase: Fraction = 0.0


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
    data: DataSpec
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
        if self.data.problem != task["problem"]:
            raise ValueError(
                f"task={self.task.name} solves {task['problem']}, but data={self.data.name} is {self.data.problem}"
            )
        if "grad_cam" in self.explain.methods and not network["has_feature_maps"]:
            raise ValueError(
                f"explain.methods has grad_cam, but network={self.network.name} has no feature maps: "
                "say explain=gradients, or take a convolutional network"
            )
        return self


def _words(values: tuple[str, ...]) -> str:
    return " or ".join(values)
