"""`lightloop adopt`: somebody's data become a data set of the project, with an experiment that trains on them.

source -> guess -> questions -> data in a folder -> configs -> expectations -> smoke fit -> all of it into its place

Everything is made in a copy of the configs in the scratch folder, and tried there. The project changes at the very end,
by renames (`versions.change`), so that whatever fails before leaves nothing behind.
"""

import os
import re
import shutil
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console

from lightloop.adoption.configs import DataSet, card_yaml, data_yaml, experiment_yaml
from lightloop.adoption.guess import make_guess
from lightloop.adoption.model import Finding, Guess, Source
from lightloop.adoption.placing import Placed, place
from lightloop.adoption.profile import forget_values
from lightloop.adoption.settings import Facts, choose, window_and_horizon
from lightloop.adoption.shown import ask, show_findings, show_guess, show_smoke
from lightloop.adoption.source import forget_tables, open_source, without_role
from lightloop.adoption.warnings import find_warnings
from lightloop.config.compose import compose_config
from lightloop.config.schema import AnySpec
from lightloop.data.splits import class_codes, read_splits
from lightloop.errors import UsageError
from lightloop.files import alive, write_json, write_text
from lightloop.project import Project
from lightloop.release.repository import some
from lightloop.versions.change import Move, apply, recover, require_whole
from lightloop.versions.specs import read_spec

NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
# Words that Hydra or a group of the configs takes for something else.
TAKEN = {"null", "none", "true", "false", "default", "data", "nan", "yes", "no", "on", "off"}
SEED = 42


@dataclass(frozen=True)
class Wish:
    """What a person asked for.

    Attributes:
        paths: what to adopt, each maybe with a role before it: `train=a.csv`.
        target: the column that is predicted; None lets it be guessed.
        name: of the data set; None takes it from the path.
        table: of a workbook or database.
        yes: take every guess.
        force: replace what has the name.
        fit: whether to fit at the end.
    """

    paths: Sequence[str]
    target: str | None = None
    name: str | None = None
    table: str | None = None
    yes: bool = False
    force: bool = False
    fit: bool = True


@dataclass(frozen=True)
class Adopted:
    """What came of it: files that were written, and the version of the data."""

    name: str
    files: tuple[str, ...]
    data_version: str | None


def adopt(project: Project, wish: Wish, out: Console, *, terminal: bool) -> Adopted:
    """Adopt a data set; the project is changed at the end, as a whole, or not at all.

    Args:
        project: that takes it.
        wish: what was asked for.
        out: where guesses, questions and scores go.
        terminal: whether a person is there to be asked.

    Raises:
        UsageError: the source, a name or an answer is not usable; or something is open and nobody answers.
        RefusedError: the records are not what the guesses say.
        LightloopError: something failed; the project and the source are as they were.
    """
    begun = time.monotonic()
    recover(project)
    _outside(project, wish.paths)
    source = open_source(list(wish.paths), table=wish.table)
    name = _name(project, wish)
    guess = make_guess(source, target=wish.target)
    findings = find_warnings(source, guess)
    show_guess(out, guess)
    show_findings(out, findings)
    asked = guess
    guess = ask(
        out,
        guess,
        lambda answers: make_guess(source, target=answers.get("target", wish.target), answers=answers),
        yes=wish.yes,
        terminal=terminal,
    )
    if guess is not asked:
        findings = find_warnings(source, guess)
        show_guess(out, guess)
        show_findings(out, findings)
    require_whole(project)
    with _workshop(project, name) as shadow:
        prepared = _prepare(shadow, _Task(project, source, guess, findings, name, out))
        if wish.fit:
            _fit(shadow, name, out, begun)
        moves = [Move(shadow.root / one, project.root / one) for one in prepared.files]
        version = apply(project, moves)
    _say(out, name, prepared, version)
    return Adopted(name, tuple(prepared.files), version)


@dataclass(frozen=True)
class _Task:
    project: Project
    source: Source
    guess: Guess
    findings: tuple[Finding, ...]
    name: str
    out: Console


@dataclass(frozen=True)
class _Prepared:
    """Files of the project, relative to it, that are to take their places."""

    files: list[str]
    placed: Placed


