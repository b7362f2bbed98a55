"""Files of an audit as the stage writes them, made up: the figures hold together but come from no model."""

from typing import Any

NAMES = ("robustness", "labels", "duplicates", "data_map", "learning", "staleness", "mitigation")

HEAD = {"applies": True, "metric": "accuracy", "confidence": 0.95, "resamples": 100}


def bounded(value: float | None, half: float = 0.02) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - half, "high": value + half}


def audit_contents(classes: tuple[str, ...], tested: int) -> dict[str, dict[str, Any]]:
    """All parts, as if everything applied, but for staleness."""
    first, second = classes[:2]
    return {
        "robustness": _robustness(first, tested),
        "labels": _labels(first, second),
        "duplicates": _duplicates(first, second, tested),
        "data_map": _data_map(classes),
        "learning": _learning(tested),
        "staleness": {"applies": False, "why": "the records have no order in time & say so"},
        "mitigation": _mitigation(first, tested),
    }


def _robustness(label: str, tested: int) -> dict[str, Any]:
    def levels(drop: float) -> list[dict[str, Any]]:
        return [{"strength": s, "amount": s / 10, **bounded(0.9 - drop * s)} for s in range(1, 6)]

    check = {"expect": "same", "label": None, "n": tested, "moved": bounded(0.01), "examples": ["test/1"]}
    extreme = {"n": 1, "finite": True, "refused": None, "passed": True, "answer": label, "share": 1.0}
    return {
        **HEAD,
        "n": tested,
        "clean": bounded(0.9),
        "corruptions": {
            "noise": {"unit": "deviation", "levels": levels(0.1), "mean": 0.6},
            "blur": {"unit": "radius", "levels": levels(0.05), "mean": 0.75},
        },
        "attacks": {
            "n": tested,
            "unit": "deviations of training",
            "steps": 8,
            "clean": bounded(0.9),
            "methods": {
                "fgsm": [{"epsilon": 0.1, **bounded(0.6)}, {"epsilon": 0.3, **bounded(0.3)}],
                "pgd": [{"epsilon": 0.1, **bounded(0.5)}, {"epsilon": 0.3, **bounded(None)}],
            },
        },
        "extremes": [
            {"name": "black", **extreme, "confidence": {"mean": 0.7, "highest": 0.7}},
            {"name": "damaged", "n": 1, "finite": None, "refused": "an image does not decode", "passed": True},
            {"name": "white", "n": 1, "finite": False, "refused": None, "passed": False},
        ],
        "metamorphic": [
            {**check, "name": "a claim <b>that</b> holds", "change": {"change": "flip"}, "bound": 0.1, "passed": True}
            | {"violating": bounded(0.05)},
            {**check, "name": "one that does not", "change": {"change": "shift", "amount": 1.0}, "bound": 0.1}
            | {"violating": bounded(0.4), "passed": False},
        ],
    }


def _labels(first: str, second: str) -> dict[str, Any]:
    rows = [{"id": f"train/{row}", "label": first, "suggestion": second, "score": 0.01 * row} for row in range(20)]
    return {
        "applies": True,
        "n": 1000,
        "source": "logistic regression, the simpler model",
        "network": False,
        "folds": 3,
        "confidence": 0.95,
        "found": 31,
        "estimated_share": bounded(0.031, 0.01),
        "suspects": rows,
    }


def _duplicates(first: str, second: str, tested: int) -> dict[str, Any]:
    example = {"id": "test/3", "copy": "train/9", "similarity": 0.995, "labels": [first, second]}
    pair = {"n": tested, "exact": 0, "near": 1, "share": bounded(1 / tested, 0.004), "other_label": 1}
    splits = (("test", "train"), ("validation", "train"), ("test", "validation"))
    pairs = [{"asked": a, "known": b, **pair, "examples": [example]} for a, b in splits]
    return {"applies": True, "method": "correlation of the pixels", "limit": 0.99, "pairs": pairs}


def _data_map(classes: tuple[str, ...]) -> dict[str, Any]:
    shares = {"easy": 0.7, "ambiguous": 0.1, "hard": 0.2}
    row = {"id": "train/1", "label": classes[0], "mean": 0.1, "deviation": 0.1, "right": 0.0}
    regions = {
        name: {"share": bounded(share), "by_class": dict.fromkeys(classes, share)} for name, share in shares.items()
    }
    return {
        "applies": True,
        "n": 1000,
        "epochs": 20,
        "regions": {"limits": {"hard": 0.5, "ambiguous": 0.25}, **regions},
        "hardest": [row],
        "most_ambiguous": [row],
        "points": [[number / 40, 0.3 * (number % 5) / 5] for number in range(40)],
        "suspects": {"n": 20, "among_hardest": 12, "share": 0.05},
    }


def _learning(tested: int) -> dict[str, Any]:
    points = [{"share": n / 10_800, "records": n, **bounded(0.7 + n / 20_000)} for n in (540, 1080, 2160)]
    return {
        "applies": True,
        "metric": "accuracy",
        "n": tested,
        "seeds": 1,
        "epochs": 6,
        "confidence": 0.95,
        "resamples": 100,
        "points": points,
        "released": {"share": 1.0, "records": 10_800, **bounded(0.91)},
        "law": {"exponent": bounded(0.2), "scale": bounded(0.8)},
        "doubling": {"records": 10_800, "now": bounded(0.91), "then": bounded(0.922), "gain": bounded(0.012, 0.004)},
        "check": {"records": 10_800, "said": bounded(0.86), "reached": 0.91, "holds": False},
    }


def staleness() -> dict[str, Any]:
    """Of records in the order of time."""
    ages = [
        {"share": 0.0, "records": 0, "ends": "1994-12-03", **bounded(0.55), "values": [0.55], "worse": None},
        {"share": 0.4, "records": 611, "ends": "1981-09-05", **bounded(0.64), "values": [0.64], "worse": bounded(0.09)},
    ]
    return {
        "applies": True,
        "metric": "accuracy",
        "n": 300,
        "seeds": 1,
        "confidence": 0.95,
        "resamples": 100,
        "records": 900,
        "ages": ages,
    }


def _mitigation(favourable: str, tested: int) -> dict[str, Any]:
    gaps = ("demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference")

    def variant(value: float, cost: float | None) -> dict[str, Any]:
        changed = None if cost is None else bounded(0.01)
        found = {name: {"estimate": bounded(value), "change": changed} for name in gaps}
        given = {
            "metric": bounded(0.8),
            "cost": None if cost is None else bounded(cost),
            "favourable_rate": bounded(0.9),
        }
        return {**given, "gaps": {"married": found}}

    return {
        **HEAD,
        "n": tested,
        "favourable": favourable,
        "smallest": 30,
        "reweighed": "married",
        "columns": {
            "married": {
                "groups": [{"name": "0", "n": 60}, {"name": "1", "n": 140}],
                "data_gaps": {name: bounded(0.1) for name in ("demographic_parity_difference",)},
            }
        },
        "variants": {
            "released": variant(0.05, None),
            "with_sensitive_columns": variant(0.12, -0.01),
            "reweighed": variant(0.02, 0.01),
        },
    }
