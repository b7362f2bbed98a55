"""The Open Inference Protocol V2, as KServe, Triton and MLServer speak it, over the same releases.

The model's name is the project's. Inputs are the columns of raw records, a tensor each: an encoded image is one BYTES
value (Base64 in JSON), a text one BYTES value, a series FP32 (N, T) with its time as BYTES, a column of a table FP32 or
BYTES, (N) or (N, 1). What the graph itself takes is answered too: pixels UINT8 (N, C, H, W), token ids INT64 (N, T), a
series with its calendar FP32 (N, T, C). Outputs are those of the graph, and what the bundle's rules make of them.
"""

from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import TextInput
from lightloop.data.text.tokenizer import tokenizer_of
from lightloop.service.about import own_version
from lightloop.service.ask import Answered, answered, headers, kept, with_ids
from lightloop.service.bodies import JSON, content_type, read_body
from lightloop.service.books import count
from lightloop.service.context import Context
from lightloop.service.faults import RequestError, answer_json, sentence
from lightloop.service.loaded import Loaded
from lightloop.service.tensors import Inference, array_of, bytes_of, described, packed, text_of
from lightloop.serving.manifest import Manifest
from lightloop.serving.predictions import Scored

LENGTH: Final = "inference-header-content-length"
BINARY: Final = "application/octet-stream"
Arrays = dict[str, NDArray[Any]]


def add_routes(app: FastAPI, context: Context) -> None:
    """Add `/v2` and what is below it."""
    tags: list[str | Any] = ["open inference protocol"]

    @app.get("/v2", tags=tags, summary="What this server is.")
    async def server(_: Request) -> Response:
        return answer_json({"name": "lightloop", "version": own_version(), "extensions": ["binary_tensor_data"]})

    @app.get("/v2/health/live", tags=tags, summary="Whether this process answers at all.")
    async def live(_: Request) -> Response:
        return answer_json({"live": True})

    @app.get("/v2/health/ready", tags=tags, summary="Whether the service may be asked.")
    async def ready(_: Request) -> Response:
        trouble = context.slots.trouble()
        return answer_json({"ready": not trouble}, 503 if trouble else 200)

    async def model(request: Request) -> Response:
        loaded = _loaded(request, context)
        return answer_json(metadata(loaded), headers=headers(loaded))

    async def model_ready(request: Request) -> Response:
        loaded = _loaded(request, context)
        trouble = context.slots.trouble()
        return answer_json({"name": loaded.predictor.manifest.name, "ready": not trouble}, 503 if trouble else 200)

    async def infer(request: Request) -> Response:
        loaded = _loaded(request, context)
        kind = content_type(request)
        if kind not in (JSON, BINARY):
            raise RequestError(415, f"expected a body of {JSON}, or of {BINARY} with {LENGTH}")
        body = await read_body(request, context.settings.max_body_bytes, context.settings.deadline)
        length = request.headers.get(LENGTH)
        task = partial(_inferred, context, loaded, body, length)
        content, head, answer = await answered(request, context, loaded, task)
        kept(request, context, loaded, answer, len(body))
        if head is None:
            return Response(content, 200, headers(loaded), JSON)
        return Response(content, 200, headers(loaded) | {LENGTH: str(head)}, BINARY)

    for version in ("", "/versions/{version}"):
        path = "/v2/models/{name}" + version
        suffix = "_of_version" if version else ""
        ways = {"methods": ["GET"], "tags": tags}
        app.add_api_route(path, model, name=f"model{suffix}", summary="Inputs and outputs.", **ways)  # type: ignore[arg-type]
        app.add_api_route(
            f"{path}/ready",
            model_ready,
            name=f"ready{suffix}",
            summary="Whether the model may be asked.",
            **ways,  # type: ignore[arg-type]
        )
        app.add_api_route(
            f"{path}/infer", infer, name=f"infer{suffix}", methods=["POST"], tags=tags, summary="Tensors to tensors."
        )


def _loaded(request: Request, context: Context) -> Loaded:
    """The release that a path names."""
    loaded = context.slots.pick(request.headers)
    name, version = request.path_params["name"], request.path_params.get("version")
    known = loaded.predictor.manifest.name
    if name != known:
        raise RequestError(404, f"there is no model {name[:40]!r}: this service has {known!r}")
    if version is not None and version != loaded.version:
        raise RequestError(404, f"version {version[:40]!r} of {known} is not served: {loaded.version} is")
    return loaded


def metadata(loaded: Loaded) -> dict[str, Any]:
    """Of a model, as the protocol has it."""
    manifest = loaded.predictor.manifest
    return {
        "name": manifest.name,
        "versions": [loaded.version],
        "platform": "onnx_onnxruntime",
        "inputs": _inputs(manifest),
        "outputs": _outputs(loaded),
    }


