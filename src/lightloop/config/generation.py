"""What generation asks of the rest of the config: its training has two optimizers, so not every setting applies."""

from typing import TYPE_CHECKING

from lightloop.config.training import TrainerConfig

if TYPE_CHECKING:
    from lightloop.config.schema import Config

SOLVED = ("classification", "regression", "forecasting")  # by networks that do not say which
# Settings of the trainer that its own steps of two optimizers do not know, and what they must be.
UNUSED = {
    name: TrainerConfig.model_fields[name].default
    for name in (
        "accumulate_grad_batches",
        "gradient_clip_val",
        "l1",
        "l2",
        "layer_decay",
        "freeze",
        "unfreeze_every",
        "lr_find",
        "compile",
    )
}


def check_generation(config: "Config", solves: tuple[str, ...]) -> None:
    """Check that network and data set agree on generation, and that nothing is asked for that it does not have.

    Args:
        config: of the run.
        solves: the problems that the network is for.

    Raises:
        ValueError: they do not agree, or a setting would be ignored.
    """
    data = config.data
    if data.problem not in solves:
        hint = "say network=dcgan" if data.problem == "generation" else "take another network, such as network=cnn"
        raise ValueError(
            f"network={config.network.name} is for {' or '.join(solves)}, but data={data.name} is {data.problem}: "
            f"{hint}"
        )
    if data.problem != "generation":
        return
    if len(data.classes) < 2 or not data.with_role("target"):
        raise ValueError(
            f"data={data.name} is for generation, which is judged by a classifier of the same images: "
            "give data.columns a target and data.classes at least two names"
        )
    if config.average.name != "none":
        raise ValueError(f"task={config.task.name} averages the weights itself: say average=none, and set task.decay")
    if config.optimizer.name == "lbfgs":
        raise ValueError(f"optimizer=lbfgs is not for task={config.task.name}: say optimizer=adam")
    if config.scheduler.name == "plateau":
        raise ValueError(
            f"scheduler=plateau waits for a validation loss, which task={config.task.name} does not have: "
            "say scheduler=constant or another one"
        )
    for name, neutral in UNUSED.items():
        value = getattr(config.trainer, name)
        if value != neutral:
            raise ValueError(f"trainer.{name} is {value}, which task={config.task.name} does not use: leave it out")
