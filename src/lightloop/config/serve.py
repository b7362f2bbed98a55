"""The service: `configs/serve/`. Read by `lightloop serve` and `lightloop deploy`, by no stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Count, Frozen

Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class CanaryConfig(Frozen):
    """When a release that is tried beside the current one is taken, and when it is taken back.

    It is taken back as soon as a bound is surely passed (Wilson's interval of three standard errors), and taken when
    it was tried long enough within all of them.

    Attributes:
        share: of the requests that a canary answers, unless the command says another.
        requests: that it answers, or of a shadow the records that are compared, before it is taken.
        seconds: after which a trial with fewer of them ends.
        few: what follows then: `refuse` changes nothing, `take` takes the release where nothing spoke against it. It is
            watched afterwards all the same.
        max_failures: share of its answers that may fail by our fault, beyond the current release's.
        max_slowdown: its 95th percentile of seconds over the current release's.
        max_disagreement: share of the compared records that it answers with another class, or with a number outside
            the current release's interval.
        watch: seconds for which a release that took over is held against what the one before it did: failures, times,
            dead workers; where it surely does worse, the one before is served again. 0 watches none.
    """

    share: Share = 0.1
    requests: Count = 200
    seconds: Seconds = 300.0
    few: Literal["refuse", "take"] = "refuse"
    max_failures: Share = 0.01
    max_slowdown: Annotated[float, Field(gt=1)] = 3.0
    max_disagreement: Share = 0.25
    watch: Annotated[float, Field(ge=0)] = 60.0


class ClusterConfig(Frozen):
    """The service on other machines: `lightloop deploy --target container|kubernetes|ray`.

    Attributes:
        image: name of the container's image, with its registry where it has one; null stands for
            `lightloop-NAME:VERSION`.
        replicas: that run at least.
        most: replicas under load.
        cpu: processors of each of them.
        memory: megabytes of each of them.
    """

    image: str | None = None
    replicas: Count = 2
    most: Count = 8
    cpu: Annotated[float, Field(gt=0)] = 1.0
    memory: Count = 1024

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.most < self.replicas:
            raise ValueError(
                f"serve.cluster.most is {self.most}: expected at least serve.cluster.replicas={self.replicas}"
            )
        return self


class LogConfig(Frozen):
    """The log of what the service is asked and answers, which monitoring and the next training data are made of.

    Attributes:
        folder: of the log, relative to the project, or `s3://bucket/prefix`; null keeps none.
        share: of the answers that are kept; the prediction id decides, so that it is the same ones everywhere.
        days: after which they are removed; null keeps them.
        seconds: after which what was gathered is written: so much is lost of a worker that is killed.
        queue: answers that wait to be written, a worker; more are left out, and counted.
        redact: columns of a record whose values are not kept, beside those with the role sensitive.
        redaction: `drop` leaves their values out; `hash` keeps what tells whether two are the same, made with the
            key in LIGHTLOOP_LOG_KEY.
        images: whether images are kept; else the numbers that describe them.
    """

    folder: str | None = ".lightloop/log"
    share: Share = 1.0
    days: Count | None = 90
    seconds: Seconds = 10.0
    queue: Count = 10_000
    redact: tuple[str, ...] = ()
    redaction: Literal["drop", "hash"] = "drop"
    images: bool = False

    @property
    def hashes(self) -> bool:
        """Whether LIGHTLOOP_LOG_KEY is needed."""
        return self.folder is not None and self.redaction == "hash"


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
        batching: whether waiting requests are answered together by a thread, up to 64 at once: for slow models with
            many clients. Those to a quick model that come at once are answered together in any case.
        novelty: whether answers say how unlike the training records a record is; it costs about 0.05 ms a request.
        keys: file of hashed API keys (`lightloop keys add`), relative to the project; null lets everyone in.
        public_key: file of the key that a bundle must be signed with, relative to the project; null asks for no
            signature. `LIGHTLOOP_PUBLIC_KEY` goes before it.
        feedback: folder that keeps what turned out to be true, relative to the project, or `s3://bucket/prefix`; null
            keeps nothing.
        origins: that a browser may call from (CORS); none by default.
        logs: one line a request on the standard error, as JSON or as text.
        traces: address of an OpenTelemetry collector (OTLP over HTTP); null sends nothing.
        watch: seconds between looks for another release to load.
        hang: seconds without a sign of life after which a worker is replaced.
        follow: whether `lightloop serve` loads by itself what comes into production, or into the folder of `--bundle`.
        log: what is kept of requests and answers.
        canary: when a release that is tried is taken.
        cluster: the service on other machines.
        version: of the release that a bundle given by path is. A container is told it, and:
        digest: that a bundle given by path must have; null takes what lies there.
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
    novelty: bool = True
    keys: str | None = None
    public_key: str | None = None
    feedback: str | None = ".lightloop/feedback"
    origins: tuple[str, ...] = ()
    logs: Literal["json", "text", "none"] = "json"
    traces: str | None = None
    watch: Seconds = 0.5
    hang: Seconds = 10.0
    follow: bool = False
    log: LogConfig = LogConfig()
    canary: CanaryConfig = CanaryConfig()
    cluster: ClusterConfig = ClusterConfig()
    version: str | None = None
    digest: str | None = None
