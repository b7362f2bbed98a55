"""Making the bundle smaller: which ways are tried, what they may cost. `configs/compress/`."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from lightloop.config.base import Count, Fraction, Frozen, NotNegative, Positive
from lightloop.config.students import student_network

if TYPE_CHECKING:
    from lightloop.config.schema import Config

# A share that is neither nothing nor all.
Share = Annotated[float, Field(gt=0, lt=1)]
Epochs = Annotated[int, Field(ge=0)]


class DynamicInt8(Frozen):
    """Weights of matrix products and LSTMs as whole numbers of 8 bits, activations at each request.

    For Transformers, LSTMs and embeddings. Convolutions stay as they are: so quantised they take five times as long.
    """

    name: Literal["dynamic_int8"]
    per_channel: bool = True


class StaticInt8(Frozen):
    """Weights and activations as whole numbers of 8 bits, their ranges from training records.

    For convolutions. Attention with an infinite mask loses its meaning so.

    Attributes:
        records: training records that are answered to learn the ranges.
        method: how a range is taken from what was seen; `entropy` and `percentile` leave out the rarest values.
        per_channel: whether each output of a layer has a range of its own.
    """

    name: Literal["static_int8"]
    records: Count = 256
    method: Literal["minmax", "entropy", "percentile"] = "minmax"
    per_channel: bool = True


class Float16(Frozen):
    """Weights with half the bits; records come and answers go as before. Smaller, but no faster on most processors."""

    name: Literal["float16"]


class Prune(Frozen):
    """The smallest weights become 0, and the network is trained on without them.

    It takes no less time, since zeros are multiplied too; the file is as large, but packs smaller.

    Attributes:
        sparsity: share of the weights of all layers together that become 0.
        epochs: of fine-tuning by the project's own training; 0 leaves it out.
        lr: of fine-tuning, as a share of optimizer.lr.
    """

    name: Literal["prune"]
    sparsity: Share = 0.5
    epochs: Epochs = 3
    lr: Positive = 0.3


class Narrow(Frozen):
    """The least important channels are removed, with all that depends on them, and the network is trained on.

    Attributes:
        keep: share of the channels of each layer.
        importance: of a channel, by its weights: `l2` their length, `l1` their sum.
        epochs: of fine-tuning by the project's own training; 0 leaves it out.
        lr: of fine-tuning, as a share of optimizer.lr.
    """

    name: Literal["narrow"]
    keep: Share = 0.5
    importance: Literal["l1", "l2"] = "l2"
    epochs: Epochs = 5
    lr: Positive = 1.0


class Distil(Frozen):
    """A smaller network learns what a teacher answers (arXiv:1503.02531).

    Attributes:
        network: overrides of the config's network, such as {channels: [8, 12]}; with `name` another network.
        shrink: share of the widths of the config's network that the student has where `network` does not say, rounded
            up to whole eights.
        teacher: `model` is the one of this run, also where it is an ensemble; else a registered version such as v1.2.0,
            or the folder of a bundle.
        temperature: that teacher's and student's logits are divided by; higher shows more of what the teacher knows.
        alpha: share of the teacher's answers in the loss; the rest are labels.
        epochs: of the training; null is trainer.max_epochs.
    """

    name: Literal["distil"]
    network: dict[str, Any] = Field(default_factory=dict)
    shrink: Share = 0.5
    teacher: str = "model"
    temperature: Positive = 4.0
    alpha: Fraction = 0.7
    epochs: Count | None = None


Step = Annotated[
    DynamicInt8 | StaticInt8 | Float16 | Prune | Narrow | Distil,
    Field(discriminator="name"),
]
# Steps that train, which come before those that turn the graph's numbers into smaller ones.
TRAINING = ("prune", "narrow", "distil")


class NoCompress(Frozen):
    """The exported bundle is released as it is."""

    name: Literal["none"] = "none"
    edge_megabytes: Positive = 10.0


class Compress(Frozen):
    """Ways that are tried, each from the trained network; the smallest that answers as well is released.

    Attributes:
        methods: by a name of one's own the steps of a way, in order: `{int8: static_int8}`, or with settings
            `{narrow_int8: [{name: narrow, keep: 0.5}, static_int8]}`.
        max_loss: how much worse than the network the bundle may be, in the unit of gate.metric, with the confidence of
            the gate: doubt refuses. null is gate.margin.
        size: what is to be small: the `graph`, or the whole `bundle`.
        rounds: measurements of speed, each of every way in turn, so that what else the machine does meets all alike.
        edge_megabytes: that the file of `lightloop compress --edge FILE` may have.
    """

    name: Literal["quick", "full"]
    methods: Annotated[dict[str, Annotated[tuple[Step, ...], Field(min_length=1)]], Field(min_length=1)]
    max_loss: NotNegative | None = None
    size: Literal["graph", "bundle"] = "graph"
    rounds: Count = 40
    edge_megabytes: Positive = 10.0

    @field_validator("methods", mode="before")
    @classmethod
    def _short(cls, methods: Any) -> Any:
        """`static_int8` is short for `[{name: static_int8}]`; a method that is null is left out."""
        if not isinstance(methods, dict):
            return methods
        return {name: _steps(steps) for name, steps in methods.items() if steps is not None}

    @field_validator("methods")
    @classmethod
    def _ordered(cls, methods: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for name, steps in methods.items():
            if not re.fullmatch(r"[\w-]+", name):
                raise ValueError(f"compress.methods has a method {name!r}: name it by letters, digits, _ and -")
            if name == "float":
                raise ValueError(
                    "compress.methods has a method 'float', which is the network itself: call it otherwise"
                )
            words = [step.name for step in steps]
            graph = [place for place, word in enumerate(words) if word not in TRAINING]
            if len(graph) > 1 or graph[:1] not in ([], [len(words) - 1]):
                raise ValueError(
                    f"compress.methods.{name} is {', '.join(words)}: one step of {_graph_steps()} may come, as the last"
                )
        return methods


def _graph_steps() -> str:
    return "dynamic_int8, static_int8 and float16"


def _steps(steps: Any) -> Any:
    listed = steps if isinstance(steps, list | tuple) else [steps]
    return [{"name": step} if isinstance(step, str) else step for step in listed]


AnyCompress = NoCompress | Compress


def bound_of(config: "Config") -> tuple[float, str]:
    """How much worse a compressed bundle may be, in the unit of gate.metric, and where that stands."""
    if isinstance(config.compress, Compress) and config.compress.max_loss is not None:
        return config.compress.max_loss, "config compress.max_loss"
    return config.gate.margin, "config gate.margin"


def check_compress(config: "Config") -> None:
    """Check that the methods fit the data and the task.

    Raises:
        ValueError: they do not; says what to do.
    """
    if not isinstance(config.compress, Compress):
        return
    if config.data.problem == "generation":
        raise ValueError(
            f"compress={config.compress.name} is not for generation, whose images have no score on held-out records "
            "that ways could be chosen by: say compress=none"
        )
    for name, steps in config.compress.methods.items():
        for step in steps:
            if isinstance(step, Distil):
                try:
                    student_network(config, step)
                except ValueError as error:
                    raise ValueError(f"compress.methods.{name}: {error}") from None
