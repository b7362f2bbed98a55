"""`lightloop data diff`: how the data as they lie differ from a version in git, before they are committed.

Files by their MD5, then, of each data set with other files, columns, records, labels and distributions. The statistics
are those of monitoring: the share of records that would have to be moved, and a test of "there is no difference".
"""

import hashlib
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from lightloop.config.schema import AnySpec
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.quality.modality import read_metadata
from lightloop.quality.relations import RELATIONS
from lightloop.release.repository import dvc, file_at, git_or_none, path_from_top
from lightloop.versions.change import recover
from lightloop.versions.specs import read_spec, spec_names

# Of the metadata: what names a record, and how it stands to others.
NAMES = {"id", "part", "label", "hash", "time", "distance", "steps", "gap", *RELATIONS}
SURE = 0.01  # of "there is no difference", below which one is called so


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Moved(_Frozen):
    """A column, or the label, whose values are distributed otherwise.

    Attributes:
        name: of the column of a table, or of a property of records, such as `characters`; `label` is the target.
        kind: whether it holds numbers or categories.
        moved: share of the records that would have to be moved to undo it.
        p: of "there is no difference".
        missing: share of the records without a value, then and now.
        mean: of numbers, then and now.
        new_values: categories that were not there.
    """

    name: str
    kind: Literal["number", "category"]
    moved: float
    p: float
    missing: tuple[float, float]
    mean: tuple[float, float] | None = None
    new_values: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether it is more than chance."""
        return self.p < SURE or bool(self.new_values) or abs(self.missing[1] - self.missing[0]) > SURE


class SetDifference(_Frozen):
    """One data set, then and now.

    Attributes:
        name: of the data set.
        note: why nothing more is said; empty where all is.
        columns: what changed of columns and types, in sentences.
        records: by part, then and now.
        added, removed: records whose content is new, or gone.
        labels: by label, then and now; empty where numbers are predicted.
        moved: of every column, the largest difference first.
    """

    name: str
    note: str = ""
    columns: tuple[str, ...] = ()
    records: dict[str, tuple[int, int]] = {}
    added: int = 0
    removed: int = 0
    labels: dict[str, tuple[int, int]] = {}
    moved: tuple[Moved, ...] = ()


class Difference(_Frozen):
    """`lightloop data diff --json`.

    Attributes:
        revision: that the data are compared with, and its commit.
        commit: of the revision.
        added, changed, removed: files below `data/`.
        sets: the data sets that these files are of.
    """

    revision: str
    commit: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    sets: tuple[SetDifference, ...]


def diff_data(project: Project, revision: str = "HEAD", *, dataset: str | None = None) -> Difference:
    """Compare the data with those of a revision.

    Args:
        project: with the data.
        revision: of git.
        dataset: one data set; without it all of whose files some differ.

    Raises:
        UsageError: there is no such revision or data set, or it has no data.
        LightloopError: the data of the revision are not in the cache or the DVC remote.
    """
    recover(project)
    commit = git_or_none(project.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit is None:
        raise UsageError(
            f"git knows no revision {revision!r} here: `git log --oneline data.dvc` lists those of the data"
        )
    if file_at(project.root, revision, "data.dvc") is None:
        raise UsageError(f"{revision} has no data.dvc: the data were not versioned then")
    then, now = _files_at(project, revision), _files_now(project)
    added, removed = sorted(set(now) - set(then)), sorted(set(then) - set(now))
    changed = sorted(name for name in set(then) & set(now) if then[name] != now[name])
    names = [dataset] if dataset else spec_names(project.configs)
    sets = []
    for name in names:
        spec = read_spec(project.configs, name)
        folder = f"{spec.path}/"
        if dataset or any(one.startswith(folder) for one in (*added, *changed, *removed)):
            sets.append(_set_difference(project, revision, spec, there=any(one.startswith(folder) for one in then)))
    return Difference(
        revision=revision,
        commit=commit.strip(),
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        sets=tuple(sets),
    )


def _files_at(project: Project, revision: str) -> dict[str, str]:
    """The MD5 of each file below `data/` at a revision."""
    try:
        folder = path_from_top(project.root, "data")
        listed = dvc(project.root, "ls", ".", folder, "--rev", revision, "-R", "--json", "--dvc-only")
    except LightloopError as error:
        raise LightloopError(f"the data of {revision} can't be listed ({error}): see `dvc remote list`") from None
    return {f"data/{one['path']}": str(one["md5"]) for one in json.loads(listed) if not one["isdir"]}


def _files_now(project: Project) -> dict[str, str]:
    found = {}
    for path in sorted((project.root / "data").rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            found[project.relative(path)] = digest.hexdigest()
    return found


def _set_difference(project: Project, revision: str, spec: AnySpec, *, there: bool) -> SetDifference:
    if not there:
        return SetDifference(name=spec.name, note=f"new: {revision} does not have it")
    if not (project.root / spec.path).exists():
        return SetDifference(name=spec.name, note="gone, or not here: `dvc pull data.dvc` gets it")
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / spec.path
        before.parent.mkdir(parents=True, exist_ok=True)
        source = path_from_top(project.root, spec.path)
        dvc(project.root, "get", ".", source, "--rev", revision, "--out", str(before))
        columns = _columns(spec, Path(folder), project.root)
        try:
            old, new = (read_metadata(spec, root) for root in (Path(folder), project.root))
        except LightloopError as error:
            return SetDifference(name=spec.name, note=f"their records can't be compared: {error}", columns=columns)
    return _compare(spec, old, new, columns)


def _compare(spec: AnySpec, old: pd.DataFrame, new: pd.DataFrame, columns: tuple[str, ...]) -> SetDifference:
    parts = list(dict.fromkeys([*old["part"], *new["part"]]))
    contents = [Counter(table["hash"].dropna()) for table in (old, new)] if "hash" in new else [Counter(), Counter()]
    of_classes = spec.problem == "classification"
    labels = sorted({*old["label"].dropna(), *new["label"].dropna()}) if of_classes else []
    names = [name for name in new.columns if name not in NAMES and name in old.columns]
    target = [] if spec.problem == "generation" else ["label"]
    moved = [one for name in [*target, *names] if (one := _moved(name, old[name], new[name])) is not None]
    return SetDifference(
        name=spec.name,
        columns=columns,
        records={str(part): (int((old["part"] == part).sum()), int((new["part"] == part).sum())) for part in parts},
        added=(contents[1] - contents[0]).total() if "hash" in new else max(0, len(new) - len(old)),
        removed=(contents[0] - contents[1]).total() if "hash" in new else max(0, len(old) - len(new)),
        labels={name: (int((old["label"] == name).sum()), int((new["label"] == name).sum())) for name in labels},
        moved=tuple(sorted(moved, key=lambda one: (one.name != "label", -one.moved, one.name))),
    )


def _moved(name: str, old: pd.Series, new: pd.Series) -> Moved | None:
    """How far a column moved; None where nothing can be said."""
    from lightloop.monitoring.features import category_drift, number_drift
    from lightloop.release.profile import column_of

    missing = (float(old.isna().mean()), float(new.isna().mean()))
    if old.isna().all() or new.isna().all():
        return None
    if pd.api.types.is_numeric_dtype(new) and not pd.api.types.is_bool_dtype(new):
        then_N, now_N = (one.to_numpy(dtype=np.float64, na_value=np.nan) for one in (old, new))
        drift = number_drift(now_N, column_of(name, then_N))
        means = (float(np.nanmean(then_N)), float(np.nanmean(now_N)))
        return Moved(name=name, kind="number", moved=drift["moved"], p=drift["p"], missing=missing, mean=means)
    then, now = (pa.chunked_array([pa.array(_texts(one), pa.string())]) for one in (old, new))
    drift = category_drift(now, column_of(name, then))
    unseen = sorted({*now.to_pylist()} - {*then.to_pylist(), None})
    return Moved(
        name=name, kind="category", moved=drift["moved"], p=drift["p"], missing=missing, new_values=tuple(unseen)
    )


def _texts(values: pd.Series) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in values]


def _columns(spec: AnySpec, before: Path, now: Path) -> tuple[str, ...]:
    """What changed of the columns and types of the files that are not folders."""
    said: list[str] = []
    for file in spec.files.values():
        old, new = (_types(root / spec.path / file) for root in (before, now))
        if old is None or new is None:
            continue
        said += [f"{file}: the column {name!r} is new ({new[name]})" for name in new if name not in old]
        said += [f"{file}: the column {name!r} is gone" for name in old if name not in new]
        said += [
            f"{file}: the column {name!r} holds {new[name]}, and held {old[name]}"
            for name in new
            if name in old and new[name] != old[name]
        ]
    return tuple(said)


def _types(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        schema = pq.read_schema(path) if path.suffix.lower() != ".csv" else pc.open_csv(path).schema
    except (pa.ArrowException, OSError):
        return None
    return {field.name: str(field.type) for field in schema}
