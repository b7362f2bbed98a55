"""New records held against the suite that training data has to meet, before they become training data."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lightloop.config.schema import AnySpec
from lightloop.data.collected import ID, PREFIX, collected_path
from lightloop.errors import RefusedError
from lightloop.project import Project
from lightloop.quality.suite import load_suite


def set_aside(project: Project, spec: AnySpec, before: pa.Table | None, new: pa.Table) -> dict[str, list[str]]:
    """Which of the new records the suite refuses, and why.

    Args:
        project: with the data set and its suite.
        spec: the data set.
        before: what was collected before; None where nothing was.
        new: records in the form of the collected file.

    Returns:
        By prediction id the critical expectations that the record breaks. What is only unusual, such as numbers beyond
        those of the training data, is no reason: that is what there is to learn.

    Raises:
        RefusedError: the suite refuses all of them together, without those that it refuses one by one.
    """
    refused, whole = _refusals(project, spec, before, new)
    if refused:
        rest = new.filter(pa.array([one not in refused for one in new.column(ID).to_pylist()], pa.bool_()))
        if not len(rest):
            return refused
        _, whole = _refusals(project, spec, before, rest)
    if whole:
        raise RefusedError(
            f"with the {len(new)} new records the data check would fail ({'; '.join(whole)}): nothing was added; "
            f"mend the data, or configs/expectations/{spec.expectations}.json"
        )
    return refused


def _refusals(
    project: Project, spec: AnySpec, before: pa.Table | None, new: pa.Table
) -> tuple[dict[str, list[str]], list[str]]:
    # Late: Great Expectations and pandas take seconds.
    from lightloop.quality.check import failing_records
    from lightloop.quality.modality import read_metadata

    suite = load_suite(project.expectations / f"{spec.expectations}.json")
    with beside_the_data(project, spec, joined(before, new)) as root:
        metadata = read_metadata(spec, root)
    rows, whole = failing_records(suite, metadata)
    ids = set(new.column(ID).to_pylist())
    found = {}
    for row, reasons in rows.items():
        name = str(metadata["id"].iloc[row])
        if name.startswith(PREFIX) and name.rpartition("/")[2] in ids:
            found[name.rpartition("/")[2]] = reasons
    return found, whole


def joined(before: pa.Table | None, new: pa.Table) -> pa.Table:
    """The rows of the collected file with the new ones behind them."""
    return new if before is None else pa.concat_tables([before, new], promote_options="permissive")


@contextmanager
def beside_the_data(project: Project, spec: AnySpec, collected: pa.Table) -> Iterator[Path]:
    """A folder that reads as the project's, with another collected file; the project's data are not touched."""
    with tempfile.TemporaryDirectory() as root:
        target = collected_path(spec, Path(root))
        target.parent.mkdir(parents=True)
        for entry in (project.root / spec.path).iterdir():
            if entry.name != target.name:
                (target.parent / entry.name).symlink_to(entry.resolve())
        pq.write_table(collected, target)
        yield Path(root)
