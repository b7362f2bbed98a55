"""The OpenAPI description of what is served now: the bundle's own names, types, ranges and examples."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lightloop.data.image.input import ImageInput
from lightloop.service.about import own_version
from lightloop.service.bodies import JSON
from lightloop.service.context import Context
from lightloop.service.edge import guarded
from lightloop.service.faults import MEANINGS
from lightloop.service.feedback import Feedback
from lightloop.service.loaded import Loaded
from lightloop.service.tensors import Inference

Schema = dict[str, Any]
ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "what was expected, what came, what to do"}},
    "required": ["error"],
}
NUMBER: Schema = {"type": "number"}
OPTIONAL: Schema = {"type": ["number", "null"]}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
# Faults that any answer with a body can be.
FAULTS = (400, 401, 408, 413, 415, 422, 429, 500, 503)


def install(app: FastAPI, context: Context) -> None:
    """Let `/openapi.json` describe the release that answers; made anew when it is another one."""
    made: dict[str, Schema] = {}

    def describe() -> Schema:
        loaded = context.slots.current
        if loaded.digest + loaded.version not in made:
            made.clear()
            made[loaded.digest + loaded.version] = description(app, loaded, guards=context.keys is not None)
        return made[loaded.digest + loaded.version]

    app.openapi = describe  # type: ignore[method-assign]


def description(app: FastAPI, loaded: Loaded, *, guards: bool) -> Schema:
    """The whole document.

    Args:
        app: whose routes it describes.
        loaded: the release.
        guards: whether keys are asked for.
    """
    manifest = loaded.predictor.manifest
    found = get_openapi(
        title=manifest.name,
        version=loaded.version,
        description=f"{manifest.problem} of {manifest.modality} records, served by Lightloop {own_version()}",
        routes=app.routes,
    )
    schemas = _schemas(loaded)
    found.setdefault("components", {})["schemas"] = schemas
    for path, methods in found["paths"].items():
        for operation in methods.values():
            answer = ANSWERS.get(path)
            operation["responses"] = _responses(path, answer, has_body=path in BODIES or path.endswith("/infer"))
            name = "Inference" if path.endswith("/infer") else BODIES.get(path)
            if name:
                operation["requestBody"] = _body(loaded, name, single=path in ("/v1/predict", "/v1/explain"))
            if guards and guarded(path):
                operation["security"] = [{"key": []}, {"bearer": []}]
    if guards:
        found["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
    return found


BODIES = {
    "/v1/predict": "Record",
    "/v1/explain": "Record",
    "/v1/predict/many": "Records",
    "/v1/feedback": "Feedback",
}
ANSWERS = {
    "/v1/predict": "Prediction",
    "/v1/predict/many": "Predictions",
    "/v1/explain": "Explanation",
}


def _body(loaded: Loaded, name: str, *, single: bool) -> Schema:
    content: Schema = {JSON: {"schema": _named(name)}}
    if single and isinstance(loaded.predictor.manifest.input, ImageInput):
        file = {"type": "string", "format": "binary"}
        content["image/*"] = {"schema": file}
        form = {"type": "object", "properties": {"image": file}, "required": ["image"]}
        content["multipart/form-data"] = {"schema": form}
    return {"required": True, "content": content}


def _responses(path: str, answer: str | None, *, has_body: bool) -> Schema:
    kind = {"/metrics": "text/plain", "/v1/card": "text/markdown"}.get(path, JSON)
    schema = _named(answer) if answer else {"type": "object"} if kind == JSON else {"type": "string"}
    found: Schema = {"200": {"description": "the answer", "content": {kind: {"schema": schema}}}}
    statuses = FAULTS if has_body else (401, 500, 503)
    for status in (
        *statuses,
        *((404, 409) if path == "/v1/feedback" else (404,) if "/v1/explain" in path or "{" in path else ()),
    ):
        meaning = MEANINGS.get(status, "there is another answer already").partition(":")[0]
        content = {
            JSON: {"schema": {"type": "object"} if path.startswith("/v2/") and not has_body else _named("Error")}
        }
        found[str(status)] = {"description": meaning, "content": content}
    return found


def _named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(loaded: Loaded) -> Schema:
    many = loaded.models.many_schema
    record = many.pop("$defs")["Record"]
    schemas: Schema = {"Error": ERROR, "Record": record, "Records": many}
    for model in (Feedback, Inference):
        one = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= one.pop("$defs", {})
        schemas[model.__name__] = one
    schemas["Prediction"] = _prediction(loaded)
    schemas["Predictions"] = _object(
        model_version={"type": "string"}, predictions={"type": "array", "items": _named("Prediction")}
    )
    schemas["Explanation"] = _explanation()
    return schemas


def _prediction(loaded: Loaded) -> Schema:
    manifest = loaded.predictor.manifest
    common: Schema = {
        "prediction_id": {"type": "string", "format": "uuid", "description": "for feedback"},
        "model_version": {"type": "string"},
    }
    warnings = {**TEXTS, "description": "what is unusual about the record; the answer is given all the same"}
    novelty = _object(
        score={**NUMBER, "description": "distance from the training records"},
        p_value={**NUMBER, "description": "small where hardly any validation record is as far"},
        novel={"type": "boolean"},
    )
    novelty["type"] = ["object", "null"]
    level = {**OPTIONAL, "description": "chance that the truth is among the possible ones, or in the interval"}
    match manifest.answer:
        case "probabilities":
            names = list(manifest.classes)
            return _object(
                **common,
                label={"type": "string", "enum": names},
                probability={**NUMBER, "minimum": 0, "maximum": 1},
                probabilities=_object(**dict.fromkeys(names, NUMBER)),
                possible={"type": "array", "items": {"type": "string", "enum": names}},
                level=level,
                abstains={"type": "boolean", "description": "the model would rather leave the record to a person"},
                novelty=novelty,
                warnings=warnings,
            )
        case "prediction":
            interval = {"type": "array", "items": OPTIONAL, "minItems": 2, "maxItems": 2}
            return _object(
                **common,
                values={"type": "array", "items": NUMBER},
                intervals={"type": "array", "items": interval},
                level=level,
                novelty=novelty,
                warnings=warnings,
            )
        case _:
            png = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
            return _object(**common, image=png, warnings=warnings)


def _explanation() -> Schema:
    numbers = {"type": "array", "items": NUMBER}
    return _object(
        model_version={"type": "string"},
        answer={"type": ["string", "null"], "description": "the class whose score is explained"},
        score=NUMBER,
        baseline=NUMBER,
        noun={"type": "string", "enum": ["columns", "pixels", "tokens", "steps"]},
        names=TEXTS,
        values={**numbers, "description": "what each part adds to the score"},
        errors={"type": ["array", "null"], "items": NUMBER},
        completeness_error=OPTIONAL,
        complete={"type": "boolean"},
        evaluations={"type": "integer"},
        method={"type": "string"},
    )


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
