"""A study in a file that several processes share, and that a killed one leaves whole.

Optuna's journal is a file of lines; it has no heartbeat, so nobody would know that a trial's process is gone. Here each
process holds a lock of the system on the file of its trial, which the system lets go when the process ends, however it
ends. The processes must be on one machine, or on a file system that has such locks.
"""

import fcntl
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from lightloop.config.sweeps import SweepConfig
from lightloop.search.samplers import build_pruner, build_sampler
from lightloop.search.space import grid

Direction = Literal["maximize", "minimize"]
JOURNAL = "journal.log"
# Why a trial has no value; a trial without both was killed, and is not counted.
REASON = "reason"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class SharedStudy:
    """A study in `folder`.

    Args:
        folder: of this study alone.
        sweep: what is searched, and how.
        directions: "maximize" or "minimize" of each objective.
        seed: of the draws.
        epochs: most epochs of a training, for the pruner.
    """

    def __init__(
        self, folder: Path, sweep: SweepConfig, directions: Sequence[Direction], seed: int, epochs: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        points = [len(values) for values in grid(sweep.space).values()] if sweep.sampler.name == "grid" else []
        self.most = math.prod(points) if points else None
        self.sweep = sweep
        with self._locked("study.lock"):
            _mend(folder / JOURNAL)
            self.study = optuna.create_study(
                study_name=folder.name,
                storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
                sampler=build_sampler(sweep, seed),
                pruner=build_pruner(sweep, epochs),
                directions=list(directions),
                load_if_exists=True,
            )

    @contextmanager
    def next_trial(self, most: int) -> Iterator[Trial | None]:
        """The next trial, held by this process until the block ends; None when `most` (or the grid) are taken."""
        with self._locked("study.lock"):
            self._release_dead()
            trials = self.study.get_trials(deepcopy=False)
            taken = sum(counts(trial) or trial.state is TrialState.RUNNING for trial in trials)
            trial = self.study.ask() if taken < min(most, self.most or most) else None
            held = _try_lock(self._lock_of(trial.number)) if trial else None
        try:
            yield trial
        finally:
            if held:
                held.close()

    def _release_dead(self) -> None:
        """Give the values of trials whose process is gone to the next one that asks."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            held = _try_lock(self._lock_of(trial.number))
            if held is None:
                continue
            held.close()
            self.study.tell(trial.number, state=TrialState.FAIL)
            if trial.params:
                self.study.enqueue_trial(trial.params)

    def finished(self) -> list[FrozenTrial]:
        """The trials that are done, whether with a value, pruned, or failed with a reason."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if counts(trial)]

    def _lock_of(self, number: int) -> Path:
        return self.folder / f"trial-{number}.lock"

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self.folder / name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class quiet_optuna(warnings.catch_warnings):  # noqa: N801 # a context manager, named like a function
    """Optuna without its log and its notes on what is experimental; what it warns of otherwise is shown."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return entered


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for."""
    return trial.state in DONE or (trial.state is TrialState.FAIL and REASON in trial.user_attrs)


def _try_lock(path: Path) -> IO[str] | None:
    """Hold the lock of a file, or None when another process does."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _mend(journal: Path) -> None:
    """Cut off a last line that a killed process did not finish: Optuna refuses a journal with half a line."""
    if not journal.exists():
        return
    content = journal.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(journal, content.rfind(b"\n") + 1)
