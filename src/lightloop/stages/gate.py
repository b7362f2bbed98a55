"""gate: hold the challenger against the thresholds and against what stands in production; write the verdict."""

import numpy as np
import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.data.records import decode_images, label_codes
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.evaluation.evidence import read_predictions
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release.champion import identity
from lightloop.release.gate import Champion, Evidence, Probabilities, judge
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
    classes = read_manifest(project.bundle).classes
    predictions = read_predictions(project.predictions)
    evidence = Evidence(
        validation=read_json(project.validation_result),
        parity=read_json(project.parity),
        metrics=read_json(project.metrics),
        explanation=read_json(project.explanation_result),
        classes=classes,
        labels_N=label_codes(predictions.column("label").to_pylist(), classes),
        challenger_NK=_matrix(predictions, "probabilities"),
        baseline_NK=_matrix(predictions, "baseline_probabilities"),
        champion=_ask_champion(config, project, release, predictions) if release else None,
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


def _ask_champion(config: Config, project: Project, release: Release, predictions: pa.Table) -> Champion:
    """The champion's answers for the very records that the challenger was evaluated on."""
    test = read_splits(config.data, project.root, config.seed)["test"]
    if not all(test.column(name).to_pylist() == predictions.column(name).to_pylist() for name in ("id", "label")):
        raise LightloopError(
            f"{project.relative(project.predictions)} is not of the present test records: run `lightloop run`"
        )
    predictor = Predictor.load(project.champion_bundle)
    schema = predictor.manifest.input
    pixels_NCHW = decode_images(test.column("image").to_pylist(), schema.size, schema.channels)
    return Champion(release.version, predictor.classes, predictor.probabilities(pixels_NCHW))


def _matrix(table: pa.Table, column: str) -> Probabilities:
    """A column of lists as (N, K)."""
    return np.array(table.column(column).to_pylist(), dtype=np.float64)
