"""How a network is fitted: optimizer, schedule, trainer, averaging, switches for finding faults."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lightloop.config.base import Count, Fraction, Frozen, NotNegative, Positive

Warmup = Annotated[float, Field(ge=0, lt=1)]
# A share of the batches, or how many.
Limit = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]


class SGD(Frozen):
    """Stochastic gradient descent with momentum, Nesterov's by default; `momentum: 0` is the plain one."""

    name: Literal["sgd"]
    lr: Positive
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: NotNegative = 0.0


class Adagrad(Frozen):
    """A rate for each weight that falls with the sum of its squared gradients."""

    name: Literal["adagrad"]
    lr: Positive
    lr_decay: NotNegative = 0.0
    weight_decay: NotNegative = 0.0


class RMSprop(Frozen):
    """A rate for each weight by the moving mean of its squared gradients."""

    name: Literal["rmsprop"]
    lr: Positive
    momentum: Fraction = 0.0
    weight_decay: NotNegative = 0.0


class Adam(Frozen):
    """Moving means of gradients and of their squares; `weight_decay` is added to the gradient."""

    name: Literal["adam"]
    lr: Positive
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NotNegative = 0.0


class AdamW(Frozen):
    """Adam whose weight decay is decoupled from the gradient."""

    name: Literal["adamw"]
    lr: Positive
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NotNegative = 0.01


class LBFGS(Frozen):
    """A quasi-Newton method for small networks and large batches: up to `max_iter` evaluations a step."""

    name: Literal["lbfgs"]
    lr: Positive = 1.0
    max_iter: Count = 20
    history_size: Count = 10
    line_search_fn: Literal["strong_wolfe"] | None = "strong_wolfe"


class TorchOptim(Frozen):
    """Any class of torch.optim by its name, such as NAdam, with further `arguments`."""

    name: Literal["torch_optim"]
    optimizer: str
    lr: Positive
    weight_decay: NotNegative = 0.0
    arguments: dict[str, Any] = Field(default_factory=dict)


class Constant(Frozen):
    """The optimizer's rate throughout, after a linear warm-up."""

    name: Literal["constant"]
    warmup: Warmup = 0.0


class StepDecay(Frozen):
    """Times `factor`, `drops` times at equal distances: the training has one part more than there are drops."""

    name: Literal["step"]
    drops: Count = 3
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    warmup: Warmup = 0.0


class Cosine(Frozen):
    """From the optimizer's rate down to `final` of it along a half cosine, after a linear warm-up."""

    name: Literal["cosine"]
    warmup: Warmup = 0.0
    final: Fraction = 0.0


class OneCycle(Frozen):
    """Up to the optimizer's rate over the share `warmup` of all steps, then down along a cosine."""

    name: Literal["one_cycle"]
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.3


class Plateau(Frozen):
    """Times `factor` whenever the validation loss was not better for `patience` epochs, after a linear warm-up."""

    name: Literal["plateau"]
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Field(ge=0)] = 3
    min_lr: NotNegative = 0.0
    warmup: Warmup = 0.0


class NoAverage(Frozen):
    """The weights of the last step are those that are validated and kept."""

    name: Literal["none"]


class EMA(Frozen):
    """Exponential moving average of the weights, which is validated and kept.

    Its decay rises to `decay` as (1 + updates) / (10 + updates), so that short trainings forget where they began.
    """

    name: Literal["ema"]
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999


class SWA(Frozen):
    """The mean of the weights at the end of each epoch from the share `start` of the epochs on (arXiv:1803.05407).

    Batch norms are measured anew for the mean. Nothing stops or is kept before it exists, so `patience` counts from
    `start` on. It wants a rate that stays high, such as that of scheduler=constant.
    """

    name: Literal["swa"]
    start: Annotated[float, Field(ge=0, lt=1)] = 0.75


class NoDebug(Frozen):
    """A training as it is meant."""

    name: Literal["none"]


class FastDevRun(Frozen):
    """One epoch of `batches` batches of training and of validation: does everything run?"""

    name: Literal["fast_dev_run"]
    batches: Count = 1


class Overfit(Frozen):
    """Train and validate on the same few batches: a network that cannot learn them by heart has a fault."""

    name: Literal["overfit"]
    batches: Count = 1


class LimitBatches(Frozen):
    """Shorter epochs: a share of the batches of training and validation, or a number of them."""

    name: Literal["limit"]
    train: Limit = 0.1
    validation: Limit = 1.0


class Profile(Frozen):
    """Time each part of the training and print the table at the end."""

    name: Literal["profile"]


class TrainerConfig(Frozen):
    """How training runs. `auto` settings take what the processor gains from; the choice is recorded as evidence.

    `l1` times the sum of absolute weights and `l2` times the sum of squared ones are added to the training loss; biases
    and norms are left out. `layer_decay` multiplies the rate from each layer to the one below it. `freeze` names
    parts of the network, by the beginnings of their parameters' names, that are not trained; with `unfreeze_every` the
    last of them is freed after so many epochs, then the one before it. `checkpoint_every_n_steps` is how much work a
    killed training may lose; null saves at the end of each epoch alone.
    """

    max_epochs: Count
    batch_size: Count
    precision: Annotated[Literal["auto", "32", "bf16"], BeforeValidator(str)] = "auto"
    channels_last: Literal["auto"] | bool = "auto"
    accelerator: str = "auto"
    accumulate_grad_batches: Count = 1
    gradient_clip_val: Positive | None = None
    gradient_clip_algorithm: Literal["norm", "value"] = "norm"
    l1: NotNegative = 0.0
    l2: NotNegative = 0.0
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    freeze: tuple[str, ...] = ()
    unfreeze_every: Count | None = None
    patience: Count
    lr_find: bool = False
    compile: bool = False
    deterministic: bool = False
    detect_anomaly: bool = False
    checkpoint_every_n_steps: Count | None = 500
    log_every_n_steps: Count = 50

    @model_validator(mode="after")
    def _something_to_unfreeze(self) -> Self:
        if self.unfreeze_every and not self.freeze:
            raise ValueError("trainer.unfreeze_every needs trainer.freeze, such as trainer.freeze=[stages]")
        return self


AnyOptimizer = SGD | Adagrad | RMSprop | Adam | AdamW | LBFGS | TorchOptim
AnyScheduler = Constant | StepDecay | Cosine | OneCycle | Plateau
AnyAverage = NoAverage | EMA | SWA
AnyDebug = NoDebug | FastDevRun | Overfit | LimitBatches | Profile


def check_optimizer(optimizer: AnyOptimizer, trainer: TrainerConfig) -> None:
    """Check that the trainer's settings fit the optimizer.

    Raises:
        ValueError: they do not.
    """
    if not isinstance(optimizer, LBFGS):
        return
    if trainer.accumulate_grad_batches > 1:
        raise ValueError(
            "optimizer=lbfgs evaluates a batch several times, so trainer.accumulate_grad_batches must be 1: "
            "raise trainer.batch_size instead"
        )
    if trainer.layer_decay < 1:
        raise ValueError("optimizer=lbfgs has one rate for all weights, so trainer.layer_decay must be 1")
