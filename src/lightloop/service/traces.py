"""OpenTelemetry: spans of requests to a collector, where one is configured. FastAPI makes the spans itself.

The packages are the extra `otel`. A trace that the client began goes on (`traceparent`). No body is part of a span.
"""

from collections.abc import MutableMapping
from typing import Any, Final

from fastapi.telemetry import TelemetryConfig

from lightloop.config.serve import ServeConfig
from lightloop.errors import UsageError

OFF: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def telemetry(settings: ServeConfig, name: str) -> tuple[TelemetryConfig, Any]:
    """What `FastAPI(telemetry=...)` takes, and the provider, which is shut down at the end so that no span is lost.

    Args:
        settings: `traces` is the collector's address, such as `http://collector:4318`; None sends nothing.
        name: of the service.

    Raises:
        UsageError: the packages are not installed.
    """
    if settings.traces is None:
        return OFF, None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UsageError(
            "serve.traces is set, but OpenTelemetry is not installed: `pip install 'lightloop[otel]'` first"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    # Sends from a thread of its own, in batches, and leaves out what does not fit its queue.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.traces.rstrip('/')}/v1/traces")))
    return {**OFF, "tracing": True, "tracer_provider": provider, "exclude": _by_machines}, provider


def _by_machines(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is one that machines send every second."""
    return str(scope.get("path", "")).startswith(("/health/", "/v2/health/", "/metrics"))
