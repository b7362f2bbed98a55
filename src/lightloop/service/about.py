"""What the model is (schema, figures, card), how the service does (metrics), whether it may be asked (health)."""

from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from lightloop.service import metrics
from lightloop.service.ask import headers
from lightloop.service.context import Context
from lightloop.service.faults import RequestError, answer_json
from lightloop.service.loaded import Loaded

MARKDOWN: Final = "text/markdown; charset=utf-8"


def add_routes(app: FastAPI, context: Context) -> None:
    """Add `/v1/metadata`, `/v1/card`, `/metrics`, `/health/live` and `/health/ready`."""

    @app.get("/v1/metadata", tags=["about"], summary="What the model is, and what a record looks like.")
    async def metadata(request: Request) -> Response:
        loaded = context.slots.pick(request.headers)
        return answer_json(describe(loaded), headers=headers(loaded))

    @app.get("/v1/card", tags=["about"], summary="The model card, as Markdown.")
    async def card(request: Request) -> Response:
        loaded = context.slots.pick(request.headers)
        return Response(loaded.about.get("card") or short_card(loaded), 200, headers(loaded), MARKDOWN)

    @app.get("/metrics", tags=["operation"], summary="Metrics of all workers, for Prometheus.")
    async def prometheus(_: Request) -> Response:
        context.books.enter()
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    @app.get("/health/live", tags=["operation"], summary="Whether this process answers at all.")
    async def live(_: Request) -> Response:
        return answer_json({"status": "live"})

    @app.get("/health/ready", tags=["operation"], summary="Whether the service may be asked.")
    async def ready(_: Request) -> Response:
        trouble = context.slots.trouble()
        if trouble:
            raise RequestError(503, trouble, {"Retry-After": "1"})
        return answer_json({"status": "ready", "version": context.slots.current.version})


def describe(loaded: Loaded) -> dict[str, Any]:
    """What `/v1/metadata` answers."""
    manifest = loaded.predictor.manifest
    conformal, rules = manifest.rules.conformal, manifest.rules
    return {
        "name": manifest.name,
        "version": loaded.version,
        "digest": loaded.digest,
        "modality": manifest.modality,
        "problem": manifest.problem,
        "classes": manifest.classes,
        "input": loaded.models.record_schema,
        "metrics": loaded.about.get("metrics"),
        "explains": manifest.explaining.noun if manifest.explaining else None,
        "level": conformal.at().level if conformal else None,
        "decision": rules.decision.name,
        "abstains": rules.abstain.name != "none",
        "novelty": loaded.predictor.reference is not None,
        "golden_records": len(loaded.predictor.golden.records),
        "parameters": manifest.parameters,
        "data_version": manifest.data_version,
        "format": manifest.format,
        "libraries": manifest.libraries,
        "lightloop": own_version(),
        # What an older format does not have, so that nobody takes its silence for "nothing unusual".
        "lacks": _lacks(loaded),
    }


def _lacks(loaded: Loaded) -> list[str]:
    manifest = loaded.predictor.manifest
    parts = {
        "calibration": manifest.calibration,
        "golden records": loaded.predictor.golden.records,
        "novelty": manifest.novelty,
        "explanations": manifest.explaining,
    }
    if manifest.problem == "generation":
        parts = {"golden records": parts["golden records"]}
    return [name for name, part in parts.items() if not part]


def short_card(loaded: Loaded) -> str:
    """A card of what the bundle knows of itself, where the release came without the report's."""
    about = describe(loaded)
    metrics_of = about["metrics"] or {}
    lines = [
        f"# {about['name']} {about['version']}",
        "",
        f"{about['problem'].capitalize()}, {about['modality']} records.",
    ]
    if about["classes"]:
        lines += ["", f"Classes: {', '.join(about['classes'])}."]
    lines += ["", "| | |", "|---|---|"]
    lines += [f"| {name} | {value:.4g} |" for name, value in metrics_of.items() if isinstance(value, int | float)]
    lines += [f"| {name} | {about[name]} |" for name in ("parameters", "data_version", "digest", "format")]
    if about["lacks"]:
        lines += ["", f"This bundle lacks: {', '.join(about['lacks'])}."]
    return "\n".join([*lines, "", "The whole card is in the report of the run that made this release.", ""])


@lru_cache(maxsize=1)
def own_version() -> str:
    """Of this package."""
    return version("lightloop")
