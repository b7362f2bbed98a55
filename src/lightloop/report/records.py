"""The worst answers, each as a reader can look at it: a picture, an excerpt, a row's columns, a stretch of series."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lightloop.evaluation.evidence import matrix
from lightloop.report.evidence import Evidence
from lightloop.report.explanations import columns_that_matter
from lightloop.report.figures import plain
from lightloop.report.sketches import stretch

EXCERPT = 260  # characters of a text
COLUMNS = 6  # of a row, those that matter most
CHARTS = 12  # more stretches of series nobody looks at
MOST = 240  # records in the browser of errors
KNOWN = 3  # of a forecast, as many times the horizon are drawn before it


def wrong_records(evidence: Evidence) -> list[dict[str, Any]]:
    """The most wrong records, worst first; of classes all that were answered wrongly, as far as they can be shown."""
    if not evidence.classifies:
        return evidence.mistakes
    table = evidence.predictions
    ids, labels, answers = (table.column(name).to_pylist() for name in ("id", "label", "prediction"))
    known = {mistake["id"] for mistake in evidence.mistakes}
    wrong = [
        row
        for row, (name, label, answer) in enumerate(zip(ids, labels, answers, strict=True))
        if label != answer and name not in known
    ]
    code = {name: place for place, name in enumerate(evidence.config.data.classes)}
    p_NK = matrix(table, "probabilities")
    confidence = {row: float(p_NK[row, code[answers[row]]]) for row in wrong}
    more = [
        {"id": ids[row], "label": labels[row], "prediction": answers[row], "confidence": confidence[row]}
        for row in sorted(wrong, key=lambda row: -confidence[row])
    ]
    return [*evidence.mistakes, *more][:MOST]


def mistakes(evidence: Evidence, records: pa.Table, thumbnails: Mapping[str, str]) -> list[dict[str, Any]]:
    """The most wrong records, each with what the model said and with what it looked at.

    Args:
        evidence: of the run.
        records: the test records as they lie on disk.
        thumbnails: file names of pictures by record, of images.
    """
    places = {name: row for row, name in enumerate(records.column("id").to_pylist())}
    answered = {name: row for row, name in enumerate(evidence.predictions.column("id").to_pylist())}
    shown = []
    for number, mistake in enumerate(wrong_records(evidence)):
        place = places.get(mistake["id"])
        seen: dict[str, Any] = {"excerpt": None, "row": [], "chart": None}
        seen |= _seen(evidence, records, place, mistake, draw=number < CHARTS) if place is not None else {}
        likely = _likely(evidence, answered.get(mistake["id"]), mistake["label"]) if evidence.classifies else []
        shown.append({**mistake, **seen, "picture": thumbnails.get(mistake["id"]), "likely": likely})
    return shown


def _likely(evidence: Evidence, row: int | None, label: str, most: int = 3) -> list[tuple[str, float]]:
    """The most probable classes of a record; the label stands there even when the model gave it next to nothing."""
    if row is None:
        return []
    classes = evidence.config.data.classes
    probabilities_K = matrix(evidence.predictions.slice(row, 1), "probabilities")[0]
    order = np.argsort(-probabilities_K, kind="stable")[:most].tolist()
    own = classes.index(label)
    codes = order if own in order else [*order[:-1], own]
    return [(classes[code], float(probabilities_K[code])) for code in codes]


def _seen(
    evidence: Evidence, records: pa.Table, place: int, mistake: Mapping[str, Any], *, draw: bool
) -> dict[str, Any]:
    """What the model looked at: `excerpt` of a text, `row` of a table, `chart` of a series."""
    match evidence.config.data.modality:
        case "text":
            return {"excerpt": excerpt(records.column("text")[place].as_py())}
        case "tabular":
            names = [name for name in columns_that_matter(evidence) if name in records.column_names][:COLUMNS]
            return {"row": [(name, plain(records.column(name)[place].as_py())) for name in names]}
        case "series" if draw:
            return {"chart": _stretch(evidence, records, place, mistake)}
        case _:
            return {}


def excerpt(text: str | None) -> str:
    r"""The start of a text on one line.

    Examples:
        >>> excerpt("one\n two"), excerpt(None), len(excerpt("word " * 200))
        ('one two', '', 260)
    """
    flat = " ".join((text or "").split())
    return flat if len(flat) <= EXCERPT else flat[: EXCERPT - 1].rstrip() + "…"


def known_values(records: pa.Table, place: int) -> list[float | None]:
    """The values of a series that the model knew, missing ones as None."""
    values = records.column("series")[place].as_py() if "series" in records.column_names else []
    return [None if value is None or not np.isfinite(value) else float(value) for value in values]


def _stretch(evidence: Evidence, records: pa.Table, place: int, mistake: Mapping[str, Any]) -> Any:
    known = known_values(records, place)
    points: dict[str, list[tuple[float, float | None]]] = {}
    if evidence.config.data.problem == "forecasting":
        ahead = len(mistake["label"])
        known = known[-KNOWN * ahead :]
        steps = range(1, ahead + 1)
        points = {
            "what followed": list(zip(steps, mistake["label"], strict=True)),
            "forecast": list(zip(steps, mistake["prediction"], strict=True)),
        }
    line = list(zip(range(1 - len(known), 1), known, strict=True))
    return stretch({"known": line, **points}, f"Series of {mistake['id']}")
