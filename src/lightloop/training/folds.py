"""Folds times seeds: many trainings of one config, each scored on records that it never saw; none of them is tested on.

Shapes: N records.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.data.folds import Fold, draw_folds
from lightloop.data.module import build_data
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.splits import SplitName, read_splits
from lightloop.evaluation.evidence import lists, write_table
from lightloop.evaluation.problem import problem_of
from lightloop.files import read_json, replacing, write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model
from lightloop.training.comparison import scores_by_division, summarise
from lightloop.training.ensemble import HELD_OUT, MEMBERS, member_file, single
from lightloop.training.fit import start_over
from lightloop.training.member import fingerprint
from lightloop.training.semi import lowest_loss, train_semi

CONFIDENCE = 0.95
# Groups of the config that do not decide what a member becomes.
NOT_OF_A_MEMBER = ("name", "tracking", "explain", "gate", "audit", "calibration", "decision", "uncertainty")


@dataclass(frozen=True)
class Trained:
    """What came of folds and seeds.

    Attributes:
        content: of `artifacts/folds/result.json`.
        members: its rows with the `history` and `summary` of each training.
        checkpoints: by (fold, seed).
        held_out: a row a held-out record and seed, of classifiers: `seed`, `id`, `label`, `probabilities`; else None.
    """

    content: dict[str, Any]
    members: list[dict[str, Any]]
    checkpoints: dict[tuple[int, int], Path]
    held_out: pa.Table | None


def train_folds(config: Config, project: Project, *, scratch: Path, quiet: bool = False) -> Trained:
    """Train and score `config.folds` times `config.seeds` members.

    Each member is trained on the records outside of its fold, of which a share chooses its checkpoint; its fold is
    scored on alone. Each seed draws other folds where the split policy leaves something to draw, and decides weights
    and order. The test split is not looked at.

    Args:
        config: of the run.
        project: where the data lie.
        scratch: members are kept there, and those that it holds are not trained again; the caller removes it.
        quiet: no line an epoch.

    Raises:
        RefusedError: the records can't be divided so.
        LightloopError: as `train_member`.
    """
    spec = config.data
    splits = read_splits(spec, project.root, config.seed)
    pool = pa.concat_tables([splits["train"], splits["validation"]])
    if spec.split.validation == "predefined":
        pool = splits["train"]
    shared = _shared_preprocessor(config, project, splits) if config.ensemble.name != "none" else None
    rows: list[dict[str, Any]] = []
    checkpoints: dict[tuple[int, int], Path] = {}
    answers: list[pa.Table] = []
    drawn = [draw_folds(pool, spec, config.folds, config.seed + number) for number in range(config.seeds)]
    total = config.folds * config.seeds
    for fold_number in range(config.folds):
        for seed_number in range(config.seeds):
            fold = drawn[seed_number][fold_number]
            member = single(config, config.seed + seed_number)
            name = _name(member, project, fold, shared=shared is not None)
            row, checkpoint, answer = _member(
                member, project, pool, fold, scratch / name, shared=shared, lines=not quiet and total == 1
            )
            row = {"fold": fold_number, "seed": seed_number, **row}
            rows.append(row)
            checkpoints[fold_number, seed_number] = checkpoint
            answers += [answer.append_column("seed", pa.array([seed_number] * len(answer)))] if answer else []
            if not quiet:
                score = row["metrics"].get(config.gate.metric)
                shown = "undefined" if score is None else f"{score:.4f}"
                print(
                    f"  member {len(rows)}/{total} (fold {fold_number + 1}, seed {seed_number + 1}): "
                    f"held-out {config.gate.metric} {shown}",
                    flush=True,
                )
    content = _content(config, rows, drawn=drawn[0][0].drawn)
    return Trained(content, rows, checkpoints, pa.concat_tables(answers) if answers else None)


def family(project: Project) -> Path:
    """Where members are kept between an interrupted run and the next."""
    return project.scratch / "members"


def write_folds(trained: Trained, config: Config, project: Project) -> None:
    """Write `artifacts/folds/`: the result, and the members where they are to be released."""
    with replacing(project.members) as folder:
        folder.mkdir()
        if config.ensemble.name != "none":
            for (fold, seed), checkpoint in trained.checkpoints.items():
                shutil.copyfile(checkpoint, folder / member_file(fold, seed))
            write_json(folder / MEMBERS, trained.members)
            if trained.held_out is not None:
                write_table(folder / HELD_OUT, trained.held_out)
    write_json(project.folds_result, trained.content)


def forget_others(trained: Trained, scratch: Path) -> None:
    """Remove kept members that are not of this family."""
    kept = {checkpoint.parent.name for checkpoint in trained.checkpoints.values()}
    kept |= {checkpoint.parent.parent.name for checkpoint in trained.checkpoints.values()}
    for folder in scratch.iterdir():
        if folder.name not in kept:
            start_over(folder)


def _member(
    config: Config,
    project: Project,
    pool: pa.Table,
    fold: Fold,
    scratch: Path,
    *,
    shared: Preprocessor | None,
    lines: bool,
) -> tuple[dict[str, Any], Path, pa.Table | None]:
    """Train one member and score it on its fold: its row of the result, its checkpoint, its answers."""
    held_out = pool.take(fold.held_out)
    tables: dict[SplitName, pa.Table] = {
        "train": pool.take(fold.train),
        "validation": pool.take(fold.validation),
        "test": held_out,
    }
    member = train_semi(config, project, scratch=scratch, tables=tables, preprocessor=shared, lines=lines)
    scored = scratch / "scored.json"
    problem = problem_of(config.data)
    answers = None
    if not scored.exists() or config.data.problem == "classification":
        values_NM = problem.checked(load_model(member.checkpoint).answers(held_out), "a member")
        scorer = problem.scorer(held_out, values_NM)
        ones = np.ones((1, scorer.records), dtype=np.int32)
        found = {name: float(values[0]) for name, values in scorer.scores(ones).items()}
        write_json(scored, {name: None if np.isnan(value) else value for name, value in found.items()})
        if config.data.problem == "classification":
            answers = pa.table({"id": held_out["id"], "label": held_out["label"], "probabilities": lists(values_NM)})
    row = {
        "records": {name: len(table) for name, table in tables.items() if name != "test"} | {"held_out": len(held_out)},
        "held_out": _digest(held_out),
        "validation_loss": lowest_loss(member),
        "metrics": read_json(scored),
        "history": member.history,
        "summary": member.summary,
    }
    return row, member.checkpoint, answers


def _content(config: Config, rows: Sequence[Mapping[str, Any]], *, drawn: bool) -> dict[str, Any]:
    alike = not drawn and config.folds == 1
    ratio = 0.0 if alike else held_out_ratio(rows)
    metrics = {
        name: asdict(summarise(scores_by_division(rows, name, drawn=drawn), ratio, confidence=CONFIDENCE))
        for name in rows[0]["metrics"]
    }
    return {
        "folds": config.folds,
        "seeds": config.seeds,
        "policy": config.data.split.policy,
        "drawn": drawn,
        "ratio": ratio,
        "confidence": CONFIDENCE,
        "method": _method(config, drawn=drawn, alike=alike),
        "metrics": metrics,
        "members": [{key: value for key, value in row.items() if key not in ("history", "summary")} for row in rows],
    }


def held_out_ratio(rows: Sequence[Mapping[str, Any]]) -> float:
    """Held-out records a record that a member was trained or chosen on, mean over members."""
    parts = [row["records"] for row in rows]
    return float(np.mean([part["held_out"] / (part["train"] + part["validation"]) for part in parts]))


def _method(config: Config, *, drawn: bool, alike: bool) -> str:
    if alike:
        return "Student t over the seeds on the same held-out records: it says how much training itself varies, no more"
    each = "each member" if drawn or config.seeds == 1 else "each fold, mean over its seeds"
    return (
        f"Student t over {each}, with the variance corrected for training records that overlap (Nadeau & Bengio 2003)"
    )


def _shared_preprocessor(config: Config, project: Project, splits: Mapping[Any, pa.Table]) -> Preprocessor:
    data = build_data(config, project.root)
    data.given(splits, None)
    data.setup()
    return data.preprocessor


def _name(config: Config, project: Project, fold: Fold, *, shared: bool) -> str:
    """Names a member by all that decides it, which its name, and how it is judged, explained and logged do not."""
    rows = hashlib.sha256(b"".join(part.tobytes() for part in (fold.train, fold.validation, fold.held_out)))
    return fingerprint(config, project, shared, rows.hexdigest(), leave_out=NOT_OF_A_MEMBER)


def _digest(table: pa.Table) -> str:
    """Stands for the records of a table, so that two results can be seen to be of the same ones."""
    return hashlib.sha256("\n".join(sorted(table.column("id").to_pylist())).encode()).hexdigest()[:16]
