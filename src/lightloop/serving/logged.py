"""Predictions and what they were asked as rows of the log: columns of Arrow, with nothing in them that is redacted."""

import base64
import json
import struct
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from lightloop.config.serve import LogConfig
from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.errors import RefusedError, UsageError
from lightloop.serving.described import image_columns, of_pixels
from lightloop.serving.log import TIME, prediction_schema
from lightloop.serving.manifest import Manifest
from lightloop.serving.predictions import AnyPrediction
from lightloop.serving.records import column_of, image_size, to_table

KEY: Final = "LIGHTLOOP_LOG_KEY"
PNG: Final = b"\x89PNG\r\n\x1a\n"
PNG_TEXT: Final = base64.b64encode(PNG).decode()[:10]
HEAD: Final = 24  # bytes of a PNG up to its size
LEAST: Final = 16  # characters of the key
Columns = dict[str, pa.Array]


class Answer(NamedTuple):
    """Records that were answered together, and how.

    Attributes:
        ids: of the predictions, which say when they were given.
        seconds: that the answer took.
        slot, route, page: see `serving.log.HEAD`.
        records: as they were asked, or a table of them; None where they came encoded already.
        predictions: of them.
        pixels: what the model saw of images, (C, H, W) each; None where it is not known.
    """

    ids: Sequence[str]
    seconds: float
    slot: str
    route: str
    page: bool
    records: Sequence[dict[str, Any]] | pa.Table | None
    predictions: Sequence[AnyPrediction]
    pixels: Any = None


