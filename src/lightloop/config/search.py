"""More than one training: folds and seeds, ensembles, pseudo-labels."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lightloop.config.base import Count, Frozen, Positive
from lightloop.config.explain import METHODS

if TYPE_CHECKING:
    from lightloop.config.schema import Config

# Folds, seeds and what they are released as.


class NoEnsemble(Frozen):
    """One network is released: trained on the whole training split, whatever folds and seeds measure."""

    name: Literal["none"] = "none"


class Mean(Frozen):
    """The mean of the members' probabilities, or of their numbers."""

    name: Literal["mean"]


class Voting(Frozen):
    """Each member has one vote for its most probable class; of equally many votes the mean probability decides."""

    name: Literal["voting"]


class Weighted(Frozen):
    """The mean, weighted by exp(-loss / temperature) of each member's validation loss, over the least loss."""

    name: Literal["weighted"]
    temperature: Positive = 0.1


class Stacking(Frozen):
    """Logistic regression on the members' log probabilities for records that they were not trained on.

    `c` is its inverse regularisation. It needs folds, which give every record such probabilities.
    """

    name: Literal["stacking"]
    c: Positive = 1.0


class Snapshots(Frozen):
    """`count` states of one training, averaged.

    `cyclic`: the schedule runs `count` times, each time over its share of `trainer.max_epochs`, and each cycle goes on
    from the weights of the one before (arXiv:1704.00109). `last`: the last `count` epochs.
    """

    name: Literal["snapshots"]
    count: Annotated[int, Field(ge=2)] = 5
    schedule: Literal["cyclic", "last"] = "cyclic"


AnyEnsemble = NoEnsemble | Mean | Voting | Weighted | Stacking | Snapshots


class NoSemi(Frozen):
    """Unlabelled records are not used."""

    name: Literal["none"] = "none"


class PseudoLabels(Frozen):
    """Unlabelled records that the model is sure of are trained on with its own answer; labelled ones always stay.

    `threshold` is the least probability; the training starts anew for each of the `rounds`, and the round with the
    lowest validation loss is kept (Lee 2013; arXiv:1908.02983 on confirmation bias).
    """

    name: Literal["pseudo_labels"]
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.95
    rounds: Count = 2


AnySemi = NoSemi | PseudoLabels


def check_members(config: "Config") -> None:
    """Check that folds, seeds, ensemble and pseudo-labels fit the data and each other.

    Raises:
        ValueError: they do not; says what to do.
    """
    data, ensemble = config.data, config.ensemble
    if config.folds * config.seeds > 1 and data.problem == "generation":
        raise ValueError(f"data={data.name} is for generation, which has no held-out score: say folds=1 seeds=1")
    if config.semi.name != "none" and data.problem != "classification":
        raise ValueError(f"semi={config.semi.name} is for classification, but data={data.name} is {data.problem}")
    if ensemble.name == "none":
        return
    if data.problem == "generation":
        raise ValueError(f"ensemble={ensemble.name} is not for generation: say ensemble=none")
    if ensemble.name in ("voting", "stacking") and data.problem != "classification":
        raise ValueError(f"ensemble={ensemble.name} is for classification, not {data.problem}: say ensemble=mean")
    if isinstance(ensemble, Snapshots):
        if config.folds * config.seeds > 1:
            raise ValueError("ensemble=snapshots is made of one training: say folds=1 seeds=1, or ensemble=mean")
        if config.trainer.max_epochs < ensemble.count:
            raise ValueError(
                f"ensemble.count is {ensemble.count}, but trainer.max_epochs is {config.trainer.max_epochs}: "
                "each snapshot needs an epoch"
            )
    elif config.folds * config.seeds < 2:
        raise ValueError(f"ensemble={ensemble.name} needs members: say folds=5, or seeds=5, or both")
    if isinstance(ensemble, Stacking) and config.folds < 2:
        raise ValueError("ensemble=stacking learns from records that members were not trained on: say folds=5")
    maps = [method for method in config.explain.methods if METHODS[method].needs == "feature_maps"]
    if maps:
        raise ValueError(f"explain.methods has {maps[0]}, but an ensemble has no feature maps: say explain=gradients")


def count_members(config: "Config") -> int:
    """How many networks the released model is made of."""
    match config.ensemble:
        case NoEnsemble():
            return 1
        case Snapshots(count=count):
            return count
        case _:
            return config.folds * config.seeds
