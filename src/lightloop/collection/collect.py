"""`lightloop collect`: labelled answers of the service become new data, and nothing that was known is counted twice.

log + feedback -> labelled -> not yet collected -> not known already -> side -> data check -> do older ones hold
    -> file -> data.dvc
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from lightloop import clock
from lightloop.collection.candidates import OUR_NAMES, candidates, labelled_rows, refuse_redacted
from lightloop.collection.checked import beside_the_data, joined, set_aside
from lightloop.collection.outdated import Judgement, judge
from lightloop.collection.sides import chosen_sides
from lightloop.config.compose import compose_config, read_params
from lightloop.config.schema import AnySpec, Config
from lightloop.config.series import SeriesSpec
from lightloop.data.collected import ID, SPLIT, Side, collected_path, read_keys, with_since
from lightloop.data.splits import read_splits
from lightloop.errors import UsageError
from lightloop.monitoring.content import Keys, content_keys
from lightloop.monitoring.settings import inside
from lightloop.monitoring.window import Window, read_window
from lightloop.project import Project
from lightloop.release.repository import dvc
from lightloop.service.settings import settings_of
from lightloop.versions.change import Move, apply, recover


class Collection(BaseModel):
    """What came of it: `lightloop collect --json`.

    Attributes:
        start: of the window, UTC, inclusive.
        end: of the window, UTC, exclusive.
        predictions: in the log.
        labelled: of them, those whose truth is known.
        collected_before: of the labelled ones, those that are in the data already.
        known: of the others, those whose content stands in the data under the same label, or that were asked again.
        set_aside: the reasons of the data check, with the number of records each.
        added: new records by side.
        labels: new records by label; empty where numbers are predicted.
        judgement: whether older records still hold, see `collection.outdated`; null where that can't be judged.
        data_version: of `data.dvc` afterwards; null where nothing was written.
        dry_run: whether nothing was to be written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: datetime
    end: datetime
    predictions: int
    labelled: int
    collected_before: int
    known: int
    set_aside: dict[str, int]
    added: dict[str, int]
    labels: dict[str, int]
    judgement: Judgement | None = None
    data_version: str | None = None
    dry_run: bool = False


