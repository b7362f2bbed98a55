"""What the explain stage leaves behind about each record: pictures of images, parts with their attributions of others.

Shapes: N records, Q positions or columns (see `Subject`), H height, W width.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from lightloop.explanation.curves import mean_interval
from lightloop.explanation.explained import column_names
from lightloop.explanation.pictures import picture_name, save_pictures
from lightloop.explanation.subject import Subject
from lightloop.files import replacing
from lightloop.tasks.checkpoint import Model

Maps = Mapping[str, Tensor]
# The file beside the pictures in which the parts of records stand that are no images.
PARTS = "records.json"
DIGITS = 5  # of an attribution, significant ones


def write_attributions(path: Path, ids: Sequence[str], maps: Maps, *, half: bool) -> None:
    """Write `attributions.npz`: `ids`, and (N, Q) of each method; `half` precision is enough for what is only seen."""
    arrays: dict[str, Any] = {name: (map_NQ.half() if half else map_NQ).numpy() for name, map_NQ in maps.items()}
    with replacing(path) as temporary:
        # NumPy dates every member 1980, so the same attributions are the same bytes.
        np.savez_compressed(temporary, ids=np.array(ids), **arrays)


def write_records(folder: Path, model: Model, table: pa.Table, subject: Subject, maps: Maps) -> None:
    """Write the folder `images`: pictures of images; of others `records.json`, a row a record.

    A row has `id`, `parts` (names of columns, tokens, or steps from the last one back), `values` (of columns and steps;
    null for tokens) and by method `attributions`, all of the same length; of series with several channels these are
    sums over channels, and `by_channel` has by method and channel one a step.
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        if subject.noun == "pixels":
            (pixels_NCHW,) = model.preprocessor.encode(table)
            save_pictures(temporary, pixels_NCHW.numpy(), {name: map_NHW.numpy() for name, map_NHW in maps.items()})
            return
        parts = record_parts(model, table, subject)
        for number, row in enumerate(parts):
            length = len(row["parts"])
            row["attributions"] = {
                name: _rounded(over_channels(map_NQ, subject)[number, :length]) for name, map_NQ in maps.items()
            }
            if subject.reference.by_channel:
                row["by_channel"] = {
                    name: {
                        channel: _rounded(map_DP[place]) for place, channel in enumerate(channels_of(model, subject))
                    }
                    for name, map_DP in ((name, map_NDP[number]) for name, map_NDP in maps.items())
                }
        text = json.dumps(parts, ensure_ascii=False, allow_nan=False, indent=None, separators=(",", ":"))
        (temporary / PARTS).write_text(text + "\n", encoding="utf-8")


def record_parts(model: Model, table: pa.Table, subject: Subject) -> list[dict[str, Any]]:
    """What the attributions of each record are about, in their order: `id`, `parts` and `values`."""
    ids = table.column("id").to_pylist()
    encoded = model.preprocessor.encode(table)
    if subject.noun == "columns":
        names = columns_of(model, subject)
        rows = table.select([name for name in names if name in table.column_names]).to_pylist()
        values = [[_plain(row.get(name)) for name in names] for row in rows]
        return [{"id": one, "parts": names, "values": own} for one, own in zip(ids, values, strict=True)]
    if subject.noun == "tokens":
        lengths = subject.present_NQ.sum(1).tolist()
        spelled = [_tokens(model, ids_T[:length].tolist()) for ids_T, length in zip(encoded[0], lengths, strict=True)]
        return [{"id": one, "parts": tokens, "values": None} for one, tokens in zip(ids, spelled, strict=True)]
    steps = subject.x_NDP.shape[-1]
    names = [str(step) for step in range(1 - steps, 1)]
    # The first channel is the series itself.
    series_NT = encoded[0].flatten(2)[..., 0] if encoded[0].ndim > 2 else encoded[0]
    return [
        {"id": one, "parts": names, "values": _rounded(series_T[-steps:])}
        for one, series_T in zip(ids, series_NT, strict=True)
    ]


def columns_of(model: Model, subject: Subject) -> list[str]:
    """The distinct columns of a table, in the order of attributions."""
    return list(dict.fromkeys(column_names(model, subject.x_NDP.shape[-1])))


def over_channels(map_NQ: Tensor, subject: Subject) -> Tensor:
    """Attributions of positions: where channels are told apart, their sum."""
    return map_NQ.sum(1) if subject.reference.by_channel else map_NQ


def channels_of(model: Model, subject: Subject) -> list[str]:
    """Names of the channels of a series: its values, the places in the calendar, and what was missing."""
    settings = model.config.preprocess
    waves = [f"{span} ({wave})" for span in getattr(settings, "calendar", ()) for wave in ("sine", "cosine")]
    names = ["value", *waves, *(["missing"] if getattr(settings, "indicator", False) else [])]
    count = subject.x_NDP.shape[1]
    return names if len(names) == count else [f"channel {number}" for number in range(count)]


def importance(names: Sequence[str], map_NQ: Tensor, seed: int) -> list[dict[str, Any]]:
    """Mean size of attributions of each column or step, with its bootstrap interval, in the order of `names`."""
    sizes_NQ = map_NQ.abs().double().numpy()
    rows = []
    for name, sizes_N in zip(names, sizes_NQ.T, strict=True):
        low, high = mean_interval(sizes_N, seed)
        figures = {"value": float(sizes_N.mean()), "low": low, "high": high}
        rows.append({"name": name, **{key: float(f"{value:.{DIGITS}g}") for key, value in figures.items()}})
    return rows


def channel_importance(model: Model, subject: Subject, map_NDP: Tensor, seed: int) -> list[dict[str, Any]]:
    """Size of attributions of each channel of a series, summed over steps, mean over records; with its interval."""
    return importance(channels_of(model, subject), map_NDP.abs().sum(2), seed)


def record_rows(
    sample: pa.Table, kinds: Sequence[str], classes: Sequence[str], methods: Sequence[str], folder: str
) -> list[dict[str, Any]]:
    """What result.json says about each record: its answer, `kind` (see `sample`), and of images its pictures' files."""
    rows = []
    for number, (record, kind) in enumerate(zip(sample.to_pylist(), kinds, strict=True)):
        # Forecasts are many numbers, which predictions.parquet holds.
        row = {
            name: _plain(record[name]) for name in ("id", "label", "prediction") if not isinstance(record[name], list)
        }
        row["kind"] = kind
        if classes:
            row["probability"] = record["probabilities"][list(classes).index(record["prediction"])]
        if folder:
            row["input"] = f"{folder}/{picture_name(number, 'input')}"
            row["overlays"] = {name: f"{folder}/{picture_name(number, name)}" for name in methods}
        rows.append(row)
    return rows


def _tokens(model: Model, ids: list[int]) -> list[str]:
    """Tokens as they are spelled, by the preprocessor's `tokens`; else their numbers."""
    spell = getattr(model.preprocessor, "tokens", None)
    return list(spell(ids)) if spell else [str(one) for one in ids]


def _rounded(values: Tensor) -> list[float | None]:
    """As JSON; None where a value is missing."""
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values.flatten().tolist()]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | list) else str(value)
