"""What is loaded, and which of it answers a request: the current release, and a candidate that is tried beside it.

A change of release is one reference that is set; requests in flight keep the release that they began with.
"""

import queue
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from starlette.requests import Request

from lightloop.service.tally import Tally

if TYPE_CHECKING:
    from lightloop.service.loaded import Loaded

Shadowed = Callable[["Loaded", Sequence[str], pa.Table, dict[str, NDArray[Any]]], None]
HEADER: Final = "x-lightloop-release"  # a client that sends it with `canary` or `current` chooses for itself
WAITING: Final = 64  # comparisons that may wait; more are left out, never waited for


@dataclass(frozen=True)
class Candidate:
    """A release that is tried beside the current one.

    Attributes:
        loaded: the release.
        mode: `canary` answers a share of the requests; `shadow` answers none, it is only compared.
        share: of the requests that a canary answers, or that a shadow is asked too; 0 to 1.
    """

    loaded: "Loaded"
    mode: Literal["canary", "shadow"]
    share: float


class Slots:
    """The releases of one process. All methods may be called by any thread; none of them waits.

    Attributes:
        current: the release that answers.
        candidate: that is tried, or None.
        tallies: what each release did since it was loaded here, by its digest.
        shadowed: told what a shadow answered: its release, the ids of the answers that were given, records, answers.
    """

    def __init__(self, current: "Loaded", *, trouble: Callable[[], str | None] = lambda: None) -> None:
        """Begin with one release.

        Args:
            current: that answers.
            trouble: why the service as a whole is not ready, as one sentence, or None; see `trouble`.
        """
        self.current = current
        self.candidate: Candidate | None = None
        self.tallies: dict[str, Tally] = {current.digest: Tally()}
        self._trouble = trouble
        self.shadowed: Shadowed | None = None
        self._waiting: queue.Queue[tuple[pa.Table, Loaded, Mapping[str, NDArray[Any]], Sequence[str]]]
        self._waiting = queue.Queue(WAITING)
        self._comparing: threading.Thread | None = None

    def trouble(self) -> str | None:
        """Why the service is not ready (a worker is dead or loads still, or this one stops), or None when it is."""
        return self._trouble()

    def pick_for(self, request: Request) -> "Loaded":
        """The release that answers a request; its headers are looked at where that depends on them."""
        candidate = self.candidate
        return self.current if candidate is None else self.pick(request.headers)

    def pick(self, headers: Mapping[str, str]) -> "Loaded":
        """The release that answers a request.

        Args:
            headers: of the request, by names in small letters; `x-lightloop-release: canary` asks for the candidate.
        """
        candidate = self.candidate
        if candidate is None or candidate.mode == "shadow":
            return self.current
        wanted = headers.get(HEADER)
        if wanted == "canary" or (wanted != "current" and random.random() < candidate.share):  # noqa: S311
            return candidate.loaded
        return self.current

    def observe(self, loaded: "Loaded", *, failed: bool, seconds: float) -> None:
        """Count an answered request.

        Args:
            loaded: the release that answered.
            failed: whether the fault was ours (a status of 500 or more).
            seconds: that the answer took.
        """
        tally = self.tallies.get(loaded.digest)
        if tally is not None:
            tally.add(failed=failed, seconds=seconds)

    def compare(
        self, records: pa.Table, loaded: "Loaded", answers: Mapping[str, NDArray[Any]], ids: Sequence[str] = ()
    ) -> None:
        """Have the other release answer the same records, later and in another thread, and count where they differ.

        Args:
            records: the raw records of a request.
            loaded: the release that answered them.
            answers: of it, as `Predictor.answers` gives them.
            ids: of the predictions.
        """
        candidate = self.candidate
        if candidate is None:
            return
        if loaded is self.current and (candidate.mode == "canary" or random.random() >= candidate.share):  # noqa: S311
            return
        try:
            self._waiting.put_nowait((records, loaded, answers, ids))
        except queue.Full:
            return

    def swap(self, loaded: "Loaded") -> None:
        """Let another release answer from now on; a candidate that it is, is none any more."""
        self.tallies.setdefault(loaded.digest, Tally())
        if self.candidate is not None and self.candidate.loaded.digest == loaded.digest:
            self.candidate = None
        self.current = loaded
        self._forget()

    def offer(self, candidate: Candidate | None) -> None:
        """Try a release beside the current one, or none any more. Both are counted anew, to be compared."""
        if candidate is not None:
            self.tallies = {self.current.digest: Tally(), candidate.loaded.digest: Tally()}
            if self._comparing is None:
                self._comparing = threading.Thread(target=self._compare, name="compare", daemon=True)
                self._comparing.start()
        self.candidate = candidate
        self._forget()

    def _forget(self) -> None:
        loaded = {self.current.digest} | ({self.candidate.loaded.digest} if self.candidate else set())
        self.tallies = {digest: tally for digest, tally in self.tallies.items() if digest in loaded}

    def _compare(self) -> None:
        while True:
            records, loaded, answers, ids = self._waiting.get()
            candidate = self.candidate
            if candidate is None:
                continue
            other = self.current if loaded.digest == candidate.loaded.digest else candidate.loaded
            tally = self.tallies.get(candidate.loaded.digest)
            if tally is None or other.digest == loaded.digest:
                continue
            try:
                theirs = other.predictor.answers(records)
                tally.compared(records.num_rows, _differing(loaded, answers, theirs, other))
                if candidate.mode == "shadow" and self.shadowed is not None and ids:
                    self.shadowed(other, ids, records, theirs)
            except Exception:  # noqa: BLE001 - whatever a candidate raises counts against it
                tally.compared(records.num_rows, records.num_rows)


def _differing(
    one: "Loaded", answers: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]], other: "Loaded"
) -> int:
    """How many records two releases answer differently: another class, or a number further off than its interval."""
    name = one.predictor.manifest.answer
    if other.predictor.manifest.answer != name:
        return len(next(iter(theirs.values())))
    if name == "probabilities":
        ours_N = np.asarray(one.predictor.classes)[one.predictor.decide(answers[name])]
        theirs_N = np.asarray(other.predictor.classes)[other.predictor.decide(theirs[name])]
        return int((ours_N != theirs_N).sum())
    if answers[name].shape != theirs[name].shape:
        return len(theirs[name])
    if name == "prediction":
        ends_NH2 = one.predictor.intervals(answers)
        outside_NH = (theirs[name] < ends_NH2[..., 0]) | (theirs[name] > ends_NH2[..., 1])
        return int(outside_NH.reshape(len(outside_NH), -1).any(axis=1).sum())
    return 0  # samples of two generators are never the same