def collect(
    project: Project,
    *,
    window: timedelta,
    log: str | None = None,
    feedback: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> Collection:
    """Add the labelled predictions of a window to the project's data.

    Args:
        project: whose `params.yaml` says which data set the model is trained on.
        window: until `now`.
        log: folder of the log; default: what `serve.log` says.
        feedback: folder of the feedback; default: what `serve.feedback` says.
        now: UTC; default: this moment.
        dry_run: write nothing.

    Raises:
        UsageError: there is no log, or the data set has nothing to collect.
        RefusedError: the log lacks what the model is asked with, or the data check refuses all new records together.
        LightloopError: the data are not there or damaged, or DVC failed.
    """
    recover(project)
    config = read_params(project)
    spec = config.data
    end = (now or clock.now()).astimezone(UTC)
    folders = _folders(project, spec, log, feedback)
    _pull(project, spec)
    found = read_window(*folders, end - window, end)
    path = collected_path(spec, project.root)
    before = pq.read_table(path) if path.exists() else None
    new, counts = _new(project, config, found)
    reasons = set_aside(project, spec, before, new) if len(new) else {}
    new = new.filter(pa.array([one not in reasons for one in new.column(ID).to_pylist()], pa.bool_()))
    version, judgement = None, None
    if len(new):
        table = joined(before, new)
        judgement = _judgement(project, config, table)
        if judgement is not None:
            table = with_since(table, judgement.since, spec, project.root)
        version = None if dry_run else write_collected(project, path, table)
    return Collection(
        start=found.start,
        end=found.end,
        predictions=len(found.predictions),
        labelled=counts.labelled,
        collected_before=counts.before,
        known=counts.known,
        set_aside=dict(sorted(Counter("; ".join(several) for several in reasons.values()).items())),
        added=dict(sorted(Counter(new.column(SPLIT).to_pylist()).items())),
        labels=label_counts(new, spec),
        judgement=judgement,
        data_version=version,
        dry_run=dry_run,
    )


def _judgement(project: Project, config: Config, collected: pa.Table) -> Judgement | None:
    """Whether older records still hold beside what would be in the file."""
    newest = compose_config(project).monitor.collect.newest
    if newest is None:
        return None
    with beside_the_data(project, config.data, collected) as root:
        return judge(config, root, newest)


def _folders(project: Project, spec: AnySpec, log: str | None, feedback: str | None) -> tuple[str, str]:
    """Those of the log and of the feedback."""
    if spec.problem == "generation":
        raise UsageError(
            f"data={spec.name} is for generation: nothing turns out to be true of samples, so that there "
            "is nothing to collect"
        )
    settings = settings_of(project, [])
    folder = log or settings.log.folder
    told = feedback or settings.feedback
    if folder is None:
        raise UsageError("serve.log.folder is null, so that the service keeps no log: set it, or name one with --log")
    if told is None:
        raise UsageError("serve.feedback is null, so that no labels come: set it to a folder")
    refuse_redacted(spec, settings.log.redact)
    return inside(project, folder), inside(project, told)


class _Counts(NamedTuple):
    """See `Collection`."""

    labelled: int
    before: int = 0
    known: int = 0


def _pull(project: Project, spec: AnySpec) -> None:
    """Get the data of a fresh clone."""
    if not (project.root / spec.path).exists() and (project.root / "data.dvc").exists():
        dvc(project.root, "pull", "--quiet", "data.dvc")


def _new(project: Project, config: Config, found: Window) -> tuple[pa.Table, _Counts]:
    """The records that tell something new, with their sides, and how many of the others there are."""
    spec = config.data
    if isinstance(spec, SeriesSpec) and spec.problem == "forecasting":
        from lightloop.collection.steps import new_steps

        steps, labelled = new_steps(found, spec, project.root)
        return steps, _Counts(labelled)
    there = collected_path(spec, project.root).exists()
    taken = read_keys(spec, project.root).column(ID).to_pylist() if there else []
    asked = labelled_rows(found, spec, [])
    fresh = candidates(found, spec, project.root, taken)
    new = _unknown(project, config, fresh)
    return new, _Counts(len(asked), len(asked) - len(fresh), len(fresh) - len(new))


def _unknown(project: Project, config: Config, fresh: pa.Table) -> pa.Table:
    spec = config.data
    if not len(fresh):
        return fresh.append_column(SPLIT, pa.array([], pa.string()))
    keys_N, labels_N = content_keys(fresh, spec.features), content_keys(fresh, [spec.target])
    sides, seen = known_contents(project, spec, config.seed)
    share = compose_config(project).monitor.collect.test_share
    chosen = chosen_sides(fresh, spec, share, keys_N, sides)
    # The latest of those that were asked again counts: what was true of it then is the newest truth.
    latest = {key: row for row, key in enumerate(keys_N.tolist())}
    rows = [row for row in sorted(latest.values()) if (int(keys_N[row]), int(labels_N[row])) not in seen]
    return fresh.append_column(SPLIT, pa.array(chosen, pa.string())).take(pa.array(rows, pa.int64()))


def known_contents(project: Project, spec: AnySpec, seed: int) -> tuple[dict[int, Side], set[tuple[int, int]]]:
    """The side of each content that the data set has, and which contents hold under which labels; both as numbers of
    `monitoring.content.content_keys`. What no longer holds may come again, to the side where it was.
    """
    sides: dict[int, Side] = {}
    seen: set[tuple[int, int]] = set()
    names = [OUR_NAMES.get(spec.modality, name) for name in spec.features]
    for side, table in read_splits(spec, project.root, seed, whole=True).items():
        for key in np.unique(content_keys(table, names)).tolist():
            sides.setdefault(key, side)
    for table in read_splits(spec, project.root, seed).values():
        keys: Keys = content_keys(table, names)
        labels: Keys = content_keys(table, ["label"])
        seen.update(zip(keys.tolist(), labels.tolist(), strict=True))
    return sides, seen


def label_counts(new: pa.Table, spec: AnySpec) -> dict[str, int]:
    """How many records each label has; empty where numbers are predicted."""
    if spec.problem != "classification":
        return {}
    return {str(label): count for label, count in sorted(Counter(new.column(spec.target).to_pylist()).items())}


def write_collected(project: Project, path: Path, table: pa.Table) -> str | None:
    """Write the file and let DVC record it: in git `data.dvc` has changed. Where that fails, all is as it was.

    Returns:
        The new version of the data.
    """
    staged = project.scratch / "collecting" / path.name
    staged.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, staged)
    try:
        return apply(project, [Move(staged, path)])
    finally:
        staged.unlink(missing_ok=True)
