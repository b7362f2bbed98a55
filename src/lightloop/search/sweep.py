"""`lightloop sweep`: many trainings of one config, whose values Optuna chooses; the test split is never looked at."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytorch_lightning as pl
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console
from rich.table import Table

from lightloop.config.compose import compose_config
from lightloop.config.metrics import metric, signed
from lightloop.config.schema import Config
from lightloop.config.sweeps import SweepConfig
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, UsageError
from lightloop.evaluation.problem import problem_of
from lightloop.project import Project
from lightloop.search.best import write_best
from lightloop.search.latency import measure_latency
from lightloop.search.space import as_override, check_space, label, read_sweep, split_words, suggest
from lightloop.search.study import REASON, Direction, SharedStudy, quiet_optuna
from lightloop.tasks.checkpoint import load_model
from lightloop.tracking import close_run, open_run
from lightloop.training.ensemble import single
from lightloop.training.fit import MONITOR, start_over
from lightloop.training.folds import train_folds
from lightloop.training.logger import wandb_logger
from lightloop.training.member import fingerprint
from lightloop.training.semi import train_semi

VALUES, SECONDS = "values", "seconds"


@dataclass(frozen=True)
class Sweep:
    """What is being searched.

    Attributes:
        project: where the data lie, and where the best setting is written.
        overrides: of the config, without what is about the search.
        config: that they compose to.
        settings: sampler, pruner, number of trials, space.
        name: of the study, its folder and its group in W&B.
    """

    project: Project
    overrides: Sequence[str]
    config: Config
    settings: SweepConfig
    name: str

    @property
    def folder(self) -> Path:
        return self.project.scratch / "sweeps" / self.name

    @property
    def two(self) -> bool:
        """Whether milliseconds count beside the metric."""
        return self.settings.sampler.name == "nsga2"

    @property
    def directions(self) -> list[Direction]:
        first: Direction = "maximize" if metric(self.config.gate.metric).direction == "higher" else "minimize"
        return [first, "minimize"] if self.two else [first]


def run_sweep(words: Sequence[str]) -> None:
    """Search `configs/sweep/NAME.yaml` until there are as many trials as asked for, and write the best setting.

    The same command goes on where a killed sweep was; run by several processes at once, they share the trials. NAME is
    the config's name, or that of `sweep=NAME`. What is sought is the validation value of `gate.metric`, with folds or
    seeds their mean over held-out folds, and with `sampler=nsga2` also the milliseconds of one record.

    Args:
        words: as typed: `sampler=`, `pruner=`, `trials=` and `sweep=` are about the search, the rest are overrides.

    Raises:
        UsageError: the config, the search or its space does not fit.
        LightloopError: no trial came to a value.
    """
    sweep = open_sweep(Project.find(), words)
    with quiet_optuna():
        study = SharedStudy(
            sweep.folder, sweep.settings, sweep.directions, sweep.config.seed, sweep.config.trainer.max_epochs
        )
        while True:
            with study.next_trial(sweep.settings.trials) as trial:
                if trial is None:
                    break
                _run_trial(sweep, study, trial)
        conclude(sweep, study)


def open_sweep(project: Project, words: Sequence[str]) -> Sweep:
    """Check a command and name its study by all that decides which trials belong together.

    Raises:
        UsageError: the config, the search or its space does not fit.
    """
    own, overrides = split_words(words)
    config = compose_config(project, overrides)
    if config.data.problem == "generation":
        raise UsageError(f"data={config.data.name} is for generation, which has no held-out score to search by")
    settings = read_sweep(project, str(own.get("sweep", config.name)), own)
    check_space(project, overrides, settings.space)
    content = [
        config.model_dump(mode="json", exclude={"tracking", "explain", "ensemble"}),
        settings.model_dump(mode="json", exclude={"trials"}),
        project.data_version(),
    ]
    digits = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return Sweep(project, overrides, config, settings, f"{config.name}-{settings.sampler.name}-{digits}")


class Watched(pl.Callback):
    """Reports each epoch's validation loss to the pruner, and ends the training where it says so.

    Args:
        trial: of the study.
        maximize: whether the study's values are better when higher; the loss then counts with a minus.
    """

    def __init__(self, trial: Trial, *, maximize: bool) -> None:
        self.trial = trial
        self.sign = -1.0 if maximize else 1.0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics.get(MONITOR)
        if loss is None:
            return
        self.trial.report(self.sign * float(loss), trainer.current_epoch)
        # After the last epoch nothing would be saved, and a value lost.
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0) and self.trial.should_prune():
            raise optuna.TrialPruned


def _run_trial(sweep: Sweep, study: SharedStudy, trial: Trial) -> None:
    """Train with one setting, tell the study what came of it, and say so in a line."""
    began = time.monotonic()
    values = suggest(trial, sweep.settings.space)
    trial.set_user_attr(VALUES, values)
    try:
        found = objective(sweep, trial, values)
        state = TrialState.COMPLETE
    except optuna.TrialPruned:
        found, state = None, TrialState.PRUNED
    except LightloopError as error:
        # Such as a loss that is no number at a rate that was too high: an answer, and no reason to stop.
        found, state = None, TrialState.FAIL
        trial.set_user_attr(REASON, str(error))
    trial.set_user_attr(SECONDS, round(time.monotonic() - began, 1))
    study.study.tell(trial, found, state=state)
    print(progress_line(sweep, study, trial.number), flush=True)


def objective(sweep: Sweep, trial: Trial, values: Mapping[str, Any]) -> list[float]:
    """The value of the metric, and with two objectives the milliseconds of one record.

    Raises:
        LightloopError: the config does not compose, the training failed, or the metric is undefined.
    """
    project = sweep.project
    config = compose_config(project, [*sweep.overrides, *(as_override(key, value) for key, value in values.items())])
    name = config.gate.metric
    run = open_run(config, project, job=f"trial-{trial.number}", group=sweep.name)
    scratch = sweep.folder / "trials" / fingerprint(config, project)
    try:
        if config.folds * config.seeds > 1:
            trained = train_folds(config, project, scratch=scratch, quiet=True)
            value = trained.content["metrics"][name]["mean"]
            checkpoint = next(iter(trained.checkpoints.values()))
        else:
            one = single(config, config.seed)
            callbacks = [] if sweep.two else [Watched(trial, maximize=sweep.directions[0] == "maximize")]
            member = train_semi(
                one, project, scratch=scratch, logger=wandb_logger(run), callbacks=callbacks, lines=False
            )
            checkpoint = member.checkpoint
            value = validation_value(one, project, checkpoint)
        if value is None or not np.isfinite(value):
            raise LightloopError(f"{name} is undefined on the validation records")
        found = [float(value)]
        if sweep.two:
            validation = read_splits(config.data, project.root, config.seed)["validation"]
            found.append(measure_latency(load_model(checkpoint), validation, scratch / "bundle"))
        if run is not None:
            run.summary[f"validation/{name}"] = found[0]
        return found
    finally:
        close_run(run)
        start_over(scratch)


def validation_value(config: Config, project: Project, checkpoint: Path) -> float:
    """The value of `gate.metric` on the validation split; NaN where it is undefined."""
    validation = read_splits(config.data, project.root, config.seed)["validation"]
    problem = problem_of(config.data)
    scorer = problem.scorer(validation, problem.checked(load_model(checkpoint).answers(validation), "a trial"))
    return float(scorer.scores(np.ones((1, scorer.records), dtype=np.int32))[config.gate.metric][0])


def ranked(sweep: Sweep, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have a value, the best first; of equal ones the earlier."""
    whole = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    return sorted(whole, key=lambda trial: (-signed(sweep.config.gate.metric, trial.values[0]), trial.number))


