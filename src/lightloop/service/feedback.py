"""Feedback: what turned out to be true, by prediction id, kept for whoever measures the model later.

A line of JSON each, in `YYYY-MM-DD.jsonl` of the day (UTC) on which the prediction was given:
`{"prediction_id", "label" or "values", "received", "version"}`; the version is that of the release when the feedback
came. A line is on the disk before the answer says so. All workers append to the same files, under a lock. Under
`s3://bucket/prefix` a worker has objects of its own, `YYYY-MM-DD-WORKER-000001.jsonl`, and knows what it was told
itself: where two workers were told of one prediction, whoever reads takes what came first.

- 422: the body is of another form, the label is no class, or there are not as many values as the model answers.
- 404: no service of this model ever gave that id.
- 409: there is another answer under that id already; the first one stands. The same answer again is fine (200).
"""

import json
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from lightloop import clock
from lightloop.service import metrics
from lightloop.service.ask import answered, headers, json_body
from lightloop.service.books import SEEN
from lightloop.service.context import Context
from lightloop.service.faults import RequestError, answer_json, sentence
from lightloop.service.ids import given_at
from lightloop.service.loaded import Loaded
from lightloop.serving.logfiles import CLOUD, LogFiles

LINES: Final = 256  # of an object in S3
REMEMBERED: Final = 100_000  # answers that a worker has in mind where it can't look them up
OTHER: Final = "there is another answer to this prediction already: the first one stands"


