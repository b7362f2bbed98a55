"""gate: hold the challenger against the thresholds and against what stands in production; write the verdict."""

import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.evaluation.evidence import read_predictions
from lightloop.evaluation.problem import Problem, problem_of
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release.champion import identity
from lightloop.release.gate import Champion, Evidence, judge
from lightloop.release.history import Release, production
from lightloop.serving.manifest import read_manifest, verify_bundle
from lightloop.serving.predictor import Predictor


def gate(config: Config, project: Project, *, fail: bool = True) -> None:
    """Write `artifacts/gate.json`: the verdict, the champion it was reached against, every check with its figures.

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
    predictions = read_predictions(project.predictions)
    evidence = Evidence(
        validation=read_json(project.validation_result),
        parity=read_json(project.parity),
        metrics=read_json(project.metrics),
        explanation=read_json(project.explanation_result),
        challenger=problem.scorer(predictions, problem.written(predictions, "model")),
        baseline=problem.scorer(predictions, problem.written(predictions, "baseline")),
        champion=_ask_champion(config, project, problem, release, predictions) if release else None,
    )
    verdict = judge(config.gate, evidence, seed=config.seed)

    write_json(
        project.gate,
        {
            "verdict": verdict.word,
            "champion": identity(release) if release else None,
            "bundle_digest": digest,
            "checks": verdict.as_json(),
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


def _ask_champion(
    config: Config, project: Project, problem: Problem, release: Release, predictions: pa.Table
) -> Champion:
    """The champion's answers for the very records that the challenger was evaluated on."""
    test = read_splits(config.data, project.root, config.seed)["test"]
    questions = problem.questions(config, test)
    if not all(questions.column(name).to_pylist() == predictions.column(name).to_pylist() for name in ("id", "label")):
        raise LightloopError(
            f"{project.relative(project.predictions)} is not of the present test records: run `lightloop run`"
        )
    predictor = Predictor.load(project.champion_bundle)
    manifest = predictor.manifest
    if (manifest.modality, manifest.problem) != (config.data.modality, config.data.problem):
        reason = f"it solves {manifest.modality} {manifest.problem}, not {config.data.modality} {config.data.problem}"
        return Champion(release.version, None, reason)
    answers = problem.comparable(manifest.model_dump(), predictor.answers(questions)[problem.answer])
    if isinstance(answers, str):
        return Champion(release.version, None, answers)
    return Champion(release.version, problem.scorer(predictions, answers), "")
