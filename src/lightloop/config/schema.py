"""The config as frozen typed objects: one class a group of `configs/`.

What is wrong is found here, before anything heavy is imported. Units and sources of defaults stand in `configs/`.
"""

from difflib import get_close_matches
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from lightloop.config.audit import AnyAudit, NoAudit
from lightloop.config.balance import Balance, Clean, check_balance
from lightloop.config.base import Count, Frozen
from lightloop.config.calibration import AnyDecision, Argmax, CalibrationConfig, UncertaintyConfig, check_calibration
from lightloop.config.card import CardConfig
from lightloop.config.compression import AnyCompress, NoCompress, check_compress
from lightloop.config.explain import ExplainConfig, check_explain
from lightloop.config.generation import SOLVED, check_generation
from lightloop.config.image import ImageAugment, ImagePreprocess, ImageSpec
from lightloop.config.losses import AnyLoss, check_heads, check_loss
from lightloop.config.metrics import METRICS, OF_PROBLEM
from lightloop.config.monitoring import MonitorConfig
from lightloop.config.search import AnyEnsemble, AnySemi, NoEnsemble, NoSemi, check_members
from lightloop.config.series import SeriesAugment, SeriesPreprocess, SeriesSpec, check_series
from lightloop.config.serve import ServeConfig
from lightloop.config.signature import ComponentConfig, components
from lightloop.config.signature import stages as all_stages
from lightloop.config.tabular import TabularAugment, TabularPreprocess, TabularSpec, check_tabular
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

# What no stage reads before there is a bundle: how it is signed, served and watched decides nothing of the model.
AFTER_TRAINING = frozenset({"serve", "monitor", "sign_key", "stages"})
AnySpec = ImageSpec | TabularSpec | TextSpec | SeriesSpec
AnyPreprocess = ImagePreprocess | TabularPreprocess | TextPreprocess | SeriesPreprocess


class NoAugment(Frozen):
    """Training records as they are."""

    name: Literal["none"]


class NoTracking(Frozen):
    """Nothing is tracked."""

    name: Literal["none"]


class WandbTracking(Frozen):
    """Weights & Biases. `auto` is online when WANDB_API_KEY is set, else offline; WANDB_MODE wins over both.

    `registry` is that of the entity's organization, in which releases are linked; null links none.
    """

    name: Literal["wandb"]
    project: str
    entity: str | None = None
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    init_timeout: Annotated[int, Field(ge=1)] = 20
    registry: str | None = "model"


