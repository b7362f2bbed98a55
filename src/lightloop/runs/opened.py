"""`lightloop.load_run`: the door for notebooks."""

from pathlib import Path

from lightloop.project import Project
from lightloop.runs.run import Run
from lightloop.runs.source import Source, revision


def load_run(path: str | Path | None = None, rev: str | None = None) -> Run:
    """Open what a run left behind: its config, evidence, explanations, verdict and model.

        run = lightloop.load_run()
        run.metrics[["value", "low", "high", "baseline"]]
        run.explanations.of(run.explanations.records.index[0])
        run.ask(run.records("test").head())

    Args:
        path: a folder in the project; by default the current one.
        rev: another revision: what git knows (a commit, branch or tag), a version such as v0.1.0, or a stage of the
            registry such as production. Its files are fetched when they are asked for, from git or by DVC, and kept in
            `.lightloop/revisions/`. By default what lies in the folder.

    Returns:
        The run. Nothing is read yet: what is missing is said by what asks for it.

    Raises:
        UsageError: the folder is not in a project, or there is no such revision.

    Examples:
        >>> load_run("/")
        Traceback (most recent call last):
        lightloop.errors.UsageError: / is not inside a Lightloop project (dvc.yaml and configs/): change into one first
    """
    project = Project.find(Path(path) if path is not None else None)
    return Run(Source(project) if rev is None else revision(project, rev))
