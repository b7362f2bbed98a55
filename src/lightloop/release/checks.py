"""The gate's questions beyond the main metric: further metrics, sensitive groups, calibration, speed and size. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightloop.config.metrics import METRICS
from lightloop.config.schema import GateConfig
from lightloop.errors import LightloopError

Figure = float | int | str | None


@dataclass(frozen=True)
class Check:
    """One question that the gate asks.

    Attributes:
        name: of the check.
        passed: the answer.
        figures: that it rests on; None where one is undefined, which never passes.
        threshold: that they were held against, or None where the question is yes or no.
        source: where the threshold comes from.
        message: the answer in a sentence.
        warning: the question is asked for people: a "no" refuses nobody.
    """

    name: str
    passed: bool
    figures: dict[str, Figure]
    threshold: float | None
    source: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Service:
    """What serving the bundle takes; a measurement, which no file holds: it differs from run to run."""

    milliseconds: float
    octets: int


def champion_checks(config: GateConfig, comparison: Mapping[str, Any]) -> list[Check]:
    """Further metrics and sensitive groups against the champion; nothing where the two can't be compared at all.

    Each refuses only where the challenger is significantly worse, after Holm's correction: of many figures one is
    always a bit worse, and doubt about each of them would refuse every model.
    """
    if not comparison["applies"]:
        return []
    level = 1 - config.confidence
    further = [row for row in comparison["metrics"] if row["metric"] in config.further]
    checks = []
    if further:
        known = [row["holm_worse"] for row in further if row["holm_worse"] is not None]
        worse = [row for row in further if _significant(row["holm_worse"], level)]
        checks.append(
            Check(
                name="further",
                passed=not worse,
                figures={"metrics": len(further), "smallest p": min(known) if known else None},
                threshold=level,
                source="config gate.further (margins) and gate.confidence, Holm over all metrics",
                message="worse than the champion by more than the margin: "
                + ", ".join(f"{METRICS[row['metric']].title} by {number(-row['value'])}" for row in worse)
                if worse
                else f"on none of {', '.join(METRICS[row['metric']].title for row in further)} the challenger is "
                "significantly worse than the champion by more than the margin",
            )
        )
    protected = comparison["protected"]
    if protected:
        worse = [row for row in protected if _significant(row["holm_worse"], level)]
        checks.append(_protected(config, protected, worse, "than the champion", warning=False))
    return checks


def protected_slices(config: GateConfig, slices: Mapping[str, Any]) -> list[Check]:
    """Without a champion: whether a group of a sensitive column is worse than the other records.

    It is where it is significantly worse at all, and by more than the margin.
    """
    rows = [row for row in (slices["rows"] if slices["applies"] else []) if row["role"] == "sensitive"]
    if not rows:
        return []
    level = 1 - config.confidence
    worse = [
        row
        for row in rows
        if _significant(row["difference"]["holm_worse"], level)
        and row["difference"]["value"] < -config.protected_margin
    ]
    return [_protected(config, rows, worse, "than the other records", warning=config.without_champion == "warning")]


def _protected(
    config: GateConfig,
    rows: Sequence[Mapping[str, Any]],
    worse: Sequence[Mapping[str, Any]],
    than: str,
    *,
    warning: bool,
) -> Check:
    title, margin = METRICS[config.metric].title, number(config.protected_margin)
    lowest = min((row["difference"]["value"] for row in rows if row["difference"]["value"] is not None), default=None)
    named = ", ".join(f"{row['column']} {row['value']} by {number(-row['difference']['value'])}" for row in worse)
    return Check(
        name="protected",
        passed=not worse,
        figures={"groups": len(rows), "smallest n": min(row["n"] for row in rows), "largest deficit": lowest},
        threshold=-config.protected_margin,
        source="config gate.protected_margin, Holm over the groups",
        message=f"{title} is worse {than} by more than {margin}: {named}"
        if worse
        else f"in none of {len(rows)} groups of sensitive columns {title} is significantly worse {than} by more than "
        f"{margin}",
        warning=warning,
    )


def _significant(p: float | None, level: float) -> bool:
    return p is not None and p < level


def calibration(config: GateConfig, metrics: Mapping[str, Any]) -> list[Check]:
    """Of classes, where the config has a bound: the calibration error on the test split, after scaling."""
    if config.max_ece is None:
        return []
    interval = metrics["metrics"].get("ece")
    if interval is None:
        raise LightloopError(
            "gate.max_ece is set, but the evidence has no calibration error: say gate.max_ece=null where nothing is "
            "classified, else run `lightloop run` to make the evidence anew"
        )
    value = interval["value"]
    return [
        Check(
            name="calibration",
            passed=value is not None and value <= config.max_ece,
            figures={key: interval.get(key) for key in ("value", "low", "high")},
            threshold=config.max_ece,
            source="config gate.max_ece",
            message=f"confidence and accuracy lie {number(value)} apart on average, and at most "
            f"{number(config.max_ece)} is allowed",
        )
    ]


def is_compressed(found: Mapping[str, Any]) -> bool:
    """Whether compression.json says that another bundle than the exported one was chosen.

    Examples:
        >>> is_compressed({"applies": False}), is_compressed({"applies": True, "chosen": "static_int8"})
        (False, True)
    """
    return bool(found["applies"] and found["chosen"] != "float")


def compression(config: GateConfig, found: Mapping[str, Any]) -> list[Check]:
    """Of a bundle that was made smaller: whether it is not worse than the network on the test split.

    It was chosen on the validation split, so that this is the first look at records that chose nothing.
    """
    if not is_compressed(found):
        return []
    row = next(row for row in found["candidates"] if row["name"] == found["chosen"])
    first = next(row for row in found["candidates"] if row["name"] == "float")
    difference, bound = row["test"]["difference"], found["max_loss"]
    low, title = difference["low"], METRICS[found["metric"]].title
    smaller = first["bytes"][found["size"]] / row["bytes"][found["size"]]
    return [
        Check(
            name="compression",
            passed=low is not None and low >= -bound,
            figures={
                "way": row["name"],
                "times smaller": round(smaller, 2),
                **{key: difference[key] for key in ("value", "low", "high")},
            },
            threshold=-bound,
            source=found["source"],
            message=f"{title} of the bundle ({row['name'].replace('_', ' ')}, {number(smaller)} times smaller) is "
            f"{_worse(difference['value'])} the network's; at {config.confidence:.0%} confidence the difference is at "
            f"least {number(low)}, and at least {number(-bound)} is needed",
        )
    ]


def _worse(value: float | None) -> str:
    if not value:
        return "undefined beside" if value is None else "the same as"
    return f"{number(abs(value))} {'better' if value > 0 else 'worse'} than"


def latency(config: GateConfig, service: Service) -> Check:
    """Only the answer is kept, since the measurement differs from run to run, and evidence must not."""
    passed = service.milliseconds <= config.max_milliseconds
    return Check(
        name="latency",
        passed=passed,
        figures={},
        threshold=config.max_milliseconds,
        source="config gate.max_milliseconds",
        message=f"the bundle takes {'at most' if passed else 'more than'} {number(config.max_milliseconds)} "
        "milliseconds for one record, the median of several",
    )


def size(config: GateConfig, service: Service) -> Check:
    megabytes = service.octets / 1e6
    return Check(
        name="size",
        passed=megabytes <= config.max_megabytes,
        figures={"megabytes": round(megabytes, 3)},
        threshold=config.max_megabytes,
        source="config gate.max_megabytes",
        message=f"the bundle has {number(megabytes)} megabytes, and may have {number(config.max_megabytes)}",
    )


def number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
