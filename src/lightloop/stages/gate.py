"""gate: hold the challenger against the thresholds and against what stands in production; write the verdict."""

from typing import Any

import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.evaluation.evidence import decided_by, decision_of, read_predictions
from lightloop.evaluation.problem import Problem, problem_of
from lightloop.files import file_size, read_json, read_json_or, write_json
from lightloop.project import Project
from lightloop.release.against import Side, comparison_content
from lightloop.release.champion import identity
from lightloop.release.checks import Service, is_compressed
from lightloop.release.gate import Champion, Evidence, judge
from lightloop.release.history import Release, production
from lightloop.serving.manifest import read_manifest, verify_bundle
from lightloop.serving.measure import milliseconds_per_record
from lightloop.serving.predictor import Predictor
from lightloop.training.comparison import compare_folds


def gate(config: Config, project: Project, *, fail: bool = True) -> None:
    """Write `artifacts/gate.json`: the verdict, the champion it was reached against, every check with its figures.

    Beside it `artifacts/comparison.json`: challenger and champion on the same records, which checks rest on.

    Args:
        config: of the run.
        project: where to read and write.
        fail: raise when the challenger is refused; without it the written verdict is the only answer.

    Raises:
        RefusedError: the challenger is refused, and `fail` is set.
        UsageError: not a whole clone, so that the registry can't be read; or production changed since `lightloop run`
            asked; or the config names an unknown metric.
        LightloopError: evidence or the champion's bundle is missing or damaged.
    """
    release = production(project)
    _refuse_stale(project, release)

    digest = verify_bundle(project.bundle)
    read_manifest(project.bundle)  # of a format that is known
    problem = problem_of(config.data)
    compression = read_json(project.compression)
    compressed = is_compressed(compression)
    # What a smaller bundle answers is other than what the network answered.
    evaluated = project.released() if compressed else project
    predictions = read_predictions(evaluated.predictions)
    questions = _questions(config, project, problem, predictions)
    champion: Champion | None = None
    comparison: dict[str, Any] = {"applies": False, "why": "Nothing stands in production."}
    if release:
        champion, comparison = _against(config, project, release.version, predictions, questions)
    write_json(project.comparison, comparison)
    evidence = Evidence(
        validation=read_json(project.validation_result),
        parity=read_json(project.parity),
        metrics=read_json(evaluated.metrics),
        explanation=read_json(project.explanation_result),
        challenger=problem.scorer(predictions, problem.written(predictions, "model")),
        baseline=problem.scorer(
            decided_by(predictions, decision_of(predictions).of_others()), problem.written(predictions, "baseline")
        ),
        champion=champion,
        comparison=comparison,
        slices=read_json(evaluated.slices),
        compression=compression,
        service=Service(milliseconds_per_record(Predictor.load(project.bundle), questions), file_size(project.bundle)),
    )
    verdict = judge(config.gate, evidence, seed=config.seed)

    write_json(
        project.gate,
        {
            "verdict": verdict.word,
            "champion": identity(release) if release else None,
            "bundle_digest": digest,
            "checks": verdict.as_json(),
            # Those of the network lie in git; those of what is released in its place only here.
            **({"metrics": read_json(evaluated.metrics)["metrics"]} if compressed else {}),
        },
    )
    if fail and not verdict.accepted:
        count = f"{len(verdict.failed)} of {len(verdict.checks)} checks failed"
        raise RefusedError(f"the gate refuses the challenger ({count}): {verdict.failed[0].message}")


def _refuse_stale(project: Project, release: Release | None) -> None:
    """Refuse when `champion.json` is not what the registry says now: the comparison would be with another model."""
    fetched = read_json(project.champion)
    if fetched != identity(release):
        stands = release.version if release else "nothing"
        raise UsageError(
            f"{stands} stands in production, but {project.relative(project.champion)} says "
            f"{fetched.get('version') or 'nothing'}: run `lightloop run`, which asks the registry first"
        )


def _questions(config: Config, project: Project, problem: Problem, predictions: pa.Table) -> pa.Table:
    """The very records that the challenger was evaluated on."""
    test = read_splits(config.data, project.root, config.seed)["test"]
    questions = problem.questions(config, test)
    if not all(questions.column(name).to_pylist() == predictions.column(name).to_pylist() for name in ("id", "label")):
        raise LightloopError(
            f"{project.relative(project.predictions)} is not of the present test records: run `lightloop run`"
        )
    return questions


def _against(
    config: Config, project: Project, version: str, predictions: pa.Table, questions: pa.Table
) -> tuple[Champion, dict[str, Any]]:
    """The champion, and what comparison.json says of the two."""
    problem = problem_of(config.data)
    answered = _ask_champion(config, project, problem, predictions, questions)
    if isinstance(answered, str):
        return Champion(version, None, answered), {"applies": False, "why": answered}
    challenger = Side(predictions, problem.written(predictions, "model"))
    comparison = comparison_content(config, problem, version, challenger, answered)
    comparison["folds"] = _folds(config, project)
    return Champion(version, problem.scorer(answered.table, answered.answers_NM), ""), comparison


def _ask_champion(
    config: Config, project: Project, problem: Problem, predictions: pa.Table, questions: pa.Table
) -> Side | str:
    """The champion's answers, or why they can't be compared with."""
    predictor = Predictor.load(project.champion_bundle)
    manifest = predictor.manifest
    if (manifest.modality, manifest.problem) != (config.data.modality, config.data.problem):
        return f"it solves {manifest.modality} {manifest.problem}, not {config.data.modality} {config.data.problem}"
    answers = problem.comparable(manifest.model_dump(), predictor.answers(questions)[problem.answer])
    if isinstance(answers, str):
        return answers
    # Each model is judged by what it says itself.
    rule = manifest.rules.decision
    if manifest.classes:
        rule = rule.reordered(manifest.classes, config.data.classes)
    return Side(decided_by(predictions, rule), answers)


def _folds(config: Config, project: Project) -> dict[str, Any]:
    """The corrected resampled t-test, where both were trained on the same folds: it also knows how training varies."""
    ours, theirs = (read_json_or(path, {"members": []}) for path in (project.folds_result, project.champion_folds))
    if not (ours["members"] and theirs["members"]):
        return {"applies": False, "why": "Not both of the two were trained on folds."}
    return compare_folds(ours, theirs, config.gate.metric, config.gate.confidence)