class Feedback(BaseModel):
    """What turned out to be true of one prediction.

    Attributes:
        prediction_id: as the prediction had it.
        label: the true class.
        values: the true numbers; null where one is not known.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    prediction_id: Annotated[str, Field(min_length=36, max_length=36)]
    label: str | None = None
    values: list[float | None] | None = None


def add_routes(app: FastAPI, context: Context) -> None:
    """Add `/v1/feedback`."""
    store = open_store(context.settings.feedback, context.root) if context.settings.feedback else None

    @app.post("/v1/feedback", tags=["feedback"], summary="What turned out to be true, by prediction id.")
    async def feedback(request: Request) -> Response:
        if store is None:
            raise RequestError(404, "this service keeps no feedback: set serve.feedback to a folder")
        loaded = context.slots.current
        body = await json_body(request, context)
        found, day = checked(loaded, body)
        line = {**found, "received": clock.now().isoformat(timespec="milliseconds"), "version": loaded.version}
        new = await answered(request, context, loaded, lambda: store.keep(line, day), counted=False)
        if new:
            metrics.FEEDBACK.labels(loaded.version).inc()
        request.scope[SEEN].told["prediction_id"] = found["prediction_id"]
        return answer_json({"prediction_id": found["prediction_id"], "stored": new}, headers=headers(loaded))


def checked(loaded: Loaded, body: bytes) -> tuple[dict[str, Any], str]:
    """The feedback that a body holds, and the day of its prediction.

    Raises:
        RequestError: it fits no prediction of this model.
    """
    manifest = loaded.predictor.manifest
    try:
        found = Feedback.model_validate_json(body)
    except ValidationError as error:
        malformed = error.errors(include_url=False)[0]["type"] == "json_invalid"
        raise RequestError(400 if malformed else 422, sentence(error, tuple(Feedback.model_fields))) from None
    wanted = "label" if manifest.classes else "values"
    if manifest.answer not in ("probabilities", "prediction"):
        raise RequestError(404, "this model makes samples: there is nothing that turns out to be true of them")
    if getattr(found, wanted) is None or (found.label is not None) == (found.values is not None):
        raise RequestError(422, f"expected {wanted!r}, and nothing else beside the prediction_id")
    if found.label is not None and found.label not in manifest.classes:
        some = ", ".join(manifest.classes[:10]) + (", ..." if len(manifest.classes) > 10 else "")
        raise RequestError(422, f"{found.label[:40]!r} is no class of this model: expected one of {some}")
    if found.values is not None:
        width = next(one.shape[1] for one in manifest.outputs if one.name == manifest.answer)
        if width is not None and len(found.values) != width:
            raise RequestError(422, f"{len(found.values)} values came: this model answers {width}")
    given = given_at(found.prediction_id, manifest.name)
    if given is None:
        raise RequestError(404, f"no prediction of {manifest.name} has this id: send the prediction_id of an answer")
    day = datetime.fromtimestamp(given, UTC).date().isoformat()
    return found.model_dump(exclude_none=True), day


def open_store(place: str, root: Path) -> "Store | CloudStore":
    """Where feedback is kept: a folder, relative to a root, or `s3://bucket/prefix`."""
    return CloudStore(place) if place.startswith(CLOUD) else Store(root / place)


class CloudStore:
    """Feedback in S3, where nothing can be appended to: objects of some lines, each written anew with one line more."""

    def __init__(self, address: str) -> None:
        """Nothing is opened before the first feedback: a worker may be forked from who made its app."""
        self._files = LogFiles(address)
        self._lock = threading.Lock()
        self._writer = ""
        self._told: dict[str, tuple[Any, Any]] = {}  # the latest answers, by prediction
        self._open: dict[str, tuple[int, list[bytes]]] = {}  # by day the number of the object, and its lines

    def keep(self, line: dict[str, Any], day: str) -> bool:
        """Write a line, unless its prediction has the same answer already, as far as this worker was told.

        Returns:
            Whether it was new.

        Raises:
            RequestError: its prediction has another answer (409), or S3 takes nothing (503).
        """
        with self._lock:
            before = self._told.get(line["prediction_id"])
            if before is not None:
                if before != _answer(line):
                    raise RequestError(409, OTHER)
                return False
            self._writer = self._writer or uuid4().hex[:12]
            number, lines = self._open.get(day, (1, []))
            if len(lines) == LINES:
                number, lines = number + 1, []
            lines = [*lines, _encoded(line)]
            try:
                path = self._files.path(f"{day}-{self._writer}-{number:06d}.jsonl")
                with self._files.system.open_output_stream(path) as file:
                    file.write(b"".join(lines))
            except OSError:
                # Arrow's own sentence has addresses and requests in it, which are no client's business.
                raise RequestError(503, "feedback can't be kept (S3 does not take it): try again later") from None
            self._open[day] = number, lines
            self._told[line["prediction_id"]] = _answer(line)
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
        return True


class Store:
    """A folder of feedback.

    Examples:
        >>> import tempfile
        >>> store = Store(Path(tempfile.mkdtemp()))
        >>> line = {"prediction_id": "a", "label": "good"}
        >>> store.keep(line, "2026-01-05"), store.keep(line, "2026-01-05")
        (True, False)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, line: dict[str, Any], day: str) -> bool:
        """Append a line, unless its prediction has the same answer already.

        Returns:
            Whether it was new.

        Raises:
            RequestError: its prediction has another answer (409), or the disk takes nothing (503).
        """
        path = self._folder / f"{day}.jsonl"
        try:
            with _locked(path) as file:
                before = _find(file, line["prediction_id"])
                if before is not None:
                    if _answer(before) != _answer(line):
                        raise RequestError(409, OTHER)
                    return False
                size = os.fstat(file).st_size
                # A crash may have left half a line: it is ended, so that it spoils no other.
                start = b"\n" if size and os.pread(file, 1, size - 1) != b"\n" else b""
                content = start + _encoded(line)
                if os.write(file, content) != len(content):
                    os.ftruncate(file, size)
                    raise OSError("the disk is full")
                os.fsync(file)
                return True
        except OSError as error:
            raise RequestError(503, f"feedback can't be kept ({error.strerror or error}): try again later") from None


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _find(file: int, identity: str) -> dict[str, Any] | None:
    """The line of a prediction: a search through a day's bytes, a million lines in some hundredths of a second."""
    size = os.fstat(file).st_size
    if not size:
        return None
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as content:
        mark, place = f'"prediction_id": "{identity}"'.encode(), 0
        while (place := content.find(mark, place)) >= 0:
            end = content.find(b"\n", place)
            line = content[content.rfind(b"\n", 0, place) + 1 : end if end >= 0 else size]
            try:
                return dict(json.loads(line))
            except ValueError:  # half a line, of a crash
                place += len(mark)
    return None


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _answer(line: dict[str, Any]) -> tuple[Any, Any]:
    return line.get("label"), line.get("values")
