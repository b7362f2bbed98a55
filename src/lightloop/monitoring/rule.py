"""From candidates to alarms, and from alarms to what is to be done."""

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from scipy.stats import false_discovery_control

from lightloop.config.monitoring import Act, MonitorConfig, Rule
from lightloop.monitoring.findings import Finding, WindowFindings

STRENGTH: tuple[Act, ...] = ("nothing", "issue", "retrain", "rollback")
WORDS = {
    "schema": "the schema of the records",
    "suite": "the expectations of the data",
    "feature_drift": "drift of features",
    "multivariate_drift": "drift of records as a whole",
    "prediction_drift": "drift of the answers",
    "label_drift": "drift of the labels",
    "explanation_drift": "drift of the explanations",
    "performance": "performance",
    "estimated_performance": "estimated performance",
    "calibration": "calibration",
    "missing": "missing values",
    "unseen": "unseen categories",
    "latency": "latency",
    "errors": "errors",
    "volume": "volume",
    "staleness": "staleness",
}


def decided(candidates: Sequence[Finding], level: float) -> list[Finding]:
    """Findings with p-values adjusted within each kind (Benjamini and Hochberg), alarms only where they are small.

    Where nothing has changed at all, the share of windows with an alarm of a kind is at most `level`.

    Args:
        candidates: with raw p-values, `alarm` where the effect is beyond its limit; those without stay as they are.
        level: the largest adjusted p-value of an alarm.

    Returns:
        The same in the order of their kinds, those of a kind in their own order.
    """
    found: list[Finding] = []
    for _, group in groupby(sorted(candidates, key=lambda one: list(WORDS).index(one.kind)), lambda one: one.kind):
        own = list(group)
        p_values = _adjusted(own)
        for one in own:
            p = p_values.get(id(one))
            sure = one.model_copy(update={"p_value": p, "alarm": one.alarm and p <= level}) if p is not None else one
            found.append(sure)
    return found


def _adjusted(own: Sequence[Finding]) -> dict[int, float]:
    """The adjusted p-values of a kind's findings, by identity.

    Slices (`column=value`) are adjusted by themselves: so many of them would hide what is found over all records. The
    kind's part of the false alarms is divided between the two.
    """
    parts = [[one for one in own if one.p_value is not None and _is_slice(one) == sliced] for sliced in (False, True)]
    parts = [part for part in parts if part]
    found: dict[int, float] = {}
    for part in parts:
        p_values = np.clip([one.p_value for one in part if one.p_value is not None], 0, 1)
        adjusted = np.minimum(len(parts) * false_discovery_control(p_values), 1.0)
        found |= dict(zip((id(one) for one in part), adjusted.tolist(), strict=True))
    return found


def _is_slice(one: Finding) -> bool:
    return one.kind == "performance" and "=" in one.name


def judged(windows: Sequence[WindowFindings], config: MonitorConfig) -> tuple[Act, list[str], str]:
    """What is to be done, why, and the fingerprint of it.

    Args:
        windows: oldest first.
        config: read are the rules.

    Returns:
        The strongest act of the rules that hold, a sentence for each kind that led to it, and a fingerprint: the same
        for the same act on the same kinds and names.
    """
    act: Act = "nothing"
    causes: dict[str, str] = {}
    names: set[tuple[str, str]] = set()
    for rule in config.rules:
        held = _held(rule, windows)
        if not held or rule.act == "nothing" or STRENGTH.index(rule.act) < STRENGTH.index(act):
            continue
        if rule.act != act:
            act, causes, names = rule.act, {}, set()
        for kind, count in held.items():
            causes.setdefault(kind, _sentence(kind, count, rule, windows))
            names |= {(kind, one.name) for window in windows[-rule.of :] for one in _alarms(window, kind)}
    content = json.dumps([act, sorted(names)])
    return act, list(causes.values()), hashlib.sha256(content.encode()).hexdigest()[:16]


def _held(rule: Rule, windows: Sequence[WindowFindings]) -> dict[str, int]:
    """The kinds by which a rule holds, with the number of windows; the newest window is one of them."""
    counts = {kind: sum(bool(_alarms(window, kind)) for window in windows[-rule.of :]) for kind in rule.kinds}
    return {
        kind: count
        for kind, count in counts.items()
        if count >= rule.windows and windows and _alarms(windows[-1], kind)
    }


def _alarms(window: WindowFindings, kind: str) -> list[Finding]:
    return [one for one in window.findings if one.kind == kind and one.alarm]


def _sentence(kind: str, count: int, rule: Rule, windows: Sequence[WindowFindings]) -> str:
    found = _alarms(windows[-1], kind)
    names = [one.name for one in found if one.name]
    listed = f" ({', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''})" if names else ""
    often = f" in {count} of the last {min(rule.of, len(windows))} windows" if rule.of > 1 else ""
    first = WORDS[kind][0].upper() + WORDS[kind][1:]
    return f"{first}{listed}{often}: {found[0].sentence}"
