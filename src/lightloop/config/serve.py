"""The service: `configs/serve/`. Read by `lightloop serve` and `lightloop deploy`, by no stage."""

from typing import Annotated, Literal

from pydantic import Field

from lightloop.config.base import Count, Frozen

Seconds = Annotated[float, Field(gt=0)]


class ServeConfig(Frozen):
    """How the service listens, what it takes, and what it does when there is too much.

    Attributes:
        host: address to listen on.
        port: 0 for any free one.
        workers: processes that answer.
        threads: of ONNX Runtime in each of them.
        max_body_bytes: of a request.
        max_records: in one request.
        queue: requests that a worker has in hand at once; more are refused by 429 with Retry-After.
        deadline: seconds after which a request is answered by 503.
        drain: seconds that a stopping worker gives the requests in flight.
        batching: whether waiting requests are answered together; on a CPU it costs more than it saves.
        keys: file of hashed API keys (`lightloop keys add`), relative to the project; null lets everyone in.
        origins: that a browser may call from (CORS); none by default.
        logs: one line a request on the standard error, as JSON or as text.
        traces: address of an OpenTelemetry collector (OTLP over HTTP); null sends nothing.
        watch: seconds between looks for another release to load.
    """

    name: Literal["default"] = "default"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    workers: Count = 2
    threads: Count = 1
    max_body_bytes: Count = 10_000_000
    max_records: Count = 1000
    queue: Count = 64
    deadline: Seconds = 10.0
    drain: Seconds = 20.0
    batching: bool = False
    keys: str | None = None
    origins: tuple[str, ...] = ()
    logs: Literal["json", "text", "none"] = "json"
    traces: str | None = None
    watch: Seconds = 0.5
