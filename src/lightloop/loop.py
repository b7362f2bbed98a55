"""`lightloop run`: compose, ask the registry who the champion is, hand the work to DVC, say what came of it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lightloop.config.compose import compose_config, write_params
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json
from lightloop.journal import JOURNAL, Journal, die_with_parent
from lightloop.project import Project
from lightloop.release.dvc import run_dvc
from lightloop.tracking import tracking_mode
from lightloop.warm import warm_server


def run_loop(overrides: Sequence[str], *, until: str | None = None) -> None:
    """Compose the config from `overrides` and bring every stage up to date.

    Args:
        overrides: as typed, such as `network=resnet`.
        until: the last stage to run; by default all.

    Raises:
        UsageError: the config or the state of the project is wrong; nothing was started.
        RefusedError: the data check or the gate said no. Earlier results and the champion are as they were.
        LightloopError: a stage failed; its own sentence stands above. Earlier results are restored.
    """
    project = Project.find()
    config = compose_config(project, overrides)
    pipeline = read_pipeline(project)
    if until is not None and until not in pipeline:
        raise UsageError(f"there is no stage {until!r}: the stages are {', '.join(pipeline)}")
    if not project.in_git():
        raise UsageError("this is no git repository, which DVC needs: `git init && git add -A && git commit -m start`")
    tracking_mode(config)  # a wrong WANDB_MODE is said now, not after the data check
    write_params(project, config)
    journal = Journal.start(project)
    # Where stages will run for sure, their libraries are imported while the data come.
    with warm_server(soon=not (project.root / "dvc.lock").exists(), modality=config.data.modality) as told:
        pull_data(project, config.data.path)

        from lightloop.release.champion import write_champion

        write_champion(project)
        _reproduce(project, pipeline, journal, until, told)
    if project.reports.exists():
        from lightloop.score.said import keep_page as keep_score

        keep_score(project, anew=bool(journal.seconds()))
    if until is None:
        from lightloop.monitoring.page import keep_page
        from lightloop.report.runs import update_runs
        from lightloop.stages.folds import print_folds
        from lightloop.summary import print_summary

        # Also where DVC restored the report, which then lacks the page on all runs.
        update_runs(project)
        keep_page(project)

        if config.folds * config.seeds > 1:
            print_folds(read_json(project.folds_result))
        print_summary(project, journal.seconds())


def read_pipeline(project: Project) -> dict[str, Any]:
    """The stages of dvc.yaml, in order, as they stand there."""
    content = yaml.safe_load((project.root / "dvc.yaml").read_text(encoding="utf-8"))
    stages: dict[str, Any] = content["stages"]
    return stages


def pull_data(project: Project, path: str) -> None:
    """Get the data when it is not there; data that a person changed is left as it is."""
    if (project.root / path).exists() or not (project.root / "data.dvc").exists():
        return
    print(f"{path} is not here yet: pulling it from the DVC remote", flush=True)
    if run_dvc(project.root, "pull", "--quiet", "data.dvc").returncode:
        raise LightloopError(
            "the data could not be pulled: check that the DVC remote is there and reachable "
            "(`dvc remote list`, `dvc pull data.dvc`), then run it again"
        )


def _reproduce(
    project: Project, pipeline: dict[str, Any], journal: Journal, until: str | None, told: dict[str, str]
) -> None:
    """Let DVC run what is not up to date; when a stage fails, put back what stood there before."""
    kept = _Kept(project, pipeline)
    target = [until] if until else []
    try:
        code = _repro(project, "--quiet", *target, told=told).returncode
    except KeyboardInterrupt:
        interrupted = journal.failure()
        kept.put_back(interrupted[0] if interrupted else None)
        raise
    if code == 0:
        return
    failure = journal.failure()
    if failure is None:
        # DVC itself stopped, and --quiet silenced why: ask again, aloud. Stages that are done are not run again.
        aloud = _repro(project, *target, capture=True)
        if aloud.returncode == 0:
            return
        failure = journal.failure()
    kept.put_back(failure[0] if failure else None)
    if failure is None:
        raise LightloopError(f"DVC could not run the pipeline: {_last_error(aloud.stderr)}")
    stage, exit_code = failure
    match exit_code:
        case None:
            raise LightloopError(f"{stage} was killed (out of memory?): run it again, training goes on where it was")
        case RefusedError.exit_code:
            raise RefusedError(f"{stage} said no: earlier results and the champion are as they were")
        case UsageError.exit_code:
            raise UsageError(f"{stage} could not start: earlier results are as they were")
        case _:
            raise LightloopError(f"{stage} failed: earlier results are as they were; mend what it says and run again")


class _Kept:
    """What DVC removes before it runs a stage, to be put back when the stage fails.

    DVC deletes a stage's outputs first. The cached ones it can restore; the small JSON files that are in git and not
    in the cache it can't, and neither the pointer to the data, which it moves to data that the check may refuse.
    """

    def __init__(self, project: Project, pipeline: dict[str, Any]) -> None:
        self.project = project
        names = ["data.dvc", *(name for stage in pipeline.values() for name in _uncached(stage))]
        paths = [project.root / name for name in names]
        self.contents = {path: path.read_bytes() for path in paths if path.is_file()}

    def put_back(self, stage: str | None) -> None:
        for path, content in self.contents.items():
            if not path.exists() or path.name == "data.dvc":
                path.write_bytes(content)
        if stage:
            run_dvc(self.project.root, "checkout", "--quiet", "--force", "--allow-missing", stage)


def _uncached(stage: dict[str, Any]) -> list[str]:
    """The outputs of a stage that DVC does not cache."""
    entries = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return [
        name
        for entry in entries
        if isinstance(entry, dict)
        for name, options in entry.items()
        if options.get("cache") is False
    ]


def _repro(
    project: Project, *arguments: str, capture: bool = False, told: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`dvc repro` in the project, with the commands of our environment first on the path; its stages are `told`."""
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
        JOURNAL: str(project.scratch / "journal"),
        **(told or {}),
    }
    return subprocess.run(
        [programs / "dvc", "repro", *arguments],
        cwd=project.root,
        env=environment,
        check=False,
        text=True,
        capture_output=capture,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )


def _last_error(output: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return errors[-1] if errors else "it gave no reason; `dvc repro` shows all it says"
