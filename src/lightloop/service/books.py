"""What is counted and logged of each answered request: noted while it is answered, entered seldom and many at once.

To enter one by itself takes the processor some times as long as each of several in a row, and a request waits for it.
The thread that writes log lines does it, within `logs.GATHER` seconds; whoever asks for metrics has it done before.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lightloop import clock
from lightloop.service import metrics
from lightloop.serving.predictions import AnyPrediction, Prediction

if TYPE_CHECKING:
    from lightloop.service.loaded import Loaded
    from lightloop.service.logs import Writer
    from lightloop.service.recording import Recorder
    from lightloop.service.slots import Slots
    from lightloop.service.work import Work

SEEN: Final = "lightloop"  # where a request's scope has what is `Seen` of it
# Addresses that are counted by name; all others are counted together, so that nobody can fill the memory with them.
COUNTED: Final = frozenset(
    f"/{path}"
    for path in (
        "",
        "health/live",
        "health/ready",
        "metrics",
        "openapi.json",
        "v1/card",
        "v1/explain",
        "v1/feedback",
        "v1/metadata",
        "v1/predict",
        "v1/predict/many",
        "v2",
    )
)
MACHINES: Final = ("/health/", "/v2/health/", "/metrics")  # asked by machines that look after the service
QUIET: Final = ("/health/", "/v2/health/")  # asked every second by machines: no log line while all is well


@dataclass(slots=True)
class Seen:
    """What is known of a request while it is answered; routes add to it, the log has it.

    Attributes:
        started: when it came, by `time.perf_counter`.
        request: its id.
        given: its headers by name, in small letters; of several of one name the first.
        page: whether the page of the service asks: a browser says so of what comes from its own address.
        private: whether it came by the private socket, as what `lightloop deploy` tries.
        told: further facts for the log.
        predicted: the release that answered a single record, and its answer; None where there are other answers.
    """

    started: float
    request: str
    given: Mapping[bytes, bytes]
    page: bool = False
    private: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    predicted: "tuple[Loaded, AnyPrediction] | None" = None


class Done(NamedTuple):
    """A request that was answered.

    Attributes:
        seen: what is known of it.
        method, path: of it.
        status: of the answer.
        seconds: that it took.
        at: when it was answered, in seconds since 1970.
    """

    seen: Seen
    method: str
    path: str
    status: int
    seconds: float
    at: float


class Books:
    """Of one application. All methods may be called by any thread."""

    def __init__(
        self, writer: "Writer", logger: Any, recorder: "Recorder | None", slots: "Slots", work: "Work"
    ) -> None:
        """Nothing is entered before something was noted.

        Args:
            writer: whose thread enters.
            logger: for a line a request; None where there are to be none.
            recorder: of the log; None where there is none.
            slots: who answers.
            work: how much is in hand; it is told who wants to know.
        """
        self._writer, self._logger, self._recorder, self._slots, self._work = writer, logger, recorder, slots, work
        self._noted: deque[Done] = deque()
        self._lock = threading.Lock()
        # A simulation's clock may be turned as soon as the answer is there: what was asked is entered before it.
        self._at_once = recorder is not None and clock.simulated()
        writer.first.append(self.enter)
        work.changed = writer.wake

    def note(self, seen: Seen, method: str, path: str, status: int) -> None:
        """Have a request entered that is answered."""
        self._noted.append(Done(seen, method, path, status, time.perf_counter() - seen.started, time.time()))
        self._writer.wake()
        if self._at_once:
            self.enter()

    def enter(self) -> None:
        """Enter what was noted so far."""
        with self._lock:
            metrics.IN_HAND.set(self._work.in_hand)
            # To add to a counter costs the same for one as for many.
            sums: dict[Any, int] = defaultdict(int)
            try:
                while self._noted:
                    self._enter(self._noted.popleft(), sums)
            finally:
                for counter, number in sums.items():
                    counter.inc(number)

    def close(self) -> None:
        """Enter what is left; what is noted afterwards is entered at once."""
        self._at_once = True
        self.enter()
        if self.enter in self._writer.first:
            self._writer.first.remove(self.enter)

    def _enter(self, done: Done, sums: dict[Any, int]) -> None:
        seen, path, status = done.seen, done.path, done.status
        counted = route_of(path)
        sums[_requests(counted, status)] += 1
        _latency(counted).observe(done.seconds)
        if seen.predicted is not None:
            for counter in _counters(*seen.predicted):
                sums[counter] += 1
            # A connection keeps what its last request was about, which must not keep a release that went.
            seen.predicted = None
        if self._recorder is not None and not seen.private and not path.startswith(MACHINES):
            version = seen.told.get("version") or self._slots.current.version
            self._recorder.request(version, counted, status, done.seconds)
        if self._logger is None or (status < 400 and path.startswith(QUIET)):
            return
        write = self._logger.info if status < 500 else self._logger.error
        write(
            "request",
            at=done.at,
            request_id=seen.request,
            method=done.method,
            path=path[:200],
            status=status,
            ms=round(1000 * done.seconds, 3),
            **seen.told,
        )


def count(loaded: "Loaded", predictions: list[AnyPrediction]) -> None:
    """Add predictions to the metrics."""
    for one in predictions:
        for counter in _counters(loaded, one):
            counter.inc()


def _counters(loaded: "Loaded", one: AnyPrediction) -> list[Any]:
    """Those that a prediction is counted by."""
    found = []
    if isinstance(one, Prediction):
        found.append(_answers(loaded, one.label))
        if one.abstains:
            found.append(metrics.ABSTAINED.labels(loaded.version))
    else:
        found.append(_answers(loaded, "numbers" if hasattr(one, "values") else "image"))
    novelty = getattr(one, "novelty", None)
    if novelty is not None and novelty.novel:
        found.append(metrics.NOVEL.labels(loaded.version))
    if one.warnings:
        found.append(metrics.WARNED.labels(loaded.version))
    return found


def _answers(loaded: "Loaded", label: str) -> Any:
    named = len(loaded.predictor.classes) <= metrics.LINES
    return _counter(loaded.version, label if named or label in ("numbers", "image") else "a class")


@lru_cache(maxsize=256)
def route_of(path: str) -> str:
    """The address as it is counted: by its name, or together with those of its kind."""
    if path in COUNTED:
        return path
    if path.startswith("/v2/"):
        return "/v2/.../infer" if path.endswith("/infer") else "/v2/..."
    return "other"


# Finding a child by its labels costs as much as counting: each is found once.
@lru_cache(maxsize=1024)
def _counter(version: str, answer: str) -> Any:
    return metrics.PREDICTIONS.labels(version, answer)


@lru_cache(maxsize=512)
def _requests(path: str, status: int) -> Any:
    return metrics.REQUESTS.labels(path, str(status))


@lru_cache(maxsize=64)
def _latency(path: str) -> Any:
    return metrics.LATENCY.labels(path)
