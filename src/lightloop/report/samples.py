"""What the report shows of generated images: whether they are copies, what lies between them, whom they look like."""

from collections import Counter
from typing import Any

from lightloop.report.evidence import Evidence


def samples(evidence: Evidence) -> dict[str, Any] | None:
    """Pictures of many images, the memorisation check with its control, and the classes; None without evidence.

    Pictures are named by their paths in `artifacts/explanation/`.
    """
    content = evidence.explanation
    if content is None or "memorisation" not in content["methods"]:
        return None
    memorisation = content["methods"]["memorisation"]
    checks = memorisation["checks"]
    control = content["control"]["copies"]
    pictures = content["pictures"]
    return {
        "n": content["n"],
        "grids": [
            {"title": title, "picture": pictures[name], "note": note}
            for title, name, note in (
                ("Made by the model", "samples", "drawn at random, not picked"),
                ("Real", "real", "of the test split"),
                ("Made by the baseline", "baseline", evidence_title(evidence)),
            )
        ],
        "progress": pictures["progress"],
        "interpolation": content["interpolation"],
        "trusted": memorisation["trusted"],
        "reasons": memorisation["reasons"],
        "close": checks["close_share"],
        "closer": checks["closer_than_real"],
        "control": control["checks"]["close_share"],
        "control_fails": control["fails_as_expected"],
        "nearest": content["records"],
        "classes": class_shares(evidence),
        "worst": evidence.mistakes,
    }


def evidence_title(evidence: Evidence) -> str:
    """What the simpler model is."""
    return str(getattr(evidence, "simpler", "the simpler model"))


def class_shares(evidence: Evidence) -> list[dict[str, Any]]:
    """A row a class: how many real test images are of it, and how many generated ones look like it."""
    real, made = (Counter(evidence.predictions.column(name).to_pylist()) for name in ("label", "prediction"))
    n = max(1, len(evidence.predictions))
    return [
        {"label": name, "real": real[name], "made": made[name], "real_share": real[name] / n, "share": made[name] / n}
        for name in evidence.config.data.classes
    ]
