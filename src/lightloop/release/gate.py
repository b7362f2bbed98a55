"""The gate's rule: from evidence to a verdict. Pure: it reads and writes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lightloop.config.metrics import METRICS, is_better
from lightloop.config.schema import GateConfig
from lightloop.errors import LightloopError
from lightloop.evaluation.bootstrap import Difference, Scorer, paired_difference
from lightloop.release.checks import (
    Check,
    Service,
    calibration,
    champion_checks,
    compression,
    latency,
    number,
    protected_slices,
    size,
)


@dataclass(frozen=True)
class Champion:
    """What stands in production.

    Attributes:
        version: such as v0.2.0.
        scorer: of its answers to the test records; None where it can't be compared with the challenger.
        reason: why not.
    """

    version: str
    scorer: Scorer | None
    reason: str = ""


@dataclass(frozen=True)
class Evidence:
    """What the earlier stages found, and the answers to compare.

    Attributes:
        validation, parity, metrics, explanation: the content of the stages' JSON files.
        challenger: scorer of the new model's answers to the test records.
        baseline: that of the simpler model's, on the same records.
        champion: None where nothing stands in production.
        comparison: the content of comparison.json, see `release.against`.
        slices: the content of slices.json.
        service: how the bundle serves: `milliseconds` a record, `octets` of the folder.
        compression: the content of compression.json. Where a smaller bundle was chosen, all that is said of the
            challenger is of that bundle's own answers.
    """

    validation: Mapping[str, Any]
    parity: Mapping[str, Any]
    metrics: Mapping[str, Any]
    explanation: Mapping[str, Any]
    challenger: Scorer
    baseline: Scorer
    champion: Champion | None
    comparison: Mapping[str, Any]
    slices: Mapping[str, Any]
    service: Service
    compression: Mapping[str, Any] = field(default_factory=lambda: {"applies": False})


@dataclass(frozen=True)
class Verdict:
    """The answers to all questions; accepted where every one is yes, but for warnings."""

    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        return not self.failed

    @property
    def word(self) -> str:
        return "accepted" if self.accepted else "refused"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not (check.passed or check.warning)]

    def as_json(self) -> list[dict[str, Any]]:
        """The checks as `gate.json` holds them."""
        return [asdict(check) for check in self.checks]


def judge(config: GateConfig, evidence: Evidence, *, seed: int) -> Verdict:
    """Decide whether the challenger may be promoted. Every check is made, also after one has failed.

    With a champion, the challenger must not be worse than it by more than the margin; without one, it must be better
    than the baseline. Both are paired bootstraps over the same test records.

    Args:
        config: thresholds.
        evidence: what was found.
        seed: of the resamples.

    Raises:
        LightloopError: the evidence lacks a metric that the config asks for.
    """
    against = (
        _champion(config, evidence, evidence.champion, seed) if evidence.champion else _baseline(config, evidence, seed)
    )
    return Verdict(
        (
            _data(evidence.validation),
            _parity(config, evidence.parity),
            *compression(config, evidence.compression),
            *(_bound(name, bound, evidence.metrics) for name, bound in config.bounds.items()),
            *calibration(config, evidence.metrics),
            against,
            *(
                champion_checks(config, evidence.comparison)
                if evidence.champion
                else protected_slices(config, evidence.slices)
            ),
            latency(config, evidence.service),
            size(config, evidence.service),
            _explanation(evidence.explanation),
        )
    )


def _data(validation: Mapping[str, Any]) -> Check:
    checks = validation["checks"]
    failed = [check["name"] for check in checks if not check["success"]]
    passed = bool(validation["success"])
    said = f"{len(checks) - len(failed)} of {len(checks)} expectations hold"
    return Check(
        name="data",
        passed=passed,
        figures={"expectations": len(checks), "failed": len(failed)},
        threshold=None,
        source=f"configs/expectations/{validation['suite']}.json",
        message=f"the data check {'passed' if passed else 'failed'}: {said}",
    )


def _parity(config: GateConfig, parity: Mapping[str, Any]) -> Check:
    largest, different = parity["max_difference"], parity["different_predictions"]
    passed = largest is not None and largest <= config.max_parity_difference and different == 0
    return Check(
        name="parity",
        passed=passed,
        figures={"max_difference": largest, "different_predictions": different, "n": parity["n"]},
        threshold=config.max_parity_difference,
        source="config gate.max_parity_difference",
        message=f"PyTorch and the exported graph differ by {number(largest)} at most, where "
        f"{number(config.max_parity_difference)} is allowed, and in {different} of {parity['n']} predictions, "
        "where none is",
    )


def _bound(name: str, bound: float, metrics: Mapping[str, Any]) -> Check:
    if name not in metrics["metrics"]:
        raise LightloopError(f"artifacts/evaluation/metrics.json has no {name}: run `lightloop run` to make it anew")
    interval = metrics["metrics"][name]
    value = interval["value"]
    passed = value is not None and not is_better(name, bound, value)
    least = "least" if METRICS[name].direction == "higher" else "most"
    return Check(
        name=f"bounds.{name}",
        passed=passed,
        figures={key: interval.get(key) for key in ("value", "low", "high")},
        threshold=bound,
        source=f"config gate.bounds.{name}",
        message=f"{METRICS[name].title} is {number(value)}, and must be at {least} {number(bound)}",
    )


def _champion(config: GateConfig, evidence: Evidence, champion: Champion, seed: int) -> Check:
    if champion.scorer is None:
        return Check(
            name="champion",
            passed=False,
            figures={"metric": config.metric, "champion": champion.version, "value": None, "low": None, "high": None},
            threshold=-config.margin,
            source="config gate.margin",
            message=f"{champion.version} can't be compared with: {champion.reason}",
        )
    difference = _difference(config, evidence, champion.scorer, seed)
    return Check(
        name="champion",
        passed=difference.low is not None and difference.low >= -config.margin,
        figures={"metric": config.metric, "champion": champion.version, **asdict(difference)},
        threshold=-config.margin,
        source="config gate.margin",
        message=_compared(config, difference, champion.version, f"at least {number(-config.margin)}"),
    )


def _baseline(config: GateConfig, evidence: Evidence, seed: int) -> Check:
    difference = _difference(config, evidence, evidence.baseline, seed)
    return Check(
        name="baseline",
        passed=difference.low is not None and difference.low > 0,
        figures={"metric": config.metric, **asdict(difference)},
        threshold=0.0,
        source="rule: without a champion, better than the baseline",
        message=_compared(config, difference, "the baseline", "more than 0"),
    )


def _difference(config: GateConfig, evidence: Evidence, other: Scorer, seed: int) -> Difference:
    return paired_difference(
        evidence.challenger,
        other,
        config.metric,
        confidence=config.confidence,
        resamples=config.resamples,
        seed=seed,
    )


def _compared(config: GateConfig, difference: Difference, other: str, wanted: str) -> str:
    title = METRICS[config.metric].title
    if difference.value is None or difference.low is None:
        return f"{title} is undefined, so that it can't be compared with {other}"
    size = f"{number(abs(difference.value))} {'better' if difference.value > 0 else 'worse'} than"
    return (
        f"{title} is {size if difference.value else 'the same as'} {other}; at {config.confidence:.0%} confidence the "
        f"difference is at least {number(difference.low)}, and {wanted} is needed"
    )


def _explanation(explanation: Mapping[str, Any]) -> Check:
    methods = explanation["methods"]
    trusted = sorted(name for name, method in methods.items() if method["trusted"])
    return Check(
        name="explanation",
        passed=bool(trusted),
        figures={"methods": len(methods), "trusted": len(trusted)},
        threshold=1,
        source="rule: at least one method is to be trusted, by the thresholds of config explain",
        message=f"of {len(methods)} explanation methods {len(trusted)} can be trusted"
        + (f" ({', '.join(trusted)})" if trusted else ", and at least 1 is needed"),
    )
