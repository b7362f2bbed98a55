"""Clients: a day's records are asked over HTTP one by one, and what turned out to be true is told."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import Any

import httpx
import numpy as np

from lightloop.errors import LightloopError
from lightloop.simulation.records import Asked

CLIENTS = 4
BATCH = 80  # requests for which the clock stands still
SECONDS = 30.0


@dataclass(frozen=True)
class Day:
    """What clients saw on a day.

    Attributes:
        asked: records.
        failed: requests without an answer.
        right: answers that turned out to be right.
        versions: answers by release.
        labelled: answers whose truth was told.
    """

    asked: int
    failed: int
    right: int
    versions: dict[str, int]
    labelled: int

    @property
    def accuracy(self) -> float | None:
        """Of what was answered."""
        answered = self.asked - self.failed
        return self.right / answered if answered else None


class Clients:
    """Asks a service.

    Args:
        address: of the service.
        labels: share of the predictions whose truth is told.
        seed: of which they are.
    """

    def __init__(self, address: str, labels: float, seed: int) -> None:
        self._address = address
        self._labels = labels
        self._random = np.random.default_rng(seed)
        self._local = local()
        self._open: list[httpx.Client] = []

    def close(self) -> None:
        for client in self._open:
            client.close()

    def day(self, records: Sequence[Asked], turn: Callable[[float], None]) -> Day:
        """Ask all records of a day.

        Args:
            records: in order.
            turn: sets the clock to a part of the day, 0 to 1.
        """
        told_N = self._random.random(len(records)) < self._labels
        outcomes: list[tuple[str | None, str | None]] = []
        with ThreadPoolExecutor(CLIENTS) as pool:
            for start in range(0, len(records), BATCH):
                turn(start / len(records))
                batch = zip(records[start : start + BATCH], told_N[start : start + BATCH], strict=True)
                outcomes += pool.map(lambda one: self._ask(*one), batch)
        versions = Counter(version for version, _ in outcomes if version is not None)
        right = sum(label == one.label for (_, label), one in zip(outcomes, records, strict=True))
        failed = sum(version is None for version, _ in outcomes)
        return Day(len(records), failed, right, dict(versions), int(told_N.sum()))

    def _ask(self, asked: Asked, told: bool) -> tuple[str | None, str | None]:
        """Version and label of the answer; None where there is none."""
        answer = self._post("/v1/predict", asked.record)
        if answer is None:
            return None, None
        if (
            told
            and self._post("/v1/feedback", {"prediction_id": answer["prediction_id"], "label": asked.label}) is None
        ):
            raise LightloopError("the service took no feedback: its log says why")
        return str(answer["model_version"]), str(answer["label"])

    def _post(self, path: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """An answer, or None: a service that changes hands may close a connection that was idle; it is asked again."""
        for wait in (0.05, 0.5, None):
            try:
                answer = self._client().post(path, json=content)
            except httpx.TransportError:
                if wait is None:
                    return None
                time.sleep(wait)
                continue
            if answer.status_code == 429 and wait is not None:
                time.sleep(wait)
                continue
            if 400 <= answer.status_code < 500 and answer.status_code != 429:
                raise LightloopError(f"the service refuses a record of the simulation: {answer.text[:200]}")
            found: dict[str, Any] | None = answer.json() if answer.is_success else None
            return found
        return None

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = httpx.Client(base_url=self._address, timeout=SECONDS)
            self._local.client = client
            self._open.append(client)
        return client
