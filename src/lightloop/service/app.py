"""The HTTP application: routes over what `Slots` holds, behind keys, limits, logs and metrics. No processes here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lightloop.config.serve import ServeConfig
from lightloop.service import about, feedback, openapi, predict, v2
from lightloop.service.ask import VERSION
from lightloop.service.context import Context
from lightloop.service.edge import REQUEST_ID, Edge
from lightloop.service.faults import MEANINGS, RequestError, answer_json
from lightloop.service.page import add_page
from lightloop.service.slots import Slots
from lightloop.service.traces import telemetry
from lightloop.service.work import Work


class Service(FastAPI):
    """The framework's application, behind another one where there is one.

    Attributes:
        front: is asked first; it asks `framework`.
        work: how much is in hand.
    """

    front: ASGIApp | None = None
    work: Work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await (self.front or self.framework)(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the framework answers."""
        await super().__call__(scope, receive, send)


def build_app(slots: Slots, settings: ServeConfig, root: Path | None = None) -> Service:
    """The service of the releases that `slots` holds.

        app = build_app(Slots(Loaded.open(Path("artifacts/bundle"))), ServeConfig())

    Args:
        slots: who answers; read anew for each request.
        settings: what it takes, and what it does when there is too much.
        root: folder that paths in the settings are relative to; None stands for the current one.

    Raises:
        UsageError: a setting needs packages that are not installed.
    """
    context = Context.of(slots, settings, root or Path.cwd())
    if context.recorder is not None:
        slots.shadowed = context.recorder.shadow
    tracing, provider = telemetry(settings, slots.current.predictor.manifest.name)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()
        if provider is not None:
            provider.shutdown()

    app = Service(
        title=slots.current.predictor.manifest.name,
        lifespan=lifespan,
        # Both load their scripts from the web; the page at / is the form to try the service with.
        docs_url=None,
        redoc_url=None,
        telemetry=tracing,
        redirect_slashes=False,
        exception_handlers={
            RequestError: _fault,
            HTTPException: _framework,
            ClientDisconnect: _gone,
        },
    )
    app.work = context.work
    direct = predict.add_routes(app, context)
    for part in (feedback, about, v2):
        part.add_routes(app, context)
    add_page(app)
    openapi.install(app, context)
    if settings.traces is None and not settings.origins:
        # Outermost of all: what it answers itself does not pass the framework's own layers.
        app.front = Edge(app.framework, context, direct)
        return app
    app.add_middleware(Edge, context=context, direct=direct)
    if settings.origins:
        # Outermost: what a browser asks before it asks has no key.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", "authorization", "x-api-key", REQUEST_ID],
            expose_headers=[REQUEST_ID, VERSION],
        )
    return app


async def _fault(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error.response()


async def _framework(_: Request, error: Exception) -> Response:
    """What the framework refuses by itself, such as an address that is none."""
    assert isinstance(error, HTTPException)
    return answer_json({"error": MEANINGS.get(error.status_code, str(error.detail))}, error.status_code, error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    """The client went away; nobody reads this."""
    return Response(status_code=499)