class Rows:
    """Makes rows of the answers of one release.

    Attributes:
        schema: of the rows.
    """

    def __init__(self, manifest: Manifest, version: str, digest: str, settings: LogConfig, key: str | None) -> None:
        """Decide what is kept.

        Args:
            manifest: of the bundle.
            version: of the release.
            digest: of the bundle.
            settings: what is redacted.
            key: that hashes are made with.
        """
        self._manifest, self._version, self._digest = manifest, version, digest
        self._images = settings.images
        self._known = {
            one.name: frozenset([None, *one.values])
            for one in getattr(manifest.input, "features", ())
            if one.kind != "number"
        }
        hidden = redacted(manifest, settings)
        self._hashed = hidden if settings.redaction == "hash" else frozenset()
        self._dropped = hidden - self._hashed
        self._key = (key or "").encode()[:64]
        features = manifest.input.features if isinstance(manifest.input, TabularInput) else ()
        self._kept = [one for one in features if one.name not in self._dropped]
        # One name alone is not picked as a tuple.
        names = [one.name for one in self._kept]
        self._pick = itemgetter(*names) if len(names) > 1 else lambda record: tuple(record[name] for name in names)
        kinds = {
            name: kind for name, kind in kinds_of(manifest, images=self._images).items() if name not in self._dropped
        }
        self._kinds = {name: pa.string() if name in self._hashed else kind for name, kind in kinds.items()}
        self.schema = prediction_schema(pa.struct(list(self._kinds.items())))

    def table(self, answers: Sequence[Answer]) -> pa.RecordBatch:
        """Rows of answers of this release, in their order."""
        several = [one for one in answers for _ in one.ids]
        predictions = [one for answer in answers for one in answer.predictions]
        novelties = (getattr(one, "novelty", None) for one in predictions)
        count = len(several)
        ids = [one for answer in answers for one in answer.ids]
        columns: Columns = {
            "prediction_id": pa.array(ids, pa.string()),
            # An id of version 7 begins with the milliseconds since 1970.
            "time": pa.array([int(one[:8] + one[9:13], 16) for one in ids], pa.int64()).cast(TIME),
            "version": _same(self._version, count),
            "digest": _same(self._digest, count),
            "slot": pa.array([one.slot for one in several], pa.string()),
            "route": pa.array([one.route for one in several], pa.string()),
            "page": pa.array([one.page for one in several], pa.bool_()),
            "seconds": pa.array([one.seconds for one in several], pa.float32()),
            "novelty": pa.array([one.p_value if one is not None else None for one in novelties], pa.float32()),
            "warnings": pa.array([len(one.warnings) for one in predictions], pa.int16()),
        }
        for name in ("label", "probability", "probabilities", "values", "abstains"):
            kind = self.schema.field(name).type
            columns[name] = pa.array([getattr(one, name, None) for one in predictions], kind)
        if self._kinds:
            columns["input"] = self._inputs(answers, count)
        return pa.RecordBatch.from_arrays([columns[name] for name in self.schema.names], schema=self.schema)

    def _inputs(self, answers: Sequence[Answer], count: int) -> pa.Array:
        """The records as a struct; null where they are not known."""
        parts: list[pa.Array] = []
        # Those that came as records are one list, so that a column of them is one array.
        records: list[dict[str, Any]] = []
        pixels: list[Any] = []
        for answer in [*answers, None]:
            if answer is not None and isinstance(answer.records, Sequence):
                records += answer.records
                pixels += [None] * len(answer.records) if answer.pixels is None else list(answer.pixels)
                continue
            if records:
                parts.append(self._struct(self._of_records(records, pixels), len(records)))
                records, pixels = [], []
            if answer is not None:
                columns = self._of_table(answer)
                parts.append(self._struct(columns, len(answer.ids)))
        found = pa.concat_arrays(parts)
        assert len(found) == count, "a row an answer"
        return found

    def _struct(self, columns: Columns | None, count: int) -> pa.Array:
        kind = pa.struct(list(self._kinds.items()))
        if columns is None:
            return pa.nulls(count, kind)
        arrays = [
            self._hash(columns[name]) if name in self._hashed else _as(columns[name], wanted)
            for name, wanted in self._kinds.items()
        ]
        return pa.StructArray.from_arrays(arrays, fields=list(kind))

    def _of_records(self, records: list[dict[str, Any]], pixels: list[Any]) -> Columns:
        schema = self._manifest.input
        if isinstance(schema, TabularInput):
            values = zip(*map(self._pick, _whole_records(records, schema)), strict=True)
            return {one.name: self._column(one, column) for one, column in zip(self._kept, values, strict=True)}
        if isinstance(schema, ImageInput) and not self._images:
            return _described(schema, [record["image"] for record in records], pixels)
        return _columns(to_table(self._manifest, records))

    def _of_table(self, answer: Answer) -> Columns | None:
        schema = self._manifest.input
        if isinstance(schema, ImageInput) and not self._images:
            images: list[Any] = [None] * len(answer.ids)
            if isinstance(answer.records, pa.Table):
                images = answer.records.column("image").to_pylist()
            return _described(schema, images, answer.pixels)
        return None if answer.records is None else _columns(to_table(self._manifest, answer.records))

    def _column(self, feature: Feature, values: tuple[Any, ...]) -> pa.Array:
        """The values as they are where all are usual, as checked requests have them; else as `to_table` reads them."""
        if feature.kind == "number":
            try:
                return pa.array(values, pa.float64())
            except (pa.ArrowInvalid, pa.ArrowTypeError):  # true and false
                return column_of(feature, list(values))
        if set(values) <= self._known[feature.name]:
            return pa.array(values, pa.string())
        return column_of(feature, list(values))

    def _hash(self, column: pa.Array) -> pa.Array:
        """Texts that are the same where the values are, and tell nothing else to who has no key."""
        return pa.array([None if one is None else _digest(one, self._key) for one in column.to_pylist()], pa.string())


def kinds_of(manifest: Manifest, *, images: bool) -> dict[str, pa.DataType]:
    """The columns of a record in the log, and their types.

    Args:
        manifest: of the bundle.
        images: whether images are kept; else the numbers that describe them (`serving.described`).
    """
    match manifest.input:
        case TabularInput(features=features):
            return {one.name: pa.float64() if one.kind == "number" else pa.string() for one in features}
        case ImageInput() as schema:
            return {"image": pa.large_binary()} if images else dict.fromkeys(image_columns(schema), pa.float64())
        case TextInput():
            return {"text": pa.large_string()}
        case SeriesInput(column=column, time=time):
            return {column: pa.list_(pa.float64())} | ({time: pa.timestamp("s")} if time else {})
        case NoiseInput():
            return {"noise": pa.list_(pa.float64())}


def redacted(manifest: Manifest, settings: LogConfig) -> frozenset[str]:
    """The columns of a record whose values are not kept: those with the role sensitive, and those of the settings."""
    roles = manifest.config.get("data", {}).get("columns", {})
    sensitive = {name for name, one in roles.items() if isinstance(one, dict) and one.get("role") == "sensitive"}
    return frozenset(sensitive | set(settings.redact)) & frozenset(names_of(manifest))


