"""How `lightloop sweep` searches, and what `lightloop label-next` asks by."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from lightloop.config.base import Count, Frozen

# What `lightloop label-next` can ask by; `search.active` says how.
QUERIES = ("margin", "entropy", "least_confidence")


class Choices(Frozen):
    """One of several values; any of what YAML can say, also lists and groups' options."""

    choices: Annotated[list[Any], Field(min_length=1)]


class Range(Frozen):
    """A number between `low` and `high`, both included: whole when both are written whole.

    `log` draws on a logarithmic scale; `step` on a grid.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def whole(self) -> bool:
        return all(isinstance(value, int) or value is None for value in (self.low, self.high, self.step))

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}: low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}: a logarithmic scale needs numbers above 0")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step is {self.step}: it must be above 0")
        if self.log and self.step is not None:
            raise ValueError("it has both log and step: take one of them")
        return self


class Layers(Frozen):
    """A list of equal numbers: `depth` of them, each `width`. Depth and width of a network in one value."""

    depth: Range
    width: Range


def _kind(given: Any) -> str | None:
    """Which dimension is meant."""
    keys = given.keys() if isinstance(given, dict) else type(given).model_fields if isinstance(given, Frozen) else ()
    if not keys:
        return None
    return "choices" if "choices" in keys else "layers" if {"depth", "width"} & set(keys) else "range"


Dimension = Annotated[
    Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")] | Annotated[Layers, Tag("layers")],
    Discriminator(_kind),
]


class Tpe(Frozen):
    """Tree-structured Parzen estimator; `startup` random trials first."""

    name: Literal["tpe"]
    startup: Count = 10
    multivariate: bool = True


class Gp(Frozen):
    """Gaussian process."""

    name: Literal["gp"]
    startup: Count = 10


class Cmaes(Frozen):
    """CMA-ES, for numbers; what is no number is drawn at random."""

    name: Literal["cmaes"]
    startup: Count = 1


class Nsga2(Frozen):
    """NSGA-II over the metric and the milliseconds that one record takes."""

    name: Literal["nsga2"]
    population: Annotated[int, Field(ge=2)] = 10


class Random(Frozen):
    """Each trial on its own."""

    name: Literal["random"]


class Grid(Frozen):
    """Every combination of choices and steps."""

    name: Literal["grid"]


class NoPruner(Frozen):
    """Every trial runs to its end."""

    name: Literal["none"]


class Median(Frozen):
    """Stop a trial that is worse than the median of earlier ones at the same epoch; `startup` trials run whole."""

    name: Literal["median"]
    startup: Annotated[int, Field(ge=0)] = 5
    warmup: Annotated[int, Field(ge=0)] = 1


class Hyperband(Frozen):
    """Successive halving in brackets (arXiv:1603.06560)."""

    name: Literal["hyperband"]
    reduction: Annotated[int, Field(ge=2)] = 3


def _named(value: Any) -> Any:
    """`tpe` is short for `{name: tpe}`."""
    return {"name": value} if isinstance(value, str) else value


class SweepConfig(Frozen):
    """What `configs/sweep/NAME.yaml` holds. `space` gives each key of the config that is searched its values."""

    sampler: Annotated[Tpe | Gp | Cmaes | Nsga2 | Random | Grid, Field(discriminator="name")] = Tpe(name="tpe")
    pruner: Annotated[NoPruner | Median | Hyperband, Field(discriminator="name")] = Median(name="median")
    trials: Count = 30
    space: Annotated[dict[str, Dimension], Field(min_length=1)]

    @field_validator("sampler", "pruner", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _named(value)

    @field_validator("space", mode="before")
    @classmethod
    def _lists(cls, space: Any) -> Any:
        """`key: [a, b]` is short for `key: {choices: [a, b]}`."""
        if not isinstance(space, dict):
            return space
        return {key: {"choices": given} if isinstance(given, list) else given for key, given in space.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sampler.name == "nsga2" and self.pruner.name != "none":
            raise ValueError(
                f"sampler=nsga2 has two objectives, which pruner={self.pruner.name} can't judge: say pruner=none"
            )
        if self.sampler.name == "grid":
            for key, dimension in self.space.items():
                loose = [part for part in _ranges(dimension) if part.step is None and not (part.whole and not part.log)]
                if loose:
                    raise ValueError(f"sampler=grid needs space.{key} as a list of values, or with a step")
        if self.sampler.name == "cmaes" and sum(len(_ranges(part)) for part in self.space.values()) < 2:
            raise ValueError("sampler=cmaes needs at least two ranges of numbers in space: say sampler=tpe")
        return self


def _ranges(dimension: Choices | Range | Layers) -> list[Range]:
    match dimension:
        case Range():
            return [dimension]
        case Layers():
            return [dimension.depth, dimension.width]
        case _:
            return []
