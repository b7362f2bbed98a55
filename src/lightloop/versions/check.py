"""`lightloop data check`: what the validate stage would say of the data as they lie there, and nothing written."""

import sys
from collections.abc import Sequence

from rich.console import Console

from lightloop.config.compose import compose_config, read_params
from lightloop.config.schema import AnySpec
from lightloop.errors import RefusedError
from lightloop.project import Project
from lightloop.versions.change import recover
from lightloop.versions.specs import read_spec, spec_names


def check_data(project: Project, overrides: Sequence[str]) -> None:
    """Print what fails, and how much was checked.

    Args:
        project: with the data.
        overrides: such as experiment=loans; without any the data set of the last run.

    Raises:
        UsageError: the config, or the suite, is wrong.
        LightloopError: a data file is missing or not readable.
        RefusedError: a column is missing, or a critical expectation failed.
    """
    recover(project)
    spec = compose_config(project, overrides).data if overrides else current_spec(project)
    # Late: Great Expectations takes seconds.
    from lightloop.quality.check import run_suite
    from lightloop.quality.leakage import leakage_checks, revealed
    from lightloop.quality.modality import read_metadata
    from lightloop.quality.suite import load_suite
    from lightloop.quality.table import failures_table

    suite = load_suite(project.expectations / f"{spec.expectations}.json")
    metadata = read_metadata(spec, project.root)
    outcome = run_suite(suite, metadata).with_checks(leakage_checks(spec, metadata, project.root))
    # As wide in a file as elsewhere, so that words can be searched for.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    if outcome.failed:
        console.print(failures_table(outcome.failed))
    count, failed = len(outcome.checks), len(outcome.refusals)
    if failed:
        raise RefusedError(
            f"{failed} of {count} expectations of {spec.name} are not met{revealed(outcome.refusals)}: mend the data, "
            f"or configs/expectations/{spec.expectations}.json; `lightloop run` would stop here"
        )
    warned = len(outcome.failed)
    console.print(
        f"{spec.name}: {len(metadata):,} records meet {count - warned} of {count} expectations"
        + (f"; {warned} only warn" if warned else ""),
        soft_wrap=True,
    )


def current_spec(project: Project, name: str | None = None) -> AnySpec:
    """The data set of that name; without one that of the last run, or of the config where there was none.

    Raises:
        UsageError: there is none.
    """
    if name is not None:
        return read_spec(project.configs, name)
    spec = (read_params(project) if project.params.exists() else compose_config(project)).data
    # What a person edited since then counts.
    return read_spec(project.configs, spec.name) if spec.name in spec_names(project.configs) else spec