def names_of(manifest: Manifest) -> list[str]:
    """The columns of a record, and the numbers that describe an image."""
    return [*kinds_of(manifest, images=True), *kinds_of(manifest, images=False)]


def check_redaction(manifest: Manifest, settings: LogConfig, key: str | None) -> None:
    """That what must not be kept is named aright: a slip of the pen would be found in the log years later.

    Args:
        manifest: of the bundle.
        settings: of the log.
        key: for hashes.

    Raises:
        UsageError: a column is none of the model's, or there is no key to hash with.

    Examples:
        >>> manifest = Manifest.model_construct(input=TextInput(max_length=8), config={})
        >>> check_redaction(manifest, LogConfig(redact=("texts",)), None)
        Traceback (most recent call last):
        lightloop.errors.UsageError: serve.log.redact names 'texts', no column of this model: did you mean 'text'?
    """
    if settings.folder is None:
        return
    known = names_of(manifest)
    for name in settings.redact:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f": did you mean {near[0]!r}?" if near else f" (it has {', '.join(known[:8])})"
            raise UsageError(f"serve.log.redact names {name!r}, no column of this model{hint}")
    if settings.redaction == "hash" and len(key or "") < LEAST:
        raise UsageError(
            f"serve.log.redaction is hash, but {KEY} has no key: set it to at least {LEAST} random characters, the "
            "same for all services of this model"
        )


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def _whole_records(records: list[dict[str, Any]], schema: TabularInput) -> list[dict[str, Any]]:
    """Records that have all columns; what is absent is null."""
    count = len(schema.features)
    if all(len(record) == count for record in records):
        return records
    return [dict.fromkeys(one.name for one in schema.features) | record for record in records]


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)


def _columns(table: pa.Table) -> Columns:
    return {name: _whole(table.column(name)) for name in table.column_names}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found


def _described(schema: ImageInput, images: Sequence[Any], pixels: Sequence[Any] | None) -> Columns:
    """Numbers that describe images; null for those of which neither file nor pixels are known."""
    names, count = image_columns(schema), len(images)
    found = np.full((len(names), count), np.nan)
    seen = [None] * count if pixels is None else list(pixels)
    known = [row for row in range(count) if seen[row] is not None or images[row] is not None]
    if known:
        sizes = np.array([_size(images[row]) for row in known])
        stack: list[Any] = [_pixels(schema, images[row]) if seen[row] is None else seen[row] for row in known]
        columns = of_pixels(np.stack(stack), sizes)
        for place, name in enumerate(names):
            found[place, known] = columns[name]
    return {name: pa.array(found[place], pa.float64(), from_pandas=True) for place, name in enumerate(names)}


def _encoded(image: str | bytes) -> bytes:
    return (
        base64.b64decode(image.partition(",")[2] if image.startswith("data:") else image)
        if isinstance(image, str)
        else image
    )


def _size(image: str | bytes | None) -> tuple[float, float]:
    if image is None:
        return np.nan, np.nan
    # A PNG says it at its very beginning, and to open it takes ten times as long.
    known = _size_of_head(image[: HEAD // 3 * 4 if isinstance(image, str) else HEAD])
    if known is not None:
        return known
    try:
        return image_size(_encoded(image))
    except RefusedError:
        return np.nan, np.nan


@lru_cache(maxsize=256)
def _size_of_head(head: str | bytes) -> tuple[float, float] | None:
    """What a PNG's first bytes say; most images of a service have the same. None where it is no PNG, or cut."""
    if isinstance(head, str):
        head = base64.b64decode(head) if head.startswith(PNG_TEXT) and len(head) == HEAD // 3 * 4 else b""
    if not head.startswith(PNG) or len(head) != HEAD:
        return None
    width, height = struct.unpack(">II", head[16:])
    return width, height


def _pixels(schema: ImageInput, image: str | bytes) -> Any:
    return schema.encode(pa.table({"image": [_encoded(image)]}), {})["image"][0]


def _digest(value: Any, key: bytes) -> str:
    text = json.dumps(value, default=str, sort_keys=True)
    return blake2b(text.encode(), key=key, digest_size=16).hexdigest()
