"""A bundle that answers requests: verified, opened, checked on its own golden records, warm."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.data.inputs import Feeds
from lightloop.errors import RefusedError
from lightloop.service.rows import ShortWay, short_way
from lightloop.service.schemas import Models
from lightloop.serving.golden import check_golden
from lightloop.serving.one import One, one_of
from lightloop.serving.predictions import Prediction
from lightloop.serving.predictor import Predictor, Scored

FEW = 64  # records that the short way pays for
FEWEST = 4  # records that are judged sooner one by one than together
WARM = 5  # answers before requests come: the first ones also allocate


@dataclass(frozen=True, eq=False)
class Loaded:
    """What `Loaded.open` made of a bundle's folder. Nothing of it changes.

    Attributes:
        predictor: that answers.
        version: of the release, or the first digits of the digest where the bundle is no release.
        digest: SHA-256 that stands for all files of the bundle.
        models: of the bodies that it takes.
        seconds: for one record, from the record to the answer, as it was measured when it was opened.
        about: what is known of the release beside the bundle, such as its metrics; for `/v1/metadata`.
    """

    predictor: Predictor
    version: str
    digest: str
    models: Models
    seconds: float = math.inf
    about: Mapping[str, Any] = field(default_factory=dict)
    _short: ShortWay | None = None
    _one: One | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        version: str | None = None,
        threads: int = 1,
        *,
        most: int = 1000,
        novelty: bool = True,
        about: Mapping[str, Any] | None = None,
    ) -> "Loaded":
        """Open a bundle, or say why it must not answer.

        Args:
            folder: of the bundle.
            version: of the release.
            threads: of ONNX Runtime.
            most: records that one request may hold.
            novelty: whether answers say how unlike the training records a record is.
            about: facts of the release: `metrics` (a name: number mapping) and `card` (Markdown), each where known.

        Raises:
            LightloopError: a file is changed, missing or extra, the graph is not what the manifest says, or a golden
                record is answered otherwise than when it was released.
        """
        predictor = Predictor.load(folder, threads=threads)
        check_golden(predictor)
        if not novelty:
            predictor.reference = None
        loaded = cls(
            predictor=predictor,
            version=version or predictor.digest[:12],
            digest=predictor.digest,
            models=Models(predictor.manifest, predictor.golden.records, most),
            about=about or {},
            _short=short_way(predictor.manifest),
            _one=one_of(predictor.manifest, predictor.reference),
        )
        return replace(loaded, seconds=loaded.warm())

    def score(self, records: list[dict[str, Any]]) -> Scored:
        """What is to be said of checked records, as arrays; see `Predictor.score`.

        Raises:
            RefusedError: the graph has no answer to a record, or can't take it.
        """
        # Numbers that are too large for float32 together are told below, as a fault of the record.
        with np.errstate(over="ignore", invalid="ignore"):
            short = self._short.short(records) if self._short is not None and len(records) <= FEW else None
            if short is not None:
                return self.finite(self.predictor.judged(short.feeds, short.warnings))
            return self.finite(self.predictor.score(self.predictor.table(records)))

    def one(self, record: dict[str, Any]) -> tuple[Prediction, Feeds] | None:
        """As `several`, of a single record."""
        found = self.several([record])
        return None if found is None else (found[0][0], found[1])

    def several(self, records: list[dict[str, Any]]) -> tuple[list[Prediction], Feeds] | None:
        """The answers for a few records with classes, and what the graph was asked; None where `score` has to say.

        They are those of `score`, in fewer steps (`serving.one`), which `FEWEST` records pay for: the graph is asked
        once, what it answers is judged record by record.

        Raises:
            RefusedError: a record is not as the manifest's input says.
        """
        if self._one is None or self._short is None or len(records) > FEWEST:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            short = self._short.short(records)
            if short is None:
                return None
            answers, found = self.predictor.run_whole(short.feeds), []
            for row, warnings in enumerate(short.warnings):
                prediction = self._one(_row(short.feeds, row), _row(answers, row), warnings)
                if prediction is None:
                    return None
                found.append(prediction)
        return found, short.feeds

    def finite(self, scored: Scored) -> Scored:
        """The same, where all answers are finite numbers.

        Raises:
            RefusedError: one is not.
        """
        if not np.isfinite(scored.answers[self.predictor.manifest.answer]).all():
            raise RefusedError("the model has no finite answer to this record: its numbers are too large together")
        return scored

    def warm(self) -> float:
        """Answer the examples a few times; the median of seconds for one of them."""
        spent = []
        for number in range(2 * WARM):
            record = self.models.examples[number % len(self.models.examples)]
            start = time.perf_counter()
            if self.one(record) is None:
                self.predictor.told(self.score([record]))
            spent.append(time.perf_counter() - start)
        return median(spent[WARM:])


def _row(arrays: Mapping[str, NDArray[Any]], row: int) -> dict[str, NDArray[Any]]:
    """A single record of several."""
    return {name: values[row : row + 1] for name, values in arrays.items()}
