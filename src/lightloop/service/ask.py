"""How a request is answered by a release: its body read, a place in hand, a thread or none, and what is counted."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import pyarrow as pa
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from lightloop.data.image.input import ImageInput
from lightloop.errors import RefusedError
from lightloop.service.bodies import JSON, content_type, header, read_body
from lightloop.service.books import SEEN, Seen, route_of
from lightloop.service.context import Context
from lightloop.service.faults import RequestError
from lightloop.service.ids import prediction_id
from lightloop.service.loaded import Loaded
from lightloop.service.schemas import Record
from lightloop.service.work import INLINE, SMALL
from lightloop.serving.predictions import AnyPrediction, Scored

Result = TypeVar("Result")
VERSION: Final = "X-Model-Version"
FORM: Final = "multipart/form-data"


async def json_body(request: Request, context: Context) -> bytes:
    """The body of a request that must be JSON.

    Raises:
        RequestError: it is of another kind (415), too large (413) or too slow (408).
    """
    if content_type(request) != JSON:
        raise RequestError(415)
    return await _read(request, context)


async def record_of(request: Request, context: Context, loaded: Loaded) -> tuple[Callable[[], Record], int]:
    """How the one record of a request is had, and how large the body is.

    An image may also come as it is (`image/png`), or as the file `image` of a form.

    Raises:
        RequestError: see `json_body`.
    """
    kind = content_type(request)
    if kind == JSON:
        body = await _read(request, context)
        return partial(loaded.models.one, body), len(body)
    if isinstance(loaded.predictor.manifest.input, ImageInput):
        if kind.startswith("image/"):
            body = await _read(request, context)
            return lambda: {"image": body}, len(body)
        if kind == FORM:
            image = await _uploaded(request, await _read(request, context))
            return lambda: {"image": image}, len(image)
        raise RequestError(415, f"expected a body of {JSON}, {FORM} or image/...")
    raise RequestError(415)


async def _read(request: Request, context: Context) -> bytes:
    if header(request, b"content-encoding") not in (None, "identity"):
        raise RequestError(415, "the body is compressed: send it without Content-Encoding")
    return await read_body(request, context.settings.max_body_bytes, context.settings.deadline)


async def _uploaded(request: Request, body: bytes) -> bytes:
    """The file `image` of a form, which is in memory already and goes to no disk."""

    async def whole() -> Any:
        yield body
        yield b""

    parser = MultiPartParser(request.headers, whole(), max_files=1, max_fields=8)
    parser.spool_max_size = len(body) + 1
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError, ValueError) as error:
        reason = error.message.rstrip(".") if isinstance(error, MultiPartException) else "it has no boundary"
        raise RequestError(400, f"the form is not readable ({reason}): send the image as its file 'image'") from None
    try:
        image = form.get("image")
        if not isinstance(image, UploadFile):
            raise RequestError(422, "the form has no file 'image': send the image as that")
        return await image.read()
    finally:
        await form.close()


async def answered(
    request: Request,
    context: Context,
    loaded: Loaded,
    task: Callable[[], Result],
    *,
    size: int | None = None,
    long: bool = False,
    counted: bool = True,
    together: Callable[[], Awaitable[Result]] | None = None,
    in_turn: Callable[[], Awaitable[Result]] | None = None,
) -> Result:
    """What a task gives, within the bounds of the service; counted for the release.

    Args:
        request: whose.
        context: of the service.
        loaded: the release.
        task: that reads the body and answers.
        size: of the body of a single record, which a quick model answers at once; None where there are several.
        long: see `Work.threaded`.
        counted: whether it says something about the release how this went.
        together: gives the same as the task, with the records of other requests; it is preferred.
        in_turn: the same for a quick model, in the event loop, while other requests are there.

    Raises:
        RequestError: there is no answer, by whosever fault.
    """
    seen: Seen = request.scope[SEEN]
    seen.told["version"] = loaded.version
    quick = not long and size is not None and size < SMALL and loaded.seconds < INLINE
    failed: bool | None = True
    work = context.work
    if together is not None or not quick or (work.alone is not None and work.alone()):
        in_turn = None
    try:
        await work.enter(seen.started, wait=in_turn is None)
        try:
            if in_turn is not None:
                result = await in_turn()
            elif together is not None:
                result = await work.in_time(together(), seen.started)
            elif quick:
                result = task()
            else:
                result = await work.threaded(task, seen.started, long=long)
        finally:
            work.leave()
        failed = False
    except RequestError as fault:
        # What the client did wrong says nothing about the release.
        failed = True if fault.status >= 500 else None
        raise
    except RefusedError as error:
        failed = None
        sentence = str(error)
        if size is not None:  # there is only one
            sentence = sentence.removeprefix("record number 1: ").replace("record number 1 ", "the record ", 1)
        raise RequestError(422, sentence) from None
    finally:
        if failed is not None and counted:
            context.slots.observe(loaded, failed=failed, seconds=time.perf_counter() - seen.started)
    return result


@dataclass(frozen=True, slots=True)
class Answered:
    """Predictions with their ids.

    Attributes:
        ids: of them.
        predictions: in the order of the records.
        records: that were asked, see `serving.logged.Answer`.
        pixels: what the model saw of images; None where it is not known.
    """

    ids: list[str]
    predictions: list[AnyPrediction]
    records: list[Record] | pa.Table | None
    pixels: Any = None


def scored(context: Context, loaded: Loaded, records: list[Record]) -> Answered:
    """Answers to checked records, which are compared with those of another release where one is tried.

    Raises:
        RefusedError: a record is not as the bundle's input says.
    """
    if len(records) == 1 and context.slots.candidate is None:
        quick = loaded.one(records[0])
        if quick is not None:
            prediction, feeds = quick
            return Answered(
                [prediction_id(loaded.predictor.manifest.name, context.now())],
                [prediction],
                records,
                feeds.get("image"),
            )
    found = loaded.score(records)
    answer = with_ids(loaded, loaded.predictor.told(found), records, found)
    if context.slots.candidate is not None:
        context.slots.compare(loaded.predictor.table(records), loaded, found.answers, answer.ids)
    return answer


def with_ids(
    loaded: Loaded,
    predictions: list[AnyPrediction],
    records: list[Record] | pa.Table | None,
    found: Scored | None = None,
) -> Answered:
    """Predictions, each with a new id."""
    manifest = loaded.predictor.manifest
    pixels = found.feeds.get("image") if found is not None and isinstance(manifest.input, ImageInput) else None
    return Answered([prediction_id(manifest.name) for _ in predictions], predictions, records, pixels)


def kept(request: Request, context: Context, loaded: Loaded, answer: Answered, size: int) -> None:
    """Have answers written to the log, where there is one.

    Args:
        request: whose.
        context: of the service.
        loaded: the release that answered.
        answer: of it.
        size: bytes of the request.
    """
    seen: Seen = request.scope[SEEN]
    if context.recorder is None or seen.private:
        return
    candidate = context.slots.candidate
    canary = candidate is not None and candidate.loaded is loaded
    context.recorder.add(
        loaded,
        answer.ids,
        answer.records,
        answer.predictions,
        slot="canary" if canary else "current",
        route=route_of(request.scope["path"]),
        page=seen.page,
        seconds=time.perf_counter() - seen.started,
        size=size,
        pixels=answer.pixels,
    )


def headers(loaded: Loaded) -> dict[str, str]:
    """Of each answer of a release."""
    return {VERSION: loaded.version}