def progress_line(sweep: Sweep, study: SharedStudy, number: int) -> str:
    """What is said when a trial is done."""
    done = study.finished()
    trial = study.study.get_trials(deepcopy=False)[number]
    name = sweep.config.gate.metric
    match trial.state:
        case TrialState.COMPLETE:
            best = ranked(sweep, done)[0]
            came = f"{name} {trial.values[0]:.4f}" + (f", {trial.values[1]:.3f} ms" if sweep.two else "")
            came += f" (best {best.values[0]:.4f}, trial {best.number})"
        case TrialState.PRUNED:
            came = f"pruned after {len(trial.intermediate_values)} epochs"
        case _:
            came = f"failed: {trial.user_attrs[REASON]}"
    chosen = ", ".join(f"{key}={_short(value)}" for key, value in trial.user_attrs[VALUES].items())
    return f"trial {number}, {len(done)}/{sweep.settings.trials}: {came}; {chosen}; {trial.user_attrs[SECONDS]} s"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def conclude(sweep: Sweep, study: SharedStudy) -> None:
    """Print the best trials and the importances, and write the best setting.

    Raises:
        LightloopError: no trial came to a value.
    """
    done = study.finished()
    best = ranked(sweep, done)
    if not best:
        reasons = [trial.user_attrs.get(REASON, "pruned") for trial in done]
        raise LightloopError(
            f"none of {len(done)} trials came to a value; the last one: {reasons[-1] if done else '-'}"
        )
    first, name = best[0], sweep.config.gate.metric
    front = {trial.number for trial in study.study.best_trials} if sweep.two else {first.number}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("trial", f"validation {name}", *(["ms a record"] if sweep.two else []), "values"):
        table.add_column(column)
    for trial in [one for one in best if one.number in front] if sweep.two else best[:5]:
        chosen = ", ".join(f"{key}={_short(value)}" for key, value in trial.user_attrs[VALUES].items())
        table.add_row(str(trial.number), *(f"{value:.4f}" for value in trial.values), chosen)
    console = Console(highlight=False, width=120)
    console.print(table)
    found = importances(sweep, study)
    if found:
        console.print("importance: " + ", ".join(f"{key} {share:.0%}" for key, share in found.items()), soft_wrap=True)
    command = " ".join(["lightloop sweep", *sweep.overrides, f"sampler={sweep.settings.sampler.name}"])
    experiment = write_best(
        sweep.project,
        sweep.overrides,
        first.user_attrs[VALUES],
        [
            f"The best of {len(done)} trials of `{command} trials={sweep.settings.trials}`:",
            f"validation {name} {first.values[0]:.6g} in trial {first.number}. Overwritten by the next sweep.",
        ],
    )
    console.print(f"the best setting: configs/experiment/{experiment}.yaml (lightloop run experiment={experiment})")


def importances(sweep: Sweep, study: SharedStudy) -> dict[str, float]:
    """Each value's share in how the metric varies over the trials (fANOVA), the largest first; empty for few trials."""
    whole = [trial for trial in study.finished() if trial.state is TrialState.COMPLETE]
    if len(whole) < 4 or len({trial.values[0] for trial in whole}) < 2:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    evaluator = FanovaImportanceEvaluator(seed=sweep.config.seed)
    return dict(get_param_importances(study.study, evaluator=evaluator, target=lambda trial: trial.values[0]))