@lru_cache(maxsize=4)
def _outputs(loaded: Loaded) -> list[dict[str, Any]]:
    """Outputs as they are for an example, with any number of records."""
    found = outputs_of(loaded, loaded.score([loaded.models.examples[0]]))
    return [described(name, values) | {"shape": [-1, *values.shape[1:]]} for name, values in found.items()]


def _inputs(manifest: Manifest) -> list[dict[str, Any]]:
    def one(name: str, datatype: str, *shape: int) -> dict[str, Any]:
        return {"name": name, "datatype": datatype, "shape": [-1, *shape]}

    match manifest.input:
        case TabularInput(features=features):
            return [one(each.name, "FP32" if each.kind == "number" else "BYTES", 1) for each in features]
        case ImageInput():
            return [one("image", "BYTES", 1)]
        case SeriesInput(column=column, window=window, time=time):
            return [one(column, "FP32", window), *([one(time, "BYTES", 1)] if time else [])]
        case NoiseInput(size=size):
            return [one("noise", "FP32", size)]
        case TextInput():
            return [one("text", "BYTES", 1)]


def _inferred(context: Context, loaded: Loaded, body: bytes, length: str | None) -> tuple[bytes, int | None, Answered]:
    """The body of the answer, how long its JSON part is where bytes follow, and what goes to the log."""
    request, inputs = _read(body, length)
    sizes = {len(values) for values in inputs.values()}
    if len(sizes) != 1:
        raise RequestError(422, f"inputs have different numbers of records ({sorted(sizes)}): expected the same")
    records = sizes.pop()
    if not 0 < records <= context.settings.max_records:
        raise RequestError(422, f"{records} records came: expected 1 to {context.settings.max_records}")
    scored, answer = _scored(context, loaded, inputs)
    count(loaded, answer.predictions)
    outputs = outputs_of(loaded, scored)
    return *_written(loaded, request, outputs, answer.ids), answer


def _read(body: bytes, length: str | None) -> tuple[Inference, Arrays]:
    head = len(body)
    if length is not None:
        if not length.isdecimal() or int(length) > len(body):
            raise RequestError(400, f"{LENGTH} is {length[:20]!r}: expected the length of the JSON part")
        head = int(length)
    try:
        request = Inference.model_validate_json(body[:head])
    except ValidationError as error:
        malformed = error.errors(include_url=False)[0]["type"] == "json_invalid"
        raise RequestError(400 if malformed else 422, sentence(error, tuple(Inference.model_fields))) from None
    inputs: Arrays = {}
    for tensor in request.inputs:
        size = tensor.parameters.get("binary_data_size")
        raw = None
        if size is not None:
            if isinstance(size, bool) or not isinstance(size, int) or size < 0 or head + size > len(body):
                raise RequestError(
                    422, f"input {tensor.name[:40]!r} says binary_data_size {str(size)[:20]}: fewer bytes came"
                )
            raw, head = body[head : head + size], head + size
        if tensor.name in inputs:
            raise RequestError(422, f"input {tensor.name[:40]!r} came twice")
        inputs[tensor.name] = array_of(tensor, raw)
    if head != len(body):
        raise RequestError(422, f"{len(body) - head} bytes are of no input: say binary_data_size in its parameters")
    return request, inputs


def _scored(context: Context, loaded: Loaded, inputs: Arrays) -> tuple[Scored, Answered]:
    """Answers to raw columns, or to what the graph itself takes."""
    predictor = loaded.predictor
    expected = predictor.manifest.input.feeds
    fed = inputs.keys() == expected.keys() and all(
        inputs[name].ndim == len(shape) and inputs[name].dtype.name == kind for name, (kind, shape) in expected.items()
    )
    if fed and not isinstance(predictor.manifest.input, TabularInput):
        _check_fed(loaded, inputs)
        scored = loaded.finite(predictor.judged(inputs, [()] * len(next(iter(inputs.values())))))
        return scored, with_ids(loaded, predictor.told(scored), None, scored)
    table = _table(predictor.manifest, inputs)
    scored = loaded.finite(predictor.score(predictor.table(table)))
    answer = with_ids(loaded, predictor.told(scored), table, scored)
    if context.slots.candidate is not None:
        context.slots.compare(predictor.table(table), loaded, scored.answers, answer.ids)
    return scored, answer


