"""What a network is trained to make small, by name; the table to kept classes of torch stands in `tasks.losses`."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from lightloop.config.base import Fraction, Frozen, NotNegative, Positive
from lightloop.config.data import DataSpec


class LossConfig(Frozen):
    """A loss.

    Attributes:
        problems: what it fits.
        takes_mixed: whether a target may be a share of each class, as mixup and cutmix make them.
    """

    problems: ClassVar[tuple[str, ...]]
    takes_mixed: ClassVar[bool] = True

    name: str


class CrossEntropy(LossConfig):
    """Minus the logarithm of the label's probability; `label_smoothing` of the target is spread over all classes."""

    problems = ("classification",)

    name: Literal["cross_entropy"]
    label_smoothing: Fraction = 0.0


class Binary(LossConfig):
    """Two classes: binary cross-entropy on the difference of the two logits."""

    problems = ("classification",)

    name: Literal["binary"]


class Focal(LossConfig):
    """Cross-entropy times (1 - probability of the label) ** `gamma`: records that are easy count less."""

    problems = ("classification",)

    name: Literal["focal"]
    gamma: NotNegative = 2.0


class Hinge(LossConfig):
    """The margin of a support vector machine: other logits shall stay `margin` below the label's, to the `power`."""

    problems = ("classification",)
    takes_mixed = False

    name: Literal["hinge"]
    margin: Positive = 1.0
    power: Literal[1, 2] = 1


class MSE(LossConfig):
    """Mean squared error: the mean is learned."""

    problems = ("regression", "forecasting")

    name: Literal["mse"]


class MAE(LossConfig):
    """Mean absolute error: the median is learned."""

    problems = ("regression", "forecasting")

    name: Literal["mae"]


class Huber(LossConfig):
    """Squared up to an error of `delta`, in the units in which the network is trained, and linear beyond."""

    problems = ("regression", "forecasting")

    name: Literal["huber"]
    delta: Positive = 1.0


class Quantile(LossConfig):
    """Pinball loss: the network answers each of the `levels`, of which 0.5 is the prediction."""

    problems = ("regression", "forecasting")

    name: Literal["quantile"]
    levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.1, 0.5, 0.9)

    @field_validator("levels")
    @classmethod
    def _rising_with_median(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if 0.5 not in levels or list(levels) != sorted(set(levels)):
            raise ValueError("loss.levels must rise and hold 0.5, the prediction, such as [0.1, 0.5, 0.9]")
        return levels


class Custom(LossConfig):
    """Any class, as "package.module:Class", built with `arguments`; it is called with outputs and targets."""

    problems = ("classification", "regression", "forecasting")

    name: Literal["custom"]
    target: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    arguments: dict[str, Any] = Field(default_factory=dict)


class NoLoss(LossConfig):
    """The task brings its own, such as that of two networks that play against each other."""

    problems = ("generation",)

    name: Literal["none"]


AnyLoss = CrossEntropy | Binary | Focal | Hinge | MSE | MAE | Huber | Quantile | Custom | NoLoss
LOSSES: dict[str, type[LossConfig]] = {
    "cross_entropy": CrossEntropy,
    "binary": Binary,
    "focal": Focal,
    "hinge": Hinge,
    "mse": MSE,
    "mae": MAE,
    "huber": Huber,
    "quantile": Quantile,
    "custom": Custom,
    "none": NoLoss,
}


def check_loss(loss: LossConfig, problem: str, data: str, classes: int, mixes: bool) -> None:
    """Check that a loss fits the data.

    Args:
        loss: as it was chosen.
        problem: of the data set.
        data: its name.
        classes: how many it has.
        mixes: whether augmentation mixes classes.

    Raises:
        ValueError: it does not.
    """
    if problem not in loss.problems:
        fitting = " or ".join(f"loss={name}" for name, other in LOSSES.items() if problem in other.problems)
        raise ValueError(
            f"loss={loss.name} is for {' or '.join(loss.problems)}, but data={data} is {problem}: say {fitting}"
        )
    if isinstance(loss, Binary) and classes != 2:
        raise ValueError(f"loss=binary is for two classes, but data={data} has {classes}: say loss=cross_entropy")
    if mixes and not loss.takes_mixed:
        raise ValueError(
            f"loss={loss.name} needs one class a record, but the augmentation mixes classes: "
            "switch mixup and cutmix off, or say loss=cross_entropy"
        )


def check_heads(task: str, data: DataSpec) -> None:
    """Check that a task with several heads has something for them to predict.

    Raises:
        ValueError: it has not.
    """
    if task == "multi_task" and not data.with_role("auxiliary"):
        raise ValueError(
            f"task=multi_task predicts the columns with the role auxiliary, but data={data.name} has none: "
            "give a column that role, or say task=classification"
        )
