"""Predictions and their explanations."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Final, Literal, get_args

import numpy as np
from fastapi import FastAPI, Request
from starlette.responses import Response

from lightloop.errors import RefusedError
from lightloop.service.answers import as_json
from lightloop.service.ask import Answered, answered, headers, json_body, kept, record_of, scored, with_ids
from lightloop.service.batching import Batcher
from lightloop.service.books import SEEN, Seen, count
from lightloop.service.context import Context
from lightloop.service.edge import Answering
from lightloop.service.faults import RequestError, answer_json
from lightloop.service.ids import prediction_id
from lightloop.service.loaded import Loaded
from lightloop.service.schemas import Record
from lightloop.serving.explainer import explain

Method = Literal["shapley", "occlusion"]
METHODS: Final = {method: method for method in get_args(Method)}


def add_routes(app: FastAPI, context: Context) -> dict[str, Answering]:
    """Add `/v1/predict`, `/v1/predict/many`, `/v1/explain`; what `Edge` can answer without them, by address."""

    @app.post("/v1/predict", tags=["predict"], summary="The prediction for one record.")
    async def predict(request: Request) -> Response:
        loaded = context.slots.pick_for(request)
        record, size = await record_of(request, context, loaded)
        together = None
        if context.batcher is not None:
            together = partial(_together, context.batcher, loaded, record())

        def alone() -> Answered:
            return scored(context, loaded, [record()])

        in_turn = None
        if context.slots.candidate is None:
            in_turn = partial(_in_turn, request, context, loaded, record)
        answer = await answered(request, context, loaded, alone, size=size, together=together, in_turn=in_turn)
        kept(request, context, loaded, answer, size)
        seen: Seen = request.scope[SEEN]
        seen.predicted = loaded, answer.predictions[0]
        seen.told["prediction_id"] = answer.ids[0]
        return answer_json(_told(loaded, answer)[0], headers=headers(loaded))

    @app.post("/v1/predict/many", tags=["predict"], summary="The predictions for several records.")
    async def predict_many(request: Request) -> Response:
        loaded = context.slots.pick(request.headers)
        body = await json_body(request, context)

        def task() -> tuple[Answered, list[dict[str, Any]]]:
            answer = scored(context, loaded, loaded.models.many(body))
            count(loaded, answer.predictions)
            return answer, _told(loaded, answer)

        answer, answers = await answered(request, context, loaded, task)
        kept(request, context, loaded, answer, len(body))
        request.scope[SEEN].told["records"] = len(answers)
        return answer_json({"model_version": loaded.version, "predictions": answers}, headers=headers(loaded))

    @app.post("/v1/explain", tags=["predict"], summary="What each part of one record adds to its answer.")
    async def explain_one(request: Request) -> Response:
        loaded = context.slots.pick(request.headers)
        if loaded.predictor.manifest.explaining is None:
            raise RequestError(404, "this model does not explain its answers")
        wanted = request.query_params.get("method", "shapley")
        method: Method | None = METHODS.get(wanted)
        if method is None:
            raise RequestError(422, f"method is {wanted[:40]!r}: expected shapley or occlusion")
        record, size = await record_of(request, context, loaded)
        answer = await answered(
            request,
            context,
            loaded,
            lambda: _explained(loaded, record(), method),
            size=size,
            long=True,
            counted=False,
        )
        return answer_json(answer, headers=headers(loaded))

    return {"/v1/predict": predict}


async def _together(batcher: Batcher, loaded: Loaded, record: Record) -> Answered:
    return with_ids(loaded, [await batcher.ask(loaded, record)], [record])


async def _in_turn(request: Request, context: Context, loaded: Loaded, record: Callable[[], Record]) -> Answered:
    seen: Seen = request.scope[SEEN]
    told = await context.turns.ask(loaded, record, seen.started)
    identity = prediction_id(loaded.predictor.manifest.name, context.now())
    return Answered([identity], [told.prediction], [told.record], told.pixels)


def _told(loaded: Loaded, answer: Answered) -> list[dict[str, Any]]:
    return [
        {"prediction_id": identity, "model_version": loaded.version, **as_json(loaded.predictor, prediction)}
        for identity, prediction in zip(answer.ids, answer.predictions, strict=True)
    ]


def _explained(loaded: Loaded, record: Record, method: Method) -> dict[str, Any]:
    predictor = loaded.predictor
    with np.errstate(over="ignore", invalid="ignore"):
        explanation = explain(predictor, predictor.table([record]), method=method)
    if not np.isfinite([explanation.score, explanation.baseline, *explanation.values]).all():
        raise RefusedError("the model has no finite answer to parts of this record: its numbers are too large together")
    return {"model_version": loaded.version, **asdict(explanation)}