def _check_fed(loaded: Loaded, inputs: Arrays) -> None:
    """What the schemas of raw records check, for tensors that come ready for the graph."""
    for name, (_, shape) in loaded.predictor.manifest.input.feeds.items():
        values = inputs[name]
        if any(wanted not in (None, came) for wanted, came in zip(shape, values.shape, strict=True)):
            raise RequestError(
                422, f"input {name!r} has the shape {list(values.shape)}: expected {[n or -1 for n in shape]}"
            )
        if 0 in values.shape:
            raise RequestError(422, f"input {name!r} is empty")
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise RequestError(422, f"input {name!r} has an infinity: expected finite numbers")
    schema = loaded.predictor.manifest.input
    if isinstance(schema, TextInput):
        ids, tokens = inputs["ids"], tokenizer_of(loaded.predictor.files, schema.tokenizer).get_vocab_size()
        if ids.shape[1] > schema.max_length or not ((ids >= 0) & (ids < tokens)).all():
            raise RequestError(422, f"input 'ids': expected at most {schema.max_length} ids of 0 to {tokens - 1}")


def _table(manifest: Manifest, inputs: Arrays) -> pa.Table:
    """Raw records of one column each."""
    known = {one["name"]: one for one in _inputs(manifest)}
    unknown = [name for name in inputs if name not in known]
    if unknown:
        some = ", ".join(list(known)[:8]) + (", ..." if len(known) > 8 else "")
        raise RequestError(422, f"input {unknown[0][:40]!r} is none of this model's: expected {some}")
    rows = len(next(iter(inputs.values())))
    columns: dict[str, pa.Array] = {}
    for name, one in known.items():
        values = inputs.get(name)
        if values is None:
            if not isinstance(manifest.input, TabularInput):
                raise RequestError(422, f"input {name!r} is missing")
            columns[name] = pa.nulls(rows, pa.float64() if one["datatype"] == "FP32" else pa.string())
        else:
            columns[name] = _column(manifest, name, values)
    return pa.table(columns)


def _column(manifest: Manifest, name: str, values: NDArray[Any]) -> pa.Array:
    schema = manifest.input
    if isinstance(schema, NoiseInput) or (isinstance(schema, SeriesInput) and name == schema.column):
        if values.ndim != 2 or values.dtype.kind not in "iuf":
            raise RequestError(422, f"input {name!r}: expected numbers of the shape [N, T]")
        return pa.array(values.astype(np.float64).tolist(), pa.list_(pa.float64()))
    if values.size != len(values):
        raise RequestError(
            422, f"input {name!r} has the shape {list(values.shape)}: expected one value a record, [N] or [N, 1]"
        )
    column = values.reshape(-1)
    if values.dtype != object:
        return pa.array(column.astype(np.float64) if column.dtype == np.float16 else column)
    if isinstance(schema, ImageInput):
        return pa.array([bytes_of(value, name) for value in column], pa.large_binary())
    return pa.array([text_of(value, name) for value in column], pa.string())


def outputs_of(loaded: Loaded, scored: Scored) -> Arrays:
    """By name what is answered: the graph's outputs, and what the bundle's rules make of them."""
    found: Arrays = {name: np.ascontiguousarray(values) for name, values in scored.answers.items()}
    if scored.codes is not None and scored.sets is not None and scored.abstains is not None:
        found["label"] = np.array(loaded.predictor.classes, dtype=object)[scored.codes]
        found["possible"], found["abstains"] = scored.sets, scored.abstains
    if scored.ends is not None and np.isfinite(scored.ends).all():
        found["intervals"] = np.asarray(scored.ends, dtype=np.float64)
    if scored.novelty is not None:
        found["p_value"] = scored.novelty[1]
    return found


def _written(loaded: Loaded, request: Inference, outputs: Arrays, ids: list[str]) -> tuple[bytes, int | None]:
    binary = request.parameters.get("binary_data_output") is True
    wanted = {one.name: one.parameters.get("binary_data", binary) is True for one in request.outputs or ()}
    unknown = [name for name in wanted if name not in outputs]
    if unknown:
        raise RequestError(422, f"output {unknown[0][:40]!r} is none of this model's: it has {', '.join(outputs)}")
    tensors, blobs = [], []
    for name in wanted or outputs:
        values, one = outputs[name], described(name, outputs[name])
        if wanted.get(name, binary):
            blobs.append(packed(values))
            one["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            one["data"] = values.ravel().tolist()
        tensors.append(one)
    manifest = loaded.predictor.manifest
    answer = {
        "model_name": manifest.name,
        "model_version": loaded.version,
        # For feedback: one a record.
        "parameters": {"prediction_ids": ids},
        "outputs": tensors,
    }
    if request.id is not None:
        answer["id"] = request.id
    head = to_json(answer, inf_nan_mode="null")
    return (head + b"".join(blobs), len(head)) if blobs else (head, None)