class GateConfig(Frozen):
    """When a challenger may replace the champion. Bounds are minima or maxima as each metric's direction says.

    Attributes:
        metric: that decides between challenger and champion.
        margin: how much worse is still not worse, in the metric's unit; doubt refuses.
        further: more metrics with their margins: refused where the challenger is significantly worse on one of them
            (Holm over all).
        confidence: of intervals and tests.
        resamples: of the bootstrap.
        bounds: by metric the least or the most.
        max_parity_difference: between PyTorch and the exported graph.
        max_ece: of the calibration error; null asks for nothing.
        protected_margin: how much worse, on `metric`, the challenger may be than the champion in a group of a sensitive
            column; without a champion, that group than the other records.
        without_champion: what a group that is worse than the others by more than that is, where there is no champion.
        smallest_group: records of a group of which something is said.
        max_milliseconds: that the bundle may take for one record, the median of several.
        max_megabytes: of the bundle.
    """

    metric: str
    margin: Annotated[float, Field(ge=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]
    bounds: dict[str, float]
    max_parity_difference: Annotated[float, Field(gt=0)]
    further: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    max_ece: Annotated[float, Field(gt=0)] | None = None
    protected_margin: Annotated[float, Field(ge=0)] = 0.05
    without_champion: Literal["check", "warning"] = "warning"
    smallest_group: Annotated[int, Field(ge=5)] = 30
    max_milliseconds: Annotated[float, Field(gt=0)] = 100.0
    max_megabytes: Annotated[float, Field(gt=0)] = 200.0


def _any_of(room: str) -> Any:
    """The configs of all components of a room as one type, told apart by `name`."""
    models = [component.model for component in components(room).values()]
    union = reduce(or_, models)
    return Annotated[union, Field(discriminator="name")] if len(models) > 1 else union


class NoStages(Frozen):
    """The settings of the stages that have some: each stage's keyword arguments, under its name."""


def _settings_of_stages() -> Any:
    """A model with a field for each stage that has settings; one whose arguments have defaults needs no YAML."""
    models = {name: stage.model for name, stage in all_stages().items() if stage.model.model_fields}
    fields: dict[str, Any] = {
        name: (model, ... if any(field.is_required() for field in model.model_fields.values()) else model())
        for name, model in models.items()
    }
    return create_model("StagesConfig", __base__=NoStages, __doc__=NoStages.__doc__, **fields)


if TYPE_CHECKING:
    NetworkConfig = ComponentConfig
    TaskConfig = ComponentConfig
    StagesConfig = NoStages
else:
    StagesConfig = _settings_of_stages()
    NetworkConfig = _any_of("networks")
    TaskConfig = _any_of("tasks")


class Config(Frozen):
    """Everything that a run needs to be told.

    `files` is not typed by a person: see `config.files`. `sign_key` is a file of a private key, relative to the
    project, that bundles are signed with; `LIGHTLOOP_SIGN_KEY` goes before it. `stages` are the settings of the
    project's own stages.
    """

    name: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    files: dict[str, str] = Field(default_factory=dict)
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
    audit: Annotated[AnyAudit, Field(discriminator="name")] = NoAudit()
    explain: ExplainConfig
    gate: GateConfig
    folds: Count = 1
    seeds: Count = 1
    sign_key: str | None = None
    ensemble: Annotated[AnyEnsemble, Field(discriminator="name")] = NoEnsemble()
    semi: Annotated[AnySemi, Field(discriminator="name")] = NoSemi()
    calibration: CalibrationConfig = CalibrationConfig()
    decision: Annotated[AnyDecision, Field(discriminator="name")] = Argmax()
    uncertainty: UncertaintyConfig = UncertaintyConfig()
    card: CardConfig = CardConfig()
    compress: Annotated[AnyCompress, Field(discriminator="name")] = NoCompress()
    serve: ServeConfig = ServeConfig()
    monitor: MonitorConfig = MonitorConfig()
    stages: StagesConfig = Field(default_factory=StagesConfig)

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
        _check_gate(self.gate, self.data.problem)
        check_loss(self.loss, self.data.problem, self.data.name, len(self.data.classes), _mixes(self.augment))
        check_heads(self.task.name, self.data)
        check_optimizer(self.optimizer, self.trainer)
        check_series(self.data, self.preprocess)
        check_tabular(self.data, self.preprocess)
        check_balance(self.clean, self.balance, self.data)
        check_calibration(self)
        check_compress(self)
        for group, name in (("preprocess", self.preprocess.name), ("augment", self.augment.name)):
            if name not in (self.data.modality, "none"):
                raise ValueError(
                    f"{group}={name} is not for data={self.data.name}, which is {self.data.modality}: "
                    f"say {group}={self.data.modality}"
                )
        check_explain(self.explain, self.data, self.network, has_feature_maps=bool(network.get("has_feature_maps")))
        return self


def _mixes(augment: Any) -> bool:
    """Whether an augmentation mixes the classes of records."""
    return any(getattr(augment, name, 0) for name in ("mixup", "cutmix"))


def _check_gate(gate: GateConfig, problem: str) -> None:
    """Refuse a metric that the problem's evidence does not hold: it would be missed only after the training."""
    measured = OF_PROBLEM[problem]
    named = [("gate.metric", gate.metric), *(("gate.bounds", name) for name in gate.bounds)]
    for key, name in [*named, *(("gate.further", name) for name in gate.further)]:
        if name in measured:
            continue
        if name in METRICS:
            hint = f", which is not measured in {problem}."
        else:
            near = get_close_matches(name, measured, n=1)
            hint = f": did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"{key} names {name!r}{hint} The metrics of {problem} are {', '.join(measured)}")


def _words(values: tuple[str, ...]) -> str:
    return " or ".join(values)
