"""Optuna's samplers and pruners by name, and one that draws the same whatever process asks."""

from collections.abc import Callable, Sequence
from typing import Any

from optuna import pruners, samplers
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lightloop.config.sweeps import (
    Cmaes,
    Gp,
    Grid,
    Hyperband,
    Median,
    NoPruner,
    Nsga2,
    Random,
    SweepConfig,
    Tpe,
)
from lightloop.search.space import grid


class SeededByTrial(samplers.BaseSampler):
    """A sampler that is made anew for each trial, seeded by the sweep's seed and the trial's number.

    A sweep that was killed then draws on where it was, and two processes with one seed draw different values; Optuna's
    own samplers start over with their seed in each process. What samplers remember they keep in the storage.
    """

    def __init__(self, make: Callable[[int], samplers.BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._sampler = self._make((self._seed * 1_000_003 + trial.number) % 2**32)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        # All that the grid's does then is to stop `Study.optimize`, which is not used; `SharedStudy` knows its size.
        if not isinstance(self._sampler, samplers.GridSampler):
            self._sampler.after_trial(study, trial, state, values)


def build_sampler(sweep: SweepConfig, seed: int) -> samplers.BaseSampler:
    """The sampler that a sweep names."""
    # The grid is shuffled once by its seed, and walked by the trials' numbers.
    grids = sweep.sampler.name == "grid"
    return SeededByTrial(lambda number: _sampler(sweep, seed if grids else number), seed)


def _sampler(sweep: SweepConfig, seed: int) -> samplers.BaseSampler:
    match sweep.sampler:
        case Tpe(startup=startup, multivariate=multivariate):
            return samplers.TPESampler(n_startup_trials=startup, multivariate=multivariate, seed=seed)
        case Gp(startup=startup):
            return samplers.GPSampler(n_startup_trials=startup, seed=seed)
        case Cmaes(startup=startup):
            return samplers.CmaEsSampler(n_startup_trials=startup, seed=seed, warn_independent_sampling=False)
        case Nsga2(population=population):
            return samplers.NSGAIISampler(population_size=population, seed=seed)
        case Random():
            return samplers.RandomSampler(seed=seed)
        case Grid():
            return samplers.GridSampler(grid(sweep.space), seed=seed)


def build_pruner(sweep: SweepConfig, epochs: int) -> pruners.BasePruner:
    """The pruner that a sweep names, for trainings of at most `epochs`."""
    match sweep.pruner:
        case NoPruner():
            return pruners.NopPruner()
        case Median(startup=startup, warmup=warmup):
            return pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup)
        case Hyperband(reduction=reduction):
            return pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=reduction)
