"""Does the data meet its expectations? Stops the loop when a critical one fails."""

import shutil

from rich.console import Console

from lightloop.config.schema import Config
from lightloop.errors import RefusedError
from lightloop.files import replacing, write_json
from lightloop.project import Project
from lightloop.quality.check import run_suite
from lightloop.quality.leakage import leakage_checks, revealed
from lightloop.quality.modality import profile_of, read_metadata
from lightloop.quality.suite import load_suite
from lightloop.quality.table import failures_table


def validate(config: Config, project: Project) -> None:
    """Check the data set against its committed suite; write the result, a profile, Data Docs and what `data` said.

    A failed critical expectation leaves earlier results as they were: this one then lies in the project's scratch
    folder. A failed warning is shown and recorded, and the loop goes on.

    Args:
        config: read is `data`.
        project: read are the data files and `configs/expectations/`; written is `artifacts/validation/`.

    Raises:
        UsageError: the suite is missing or no suite.
        LightloopError: a data file is missing or not readable.
        RefusedError: a column is missing, or a critical expectation failed.
    """
    suite = load_suite(project.expectations / f"{config.data.expectations}.json")
    metadata = read_metadata(config.data, project.root)
    outcome = run_suite(suite, metadata).with_checks(leakage_checks(config.data, metadata, project.root))

    refused_folder = project.scratch / "validation"
    folder = refused_folder if outcome.refusals else project.validation
    with replacing(folder / project.data_docs.name) as docs:
        docs.mkdir()
        (docs / "index.html").write_text(outcome.docs, encoding="utf-8")
    write_json(folder / project.profile.name, profile_of(config.data, metadata))
    # On which the other stages depend, so that each is run again when what is said about the data changes.
    write_json(folder / project.checked_data.name, config.data.model_dump(mode="json"))
    write_json(folder / project.validation_result.name, outcome.result)

    if outcome.failed:
        Console().print(failures_table(outcome.failed))
    if outcome.refusals:
        page = project.relative(folder / project.data_docs.name / "index.html")
        raise RefusedError(
            f"the data check failed: {len(outcome.refusals)} of {len(outcome.checks)} expectations were not met"
            f"{revealed(outcome.refusals)}; "
            f"see {page}, then mend the data or configs/expectations/{config.data.expectations}.json"
        )
    shutil.rmtree(refused_folder, ignore_errors=True)
