"""What is done with a trained network's answers before they are released: scaling, decision, uncertainty."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Fraction, Frozen, NotNegative

if TYPE_CHECKING:
    from lightloop.config.schema import Config

Level = Annotated[float, Field(gt=0, lt=1)]


class CalibrationConfig(Frozen):
    """How probabilities are scaled so that they say how often the model is right; fitted on half of validation.

    `temperature` divides the logits by one number (arXiv:1706.04599), `isotonic` fits a rising curve for each class
    (Zadrozny & Elkan 2002), `auto` takes the one with the lower log loss in cross-validation, `none` among them.

    Attributes:
        folds: of that cross-validation.
    """

    name: Literal["auto", "none", "temperature", "isotonic"] = "auto"
    folds: Annotated[int, Field(ge=2)] = 5


class Argmax(Frozen):
    """The most probable class is the answer."""

    name: Literal["argmax"] = "argmax"


class Threshold(Frozen):
    """Of two classes: `positive` is the answer from that probability on which gives the best metric on validation.

    Attributes:
        metric: what is best; `f1` is that of the positive class.
        positive: the class; by default the last one.
    """

    name: Literal["threshold"]
    metric: Literal["macro_f1", "balanced_accuracy", "f1", "accuracy"] = "macro_f1"
    positive: str | None = None


class Costs(Frozen):
    """The class with the lowest expected cost is the answer (Elkan 2001), whatever the number of classes.

    Attributes:
        costs: by the actual class, then by the answer. What is not named costs 1, and a right answer 0.
    """

    name: Literal["costs"]
    costs: dict[str, dict[str, NotNegative]] = Field({})


AnyDecision = Argmax | Threshold | Costs


class UncertaintyConfig(Frozen):
    """What the model says of its own doubt: conformal sets and intervals, when it abstains, what its parts disagree in.

    Attributes:
        levels: of the conformal sets or intervals: the share of records whose truth lies in them. The first is the one
            that the service answers with.
        score: of sets: `lac` takes classes by their probability (the smallest sets on average), `aps` by the sum of the
            probabilities down to theirs (arXiv:2006.02544; sets that follow how hard a record is).
        by_class: a quantile for each class, so that each is covered: `auto` where classes are few and large enough.
        abstain: `set` where the conformal set does not hold exactly one class, `accuracy` below that confidence from
            which on the answers on validation reach `accuracy`.
        accuracy: see `abstain`.
        samples: answers with dropout switched on, by which disagreement is measured; 0 leaves it out. An ensemble's
            members disagree by themselves.
        records: test records at most that these are drawn for.
    """

    levels: Annotated[tuple[Level, ...], Field(min_length=1)] = (0.9,)
    score: Literal["lac", "aps"] = "lac"
    by_class: Literal["auto", "always", "never"] = "auto"
    abstain: Literal["none", "set", "accuracy"] = "set"
    accuracy: Fraction = 0.95
    samples: Annotated[int, Field(ge=0)] = 10
    records: Annotated[int, Field(ge=1)] = 1000

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.levels)) != len(self.levels):
            raise ValueError(
                f"uncertainty.levels names a level twice ({', '.join(map(str, self.levels))}): say each once"
            )
        if self.samples == 1:
            raise ValueError("uncertainty.samples is 1, and one answer disagrees with nothing: say 0, or 2 and more")
        return self


def check_calibration(config: "Config") -> None:
    """Refuse a scaling or decision that says nothing for the data set.

    Raises:
        ValueError: in one sentence.
    """
    spec, scaling, decision = config.data, config.calibration, config.decision
    if spec.problem != "classification":
        if scaling.name in ("temperature", "isotonic"):
            raise ValueError(
                f"calibration={scaling.name} is for classes, but data={spec.name} is {spec.problem}: "
                "say calibration=none"
            )
        if decision.name != "argmax":
            raise ValueError(
                f"decision={decision.name} is for classes, but data={spec.name} is {spec.problem}: say decision=argmax"
            )
        return
    if isinstance(decision, Threshold):
        if len(spec.classes) != 2:
            raise ValueError(
                f"decision=threshold is for two classes, but data={spec.name} has {len(spec.classes)}: "
                "say decision=costs"
            )
        if decision.positive is not None:
            _known(decision.positive, spec.classes, "decision.positive")
    if isinstance(decision, Costs):
        for actual, row in decision.costs.items():
            for name in (actual, *row):
                _known(name, spec.classes, "decision.costs")


def _known(name: str, classes: tuple[str, ...], key: str) -> None:
    if name not in classes:
        raise ValueError(f"{key} names {name!r}, which is no class of the data set: they are {', '.join(classes)}")