def _prepare(shadow: Project, task: _Task) -> _Prepared:
    """Data, configs and suite in the workshop, tried as far as it goes without a fit."""
    name, guess = task.name, task.guess
    corrupt = frozenset(one for finding in task.findings if "corrupt" in finding.kind for one in finding.records)
    # Nothing asks for these again, and what follows takes memory of its own.
    forget_values()
    placed = place(task.project, task.source, guess, shadow.root / "data" / name, corrupt)
    forget_tables()
    left_out = tuple(f"Left out of it: {count:,} {why}." for why, count in sorted(placed.left_out.items()))
    guess = replace(guess, parts=dict(placed.records))
    window, horizon = _window(guess)
    origin = ", ".join(path.name for path in task.source.given)
    dataset = DataSet(name, origin, placed.files, placed.classes, window, horizon, left_out=left_out)
    written = {kind: f"configs/{kind}/{name}.yaml" for kind in ("data", "experiment", "card")}
    suite_file = f"configs/expectations/{name}.json"
    write_text(shadow.root / written["data"], data_yaml(dataset, guess))
    spec = read_spec(shadow.configs, name)

    settings = choose(name, guess, _facts(spec, shadow))
    write_text(shadow.root / written["experiment"], experiment_yaml(name, settings))
    empty = (task.project.configs / "card" / "empty.yaml").read_text(encoding="utf-8")
    write_text(shadow.root / written["card"], card_yaml(name, empty, origin))
    compose_config(shadow, [f"experiment={name}"])

    # Late: Great Expectations takes seconds.
    from lightloop.adoption.suite import adopted_suite

    checked = adopted_suite(spec, shadow.root)
    write_json(shadow.root / suite_file, checked.suite)
    write_text(shadow.root / written["data"], data_yaml(replace(dataset, limit=checked.limit), guess))
    compose_config(shadow, [f"experiment={name}"])

    _say_checked(task.out, checked.loosened, checked.revealing, left_out)
    return _Prepared([f"data/{name}", *written.values(), suite_file], placed)


def _window(guess: Guess) -> tuple[int, int]:
    if guess.problem == "forecasting" and guess.rhythm:
        return window_and_horizon(guess.rhythm.steps, guess.rhythm.season)
    return max(1, guess.length or 1), 1


def _facts(spec: AnySpec, shadow: Project) -> Facts:
    splits = read_splits(spec, shadow.root, SEED)
    train, validation, test = (splits[part] for part in ("train", "validation", "test"))
    if spec.problem == "classification":
        shares = np.bincount(class_codes(train, spec), minlength=len(spec.classes)) / max(1, len(train))
        return Facts(len(train), len(validation), len(test), shares=tuple(shares.tolist()))
    from lightloop.evaluation.numbers import labels_of

    deviation = float(labels_of(train).std())
    naive = _naive(spec, train, validation) if spec.problem == "forecasting" else None
    return Facts(len(train), len(validation), len(test), deviation=deviation, naive=naive)


def _naive(spec: AnySpec, train: object, validation: object) -> float:
    """MASE of the seasonal naive forecast with drift on the validation windows; 1 where it is not defined."""
    import pyarrow as pa

    from lightloop.config.series import SeriesSpec
    from lightloop.evaluation.baselines.series_forecasting import mean_change, seasonal_naive
    from lightloop.evaluation.evidence import matrix

    assert isinstance(train, pa.Table)
    assert isinstance(validation, pa.Table)
    assert isinstance(spec, SeriesSpec)
    season = spec.season if spec.season <= spec.window else 1
    drift = mean_change(matrix(train, "series"), matrix(train, "label"), season)
    forecast_NH = seasonal_naive(matrix(validation, "series"), spec.horizon, season, drift)
    error = float(np.abs(forecast_NH - matrix(validation, "label")).mean())
    scale = float(validation["naive_error"][0].as_py())
    return error / scale if scale > 0 and np.isfinite(error) else 1.0


def _fit(shadow: Project, name: str, out: Console, begun: float) -> None:
    from lightloop.adoption.smoke import smoke_fit

    config = compose_config(shadow, [f"experiment={name}"])
    with out.status("a fit of about a minute"):
        found = smoke_fit(config, shadow, shadow.root / "fit")
    show_smoke(out, found, time.monotonic() - begun)


