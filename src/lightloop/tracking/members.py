"""The members of folds and seeds as runs of one group in W&B: curves, and what each is worth on held-out records."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.tracking.mode import notice
from lightloop.tracking.runs import close_run, open_run
from lightloop.tracking.sending import send_runs

if TYPE_CHECKING:
    from wandb import Run


def log_members(config: Config, project: Project, members: Sequence[Mapping[str, Any]]) -> None:
    """Log each member as a run `fold`, in the group of the model that the config makes.

    Args:
        config: of the run.
        project: where the runs are written.
        members: rows with `fold`, `seed`, `metrics` on held-out records, `validation_loss` and `history`.

    Whatever W&B does, the members stand: a failure costs one line on stderr and a bounded time.
    """
    try:
        runs = [run for member in members if (run := _member(config, project, member)) is not None]
        send_runs(config, *runs, together=True)
    except LightloopError as error:
        notice(f"W&B got no folds: {error}")
    # As with the evidence: nothing depends on W&B.
    except Exception as error:  # noqa: BLE001
        notice(f"W&B got no folds: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}")


def _member(config: Config, project: Project, member: Mapping[str, Any]) -> "Run | None":
    run = open_run(config, project, job="fold", live=False)
    if run is None:
        return None
    try:
        place = {"fold": member["fold"], "fold_seed": member["seed"]}
        run.config.update(place)
        run.name = f"{run.group}-fold-{member['fold'] + 1}-seed-{member['seed'] + 1}"
        for row in member["history"]:
            # `train_loss` of a file is `train/loss` in W&B, as of a training that is logged while it runs.
            run.log({key.replace("_", "/", 1) if _is_curve(key) else key: value for key, value in row.items()})
        scores = {f"held_out/{name}": value for name, value in member["metrics"].items()}
        run.summary.update(scores | {"lowest_validation_loss": member["validation_loss"]})
    finally:
        close_run(run)
    return run


def _is_curve(key: str) -> bool:
    return key.startswith(("train_", "validation_"))
