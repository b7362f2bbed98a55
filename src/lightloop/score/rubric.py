"""The 28 tests, as the paper names them, and what in this project does each.

Source: Breck, Cai, Nielsen, Salib and Sculley 2017, "The ML Test Score: A Rubric for ML Production Readiness and
Technical Debt Reduction", IEEE Big Data, doi:10.1109/BigData.2017.8258038, tables I to IV.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lightloop.score import data, infrastructure, model, monitoring
from lightloop.score.clone import Clone
from lightloop.score.outcome import Outcome

SECTIONS = {
    "data": "Features and data",
    "model": "Model development",
    "infrastructure": "Infrastructure",
    "monitoring": "Monitoring",
}


@dataclass(frozen=True)
class Rubric:
    """One of the 28.

    Attributes:
        id: section and number, such as data-1.
        title: the paper's.
        check: what in this project does it, by itself, for docs.
        evidence: files that `lightloop score` looks at.
        look: whether it holds in a clone.
    """

    id: str
    title: str
    check: str
    evidence: str
    look: Callable[[Clone], Outcome]

    @property
    def section(self) -> str:
        return self.id.partition("-")[0]


RUBRIC: tuple[Rubric, ...] = (
    Rubric(
        "data-1",
        "Feature expectations are captured in a schema",
        "The stage `validate` holds every record against the committed Great Expectations suite; the training"
        " depends on it.",
        "`configs/expectations/`, `dvc.yaml`, `artifacts/validation/result.json`",
        data.schema,
    ),
    Rubric(
        "data-2",
        "All features are beneficial",
        "The stage `explain` measures what each feature contributes, with intervals, by methods that passed "
        "their checks; one that contributes nothing fails.",
        "`artifacts/explanation/global.json`",
        data.beneficial,
    ),
    Rubric(
        "data-3",
        "No feature's cost is too much",
        "The gate bounds the milliseconds of an answer and the megabytes of the bundle.",
        "`artifacts/gate.json` (latency, size)",
        data.cost,
    ),
    Rubric(
        "data-4",
        "Features adhere to meta-level requirements",
        "Each column has a role, each that is not read a reason; sensitive columns can't be features; the "
        "data check refuses a feature that gives the target away.",
        "`params.yaml`, `artifacts/validation/result.json`",
        data.meta,
    ),
    Rubric(
        "data-5",
        "The data pipeline has appropriate privacy controls",
        "The log of the service leaves out sensitive and redacted columns and forgets after some days; each "
        "push is searched for secrets.",
        "`configs/serve/default.yaml`, `.dvc/config`, `.gitignore`, `security.yml`",
        data.privacy,
    ),
    Rubric(
        "data-6",
        "New features can be added quickly",
        "A feature is a line of the data spec; a test adds one and trains, exports and asks with it; no code "
        "names a column.",
        "`configs/data/`, `src/`, `tests/data/test_new_feature.py`",
        data.quickly,
    ),
    Rubric(
        "data-7",
        "All input feature code is tested",
        "`make test` runs on each push; each module of the modality's preparation is reached by a test.",
        "`src/lightloop/data/`, `tests/`, `ci.yml`",
        data.feature_code,
    ),
    Rubric(
        "model-1",
        "Every model specification undergoes a code review and is checked in to a repository",
        "Config, parameters and pipeline are in git, a version is a tag on their commit, and a retraining "
        "opens a pull request.",
        "git, the registry, `retrain.yml`",
        model.reviewed,
    ),
    Rubric(
        "model-2",
        "Offline proxy metrics correlate with actual online metrics",
        "`lightloop monitor` joins feedback to the log and holds the metric of production against the held-out one.",
        "`reports/monitoring.json` (performance)",
        model.online,
    ),
    Rubric(
        "model-3",
        "All hyperparameters have been tuned",
        "`lightloop sweep` searches a committed space; an experiment says how its settings were chosen.",
        "`configs/sweep/`, `configs/experiment/`",
        model.tuned,
    ),
    Rubric(
        "model-4",
        "The impact of model staleness is known",
        "The audit trains models of several ages where the data have a time; else the gate holds the "
        "champion, trained earlier, against today's records.",
        "`artifacts/audit/staleness.json`, `artifacts/comparison.json`, `retrain.yml`",
        model.stale,
    ),
    Rubric(
        "model-5",
        "A simpler model is not better",
        "The first release must be better than the baseline, with an interval; each later one is compared with it too.",
        "`artifacts/gate.json` (baseline), `artifacts/evaluation/metrics.json`",
        model.simple,
    ),
    Rubric(
        "model-6",
        "Model quality is sufficient on important data slices",
        "Named slices and those that an error tree finds are measured with intervals.",
        "`artifacts/evaluation/slices.json`, `artifacts/gate.json`",
        model.sliced,
    ),
    Rubric(
        "model-7",
        "The model is tested for considerations of inclusion",
        "Gaps between the groups of sensitive columns are measured with intervals, and the gate compares them"
        " with the champion's; without such a column a person says why.",
        "`artifacts/evaluation/fairness.json`, `artifacts/gate.json`, `configs/card/`",
        model.inclusion,
    ),
    Rubric(
        "infrastructure-1",
        "Training is reproducible",
        "Seeds, pinned packages and hashes of code, data and results; a test runs the loop twice and compares bytes.",
        "`dvc.lock`, `requirements.lock`, `tests/`, `ci.yml`",
        infrastructure.reproducible,
    ),
    Rubric(
        "infrastructure-2",
        "Model specs are unit tested",
        "Every network is built, trained a step, exported and compared.",
        "`tests/networks/`, `tests/training/`, `ci.yml`",
        infrastructure.unit,
    ),
    Rubric(
        "infrastructure-3",
        "The full ML pipeline is integration tested",
        "Each push runs the loop and the rehearsal of the workflows.",
        "`ci.yml`, `tests/test_loop.py`",
        infrastructure.integrated,
    ),
    Rubric(
        "infrastructure-4",
        "Model quality is validated before attempting to serve it",
        "The gate judges the very bundle that is served; `promote.yml` judges again, against the champion of "
        "that moment.",
        "`artifacts/gate.json`, the registry, `promote.yml`",
        infrastructure.gated,
    ),
    Rubric(
        "infrastructure-5",
        "The model allows debugging by observing the step-by-step computation of training or inference on a "
        "single example",
        "Answers are explained one by one, in the report and by the service; debug configs step through a training.",
        "`artifacts/explanation/result.json`, the bundle, `configs/debug/`",
        infrastructure.debugged,
    ),
    Rubric(
        "infrastructure-6",
        "Models are tested via a canary process before they enter production serving environments",
        "A release repeats its golden answers before it is ready, then answers a share of the requests before all.",
        "the bundle, `deploy.yml`, `tests/service/test_slots.py`",
        infrastructure.canaried,
    ),
    Rubric(
        "infrastructure-7",
        "Models can be quickly and safely rolled back to a previous serving version",
        "A failed deployment gives the stage back; `lightloop rollback` and the monitoring do as well.",
        "`deploy.yml`, `monitor.yml`, the registry",
        infrastructure.rolled_back,
    ),
    Rubric(
        "monitoring-1",
        "Dependency changes result in notification",
        "Dependabot, and all tests every night on the newest packages; a failure opens an issue.",
        "`dependabot.yml`, `nightly.yml`",
        monitoring.dependencies,
    ),
    Rubric(
        "monitoring-2",
        "Data invariants hold in training and serving inputs",
        "`lightloop monitor` holds what was asked against the bundle's schema and the suite of the training data.",
        "`reports/monitoring.json` (schema, suite), `monitor.yml`",
        monitoring.invariants,
    ),
    Rubric(
        "monitoring-3",
        "Training and serving features compute the same values",
        "The preparation is in the served graph; export compares it with the network, and a service repeats "
        "golden answers before it is ready.",
        "`artifacts/parity.json`, `artifacts/gate.json`, the bundle",
        monitoring.skew,
    ),
    Rubric(
        "monitoring-4",
        "Models are not too stale",
        "`lightloop monitor` looks at the age of the release.",
        "`reports/monitoring.json` (staleness), `monitor.yml`",
        monitoring.fresh,
    ),
    Rubric(
        "monitoring-5",
        "The model is numerically stable",
        "A NaN or an infinity stops a training; the gate refuses a graph whose answers are not finite.",
        "`artifacts/training/history.json`, `artifacts/parity.json`, `artifacts/gate.json`",
        monitoring.stable,
    ),
    Rubric(
        "monitoring-6",
        "The model has not experienced dramatic or slow-leak regressions in training speed, serving latency, "
        "throughput or RAM usage",
        "Benchmarks run every night beside their history; the gate and the monitoring bound the latency.",
        "`nightly.yml`, `reports/monitoring.json` (latency), `artifacts/gate.json`",
        monitoring.performance,
    ),
    Rubric(
        "monitoring-7",
        "The model has not experienced a regression in prediction quality on served data",
        "`lightloop monitor` measures quality by feedback, or estimates it from calibrated confidence.",
        "`reports/monitoring.json` (performance, estimated_performance), `monitor.yml`",
        monitoring.quality,
    ),
)
