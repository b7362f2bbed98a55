"""folds: every metric over many trainings, where the config asks for more than one fold or seed.

torch is imported only then, so that the stage costs nothing in a run that does not.
"""

from typing import Any

from rich.console import Console
from rich.table import Table

from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config
from lightloop.files import replacing, write_json
from lightloop.project import Project
from lightloop.tracking.members import log_members


def folds(config: Config, project: Project) -> None:
    """Train and score folds x seeds members; write `artifacts/folds/`, and an empty result where there is one.

    Members of an ensemble are kept in `artifacts/folds/members/`, from which the train stage makes it. Without an
    ensemble they only measure: the model that is released is trained on the whole training split, as ever.

    Args:
        config: of the run.
        project: where to read and write.

    Raises:
        RefusedError: the records can't be divided so.
        LightloopError: the loss became infinite or not a number.
    """
    if config.folds * config.seeds == 1:
        with replacing(project.members) as folder:
            folder.mkdir()
        write_json(project.folds_result, {"folds": 1, "seeds": 1, "metrics": {}, "members": []})
        return
    from lightloop.training.folds import family, forget_others, train_folds, write_folds

    scratch = family(project)
    trained = train_folds(config, project, scratch=scratch)
    write_folds(trained, config, project)
    log_members(config, project, trained.members)
    forget_others(trained, scratch)
    print_folds(trained.content)


def print_folds(content: dict[str, Any]) -> None:
    """The table of a result with more than one member."""
    members = content["members"]
    share = f"{content['confidence']:.0%}"
    table = Table(title=f"{content['folds']} folds x {content['seeds']} seeds", title_justify="left", box=None)
    for column in ("metric", "mean", "std", f"{share} interval", "lowest", "highest"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, found in content["metrics"].items():
        values = [row["metrics"][name] for row in members if row["metrics"][name] is not None]
        interval = "" if found["low"] is None else f"[{found['low']:.4f}, {found['high']:.4f}]"
        shown = [_number(value) for value in (found["mean"], found["std"])]
        ends = [_number(min(values, default=None)), _number(max(values, default=None))]
        table.add_row(METRICS[name].title, *shown, interval, *ends)
    console = Console(highlight=False, width=120)
    console.print(table)
    console.print(content["method"], soft_wrap=True)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
