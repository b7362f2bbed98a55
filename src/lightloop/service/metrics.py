"""Prometheus metrics of the service.

With several workers each writes its own file in the folder of PROMETHEUS_MULTIPROC_DIR, which must be set before this
module is imported, and whichever is asked adds them up.
"""

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("lightloop_requests", "Answered requests.", ["path", "status"])
LATENCY = Histogram("lightloop_request_seconds", "Seconds from a request to its answer.", ["path"], buckets=SECONDS)
IN_HAND = Gauge("lightloop_requests_in_hand", "Requests that are being answered.", multiprocess_mode="livesum")
PREDICTIONS = Counter("lightloop_predictions", "Answered records by what came of them.", ["version", "answer"])
ABSTAINED = Counter("lightloop_abstentions", "Records that the model would rather leave to a person.", ["version"])
NOVEL = Counter("lightloop_novel_records", "Records that are unlike the training records.", ["version"])
WARNED = Counter("lightloop_warned_records", "Records with a warning.", ["version"])
FEEDBACK = Counter("lightloop_feedback", "Stored feedback.", ["version"])
LOGGED = Counter("lightloop_log_rows", "Answered records that are written to the log.")
LOG_DROPPED = Counter("lightloop_log_dropped", "Answered records that are not in the log, by why.", ["why"])
LOG_FAILURES = Counter("lightloop_log_failures", "Times that the log could not be written.")
LINES: Final = 100  # classes that have a counter of their own; the others share one


def exposition() -> bytes:
    """All metrics, of all workers, in Prometheus' text format."""
    if os.environ.get(FOLDER):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)
    return generate_latest(REGISTRY)
