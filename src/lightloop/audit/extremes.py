"""Records unlike any of training: what the model answers to them, and how surely. An answer must be a finite number.

Shapes: N records, K classes, M numbers of an answer.
"""

import io
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from lightloop.audit.corruption import Raw, number_columns, numbers_of, replaced, with_numbers
from lightloop.audit.scoring import Ruler
from lightloop.config.schema import AnySpec
from lightloop.config.series import SeriesSpec
from lightloop.errors import RefusedError
from lightloop.tasks.checkpoint import Model

SIDE = 64
LONG = 50_000  # words
HUGE = 1e6
MOST = 50  # records that are made extreme


def extreme_rows(model: Model, raw: Raw, ruler: Ruler) -> list[dict[str, Any]]:
    """Of robustness.json: a row a kind of record.

    Each has `name`, `n`, `finite` (whether all answers are finite numbers), `refused` (the sentence with which the
    records were refused, which is an answer too, or None), `passed`; of classes the mean and highest `confidence` and
    the most frequent `answer` with its `share`; of numbers the `lowest` and `highest` answer.
    """
    rows = []
    for name, made in extremes(raw).items():
        row: dict[str, Any] = {"name": name, "n": len(made)}
        try:
            answers_NM = ruler.values(model.answers(made))
        except RefusedError as error:
            rows.append({**row, "finite": None, "refused": str(error), "passed": True})
            continue
        finite = bool(np.isfinite(answers_NM).all())
        row |= {"finite": finite, "refused": None, "passed": finite}
        rows.append(row | (_said(answers_NM, model.config.data) if finite else {}))
    return rows


def _said(answers_NM: Any, spec: AnySpec) -> dict[str, Any]:
    if spec.problem != "classification":
        return {"lowest": float(answers_NM.min()), "highest": float(answers_NM.max())}
    best, count = Counter(answers_NM.argmax(1).tolist()).most_common(1)[0]
    confidence_N = answers_NM.max(1)
    return {
        "confidence": {"mean": float(confidence_N.mean()), "highest": float(confidence_N.max())},
        "answer": spec.classes[best],
        "share": count / len(answers_NM),
    }


def extremes(raw: Raw) -> dict[str, pa.Table]:
    """Extreme records by name, made of some real ones; labels mean nothing."""
    made: dict[str, pa.Table] = {
        "image": _images,
        "tabular": _rows,
        "text": _texts,
        "series": _series,
    }[raw.spec.modality](replace(raw, records=raw.records.slice(0, MOST)))
    return made


def _images(raw: Raw) -> dict[str, pa.Table]:
    random = np.random.default_rng(0)
    place = np.arange(SIDE)
    pixels = {
        "black": np.zeros((SIDE, SIDE)),
        "white": np.full((SIDE, SIDE), 255),
        "noise": random.integers(0, 256, (SIDE, SIDE)),
        "checkerboard": 255 * ((place[:, None] + place) % 2),
        "a single pixel": np.full((1, 1), 128),
        "a thin strip": np.tile(np.arange(256), (2, 1)),
    }
    found = {}
    for name, levels in pixels.items():
        buffer = io.BytesIO()
        Image.fromarray(levels.astype(np.uint8)).save(buffer, "PNG")
        found[name] = replaced(raw.records.slice(0, 1), "image", pa.array([buffer.getvalue()], pa.large_binary()))
    return found


def _rows(raw: Raw) -> dict[str, pa.Table]:
    names = number_columns(raw.records, raw.spec)
    others = [name for name in raw.spec.features if name not in names]

    def every(columns: list[str], value: Any) -> pa.Table:
        table = raw.records
        for name in columns:
            table = replaced(table, name, pa.array([value] * len(raw.records), raw.records.schema.field(name).type))
        return table

    def stretched(sign: float) -> pa.Table:
        table = raw.records
        for name in names:
            size = max(1.0, float(np.nanmax(np.abs(numbers_of(raw.train, name)))))
            table = with_numbers(table, name, np.full(len(raw.records), sign * HUGE * size))
        return table

    found = {"every value missing": every(list(raw.spec.features), None)}
    if names:
        found |= {"numbers missing": every(names, None), "numbers are zero": every(names, 0.0)}
        found |= {"numbers a million times too large": stretched(1.0), "numbers far below zero": stretched(-1.0)}
    if others:
        found |= {"unknown categories": every(others, "never seen"), "empty categories": every(others, "")}
    return found


def _texts(raw: Raw) -> dict[str, pa.Table]:
    texts = {
        "empty": "",
        "blank": " \n\t ",
        "one unknown word": "qzxv",
        "other script": "Это сообщение написано кириллицей.",
        "emoji": "😀" * 20,
        "control characters": "\x00\x01\x02 \ufffd \u202e",
        "one letter, very often": "a" * LONG,
        "very long": "word " * LONG,
    }
    kind = raw.records.schema.field("text").type
    return {name: replaced(raw.records.slice(0, 1), "text", pa.array([text], kind)) for name, text in texts.items()}


def _series(raw: Raw) -> dict[str, pa.Table]:
    spec = raw.spec
    assert isinstance(spec, SeriesSpec)
    known = np.concatenate(
        [np.asarray(row, dtype=np.float64) for row in raw.train.column(spec.known).to_pylist()[-100:]]
    )
    level, spread = float(np.nanmean(known)), float(np.nanstd(known)) or 1.0
    steps = np.arange(spec.window)
    values = {
        "nothing but gaps": np.full(spec.window, np.nan),
        "one known step": np.where(steps == spec.window - 1, level, np.nan),
        "constant": np.full(spec.window, level),
        "zero": np.zeros(spec.window),
        "a thousand deviations too high": np.full(spec.window, level + 1000 * spread),
        "a jump": np.where(steps < spec.window // 2, level, level + 100 * spread),
        "far below zero": np.full(spec.window, -HUGE * max(1.0, abs(level))),
    }
    kind = pa.list_(pa.float32())
    return {
        name: replaced(raw.records.slice(0, 1), spec.known, pa.array([line.astype(np.float32)], kind))
        for name, line in values.items()
    }