def _name(project: Project, wish: Wish) -> str:
    """The name of the data set, which must be free.

    Raises:
        UsageError: it is no name, or taken.
    """
    name = wish.name if wish.name is not None else slug(without_role(wish.paths[0]).resolve().stem)
    if not NAME.fullmatch(name) or name in TAKEN:
        raise UsageError(
            f"{name!r} is no name for a data set: give one with --name, of small letters, digits, - and _, such as mine"
        )
    there = [one for one in _places(name) if (project.root / one).exists()]
    if there and not wish.force:
        raise UsageError(
            f"{name!r} is taken ({some(there)}): give another --name, or replace it with --force (what git and DVC "
            "hold stays there)"
        )
    return name


def _places(name: str) -> list[str]:
    return [
        f"data/{name}",
        *(f"configs/{kind}/{name}.yaml" for kind in ("data", "experiment", "card")),
        f"configs/expectations/{name}.json",
    ]


def slug(text: str) -> str:
    """A name made of any text.

    Examples:
        >>> slug("Größe & Preis 2024"), slug("2024 sales"), slug("表")
        ('grosse-preis-2024', 'data-2024-sales', 'mine')
    """
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-")
    if not name or name in TAKEN:
        return "mine"
    return name if name[0].isalpha() else f"data-{name}"


def _outside(project: Project, paths: Sequence[str]) -> None:
    """Refuse what lies where the data set will lie.

    Raises:
        UsageError: a path is below the project's `data/`, or the project itself.
    """
    if not paths:
        raise UsageError("no PATH: say what to adopt, such as `lightloop adopt table.csv`")
    inside = (project.root / "data").resolve()
    for path in paths:
        there = without_role(path).expanduser().resolve()
        if there == inside or inside in there.parents:
            raise UsageError(
                f"{path} lies in the project's data/, which DVC versions as a whole: move it out, and adopt it from "
                "there"
            )
        if there == project.root or there in project.root.parents:
            raise UsageError(f"{path} holds the project itself: give the file or folder of the data alone")


@contextmanager
def _workshop(project: Project, name: str) -> Iterator[Project]:
    """A folder that reads as the project's, with its configs; gone after the block."""
    folder = project.scratch / "adopting"
    for left in folder.glob("*") if folder.exists() else ():
        if not alive(left.name.rpartition(".")[2]):
            shutil.rmtree(left, ignore_errors=True)
    root = folder / f"{name}.{os.getpid()}"
    root.mkdir(parents=True)
    try:
        shutil.copytree(project.configs, root / "configs")
        for one in _places(name):
            if one.startswith("configs/"):
                (root / one).unlink(missing_ok=True)
        yield Project(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _say_checked(out: Console, loosened: Sequence[str], revealing: Sequence[str], left_out: Sequence[str]) -> None:
    for sentence in left_out:
        out.print(f"! {sentence}", style="yellow", markup=False, soft_wrap=True)
    for sentence in loosened:
        out.print(f"! the suite tolerates what is there: {sentence}", style="yellow", markup=False, soft_wrap=True)
    if revealing:
        out.print(
            f"! alone enough to tell the target, and taken for honest: {some(list(revealing))}. Is that known before "
            "the answer, and no trace of how the records were collected? See leakage_limit in configs/data/",
            style="bold yellow",
            markup=False,
            soft_wrap=True,
        )


def _say(out: Console, name: str, prepared: _Prepared, version: str | None) -> None:
    placed = prepared.placed
    how = [
        f"{count:,} {word}"
        for count, word in (
            (placed.linked, "linked"),
            (placed.copied, "copied"),
            (placed.written, "written as Parquet"),
        )
        if count
    ]
    lines = [
        f"data/{name}: {' and '.join(how)}; the source is as it was. data.dvc is at {(version or 'none')[:12]}.",
        f"written: {', '.join(one for one in prepared.files if one.startswith('configs/'))}",
        "",
        "next:",
        f"  lightloop run experiment={name}    # the whole loop: check, train, judge, explain, report",
        f"  git add data.dvc configs && git commit -m 'Adopt {name}' && dvc push data.dvc",
        f"and say in configs/card/{name}.yaml what only you know of the data; docs/adopt.md has more",
    ]
    out.print("\n".join(lines), soft_wrap=True, markup=False)
