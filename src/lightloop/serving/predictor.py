"""A bundle that answers: verified, opened with ONNX Runtime; raw records in, answers and how sure they are out.

Shapes: N records, C channels, H height, W width, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.inputs import Feeds
from lightloop.errors import LightloopError
from lightloop.serving.manifest import ANEW, GRAPH, PREPROCESSING, Manifest, read_manifest, verify_bundle

ort.disable_telemetry_events()
WARNINGS_OFF = 3


@dataclass(frozen=True)
class Prediction:
    """The answer for one record, a class.

    Attributes:
        label: the class that the bundle's rule decides for: mostly the most probable one, else what its threshold or
            costs say; of equal ones the first in the order of the classes.
        probability: of that class, 0 to 1.
        probabilities: of every class, in the order of the predictor's `classes`.
        possible: the classes that the truth is among, with the chance that `level` says; all where nothing is known.
        level: of the conformal set; None where the bundle has none.
        abstains: whether the model would rather leave the record to a person.
    """

    label: str
    probability: float
    probabilities: tuple[float, ...]
    possible: tuple[str, ...] = ()
    level: float | None = None
    abstains: bool = False


@dataclass(frozen=True)
class NumberPrediction:
    """The answer for one record, one or several numbers in the target's unit.

    Attributes:
        values: H numbers.
        intervals: for each the two ends between which the truth is, with the chance that `level` says; None for an end
            of which nothing is known.
        level: of the conformal intervals; None where the bundle has none.
    """

    values: tuple[float, ...]
    intervals: tuple[tuple[float | None, float | None], ...]
    level: float | None = None


class Predictor:
    """A model that answers, made by `Predictor.load`. Safe to be used by several threads at once.

    Attributes:
        manifest: what the bundle says of itself.
        classes: label names in the order of the probabilities.
        digest: SHA-256 that stands for all files of the bundle.
        files: of the preprocessing, by name.
        background: what `serving.explainer` compares records with, by name; empty where it needs nothing.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        manifest: Manifest,
        files: Mapping[str, bytes],
        digest: str,
        background: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self._session = session
        self.files = files
        self.background = background or {}
        self.manifest = manifest
        self.classes = manifest.classes
        self.digest = digest

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> "Predictor":
        """Verify and open a bundle.

        Args:
            folder: of the bundle, as the export stage writes it.
            threads: that work on one batch. With one, many predictors share a machine without getting in each
                other's way; more answer a single large batch faster.

        Raises:
            LightloopError: a file is changed, missing or extra; or the graph is not what the manifest says.
        """
        digest = verify_bundle(folder)
        manifest = read_manifest(folder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = WARNINGS_OFF
        # Waiting threads that spin take the processor from the ones that work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common base
            reason = " ".join(str(error).split())
            raise LightloopError(f"{folder / GRAPH} does not open ({reason}): {ANEW}") from None
        _check_graph(session, manifest, folder)
        files = {name: (folder / PREPROCESSING / name).read_bytes() for name in manifest.files}
        return cls(session, manifest, files, digest, _read_background(folder, manifest))

    def answers(self, table: pa.Table, batch_size: int = 256) -> dict[str, NDArray[Any]]:
        """The answers to raw records by name, (N, ...) each, in the order of the records.

        Args:
            table: with the feature columns as `data.records.read_records` gives them.
            batch_size: see `run`.

        Raises:
            RefusedError: a record is not as the manifest's input says.
        """
        return self.run(self.manifest.input.encode(table, self.files), batch_size)

    def run(self, feeds: Feeds, batch_size: int = 256) -> dict[str, NDArray[Any]]:
        """The graph's answers to encoded records.

        Args:
            feeds: arrays (N, ...) by the names, dtypes and shapes of `manifest.input.feeds`.
            batch_size: how many records are held as activations at once; it changes speed and memory, not answers
                (but for rounding, about 1e-6).

        Returns:
            By the names of `manifest.outputs`, (N, ...) each.

        Raises:
            LightloopError: a wrong name, shape or dtype.
        """
        records = self._checked(feeds)
        if batch_size < 1:
            raise LightloopError(f"batch_size is {batch_size}: expected 1 or more")
        names = [output.name for output in self.manifest.outputs]
        parts = []
        # No records are one empty batch, so that the answers have their shapes.
        for start in range(0, max(records, 1), batch_size):
            rows = slice(start, start + batch_size)
            batch = {name: np.ascontiguousarray(values[rows]) for name, values in feeds.items()}
            parts.append(self._session.run(names, batch))
        return {name: np.concatenate(chunks) for name, chunks in zip(names, zip(*parts, strict=True), strict=True)}

    def _checked(self, feeds: Feeds) -> int:
        """The number of records of feeds that fit."""
        expected = self.manifest.input.feeds
        if feeds.keys() != expected.keys():
            raise LightloopError(f"inputs are {', '.join(feeds)}: this bundle expects {', '.join(expected)}")
        for name, (dtype, shape) in expected.items():
            values = feeds[name]
            if not isinstance(values, np.ndarray) or values.dtype.name != dtype:
                came = getattr(values, "dtype", type(values).__name__)
                raise LightloopError(f"{name} is {came}: expected a NumPy array of {dtype}")
            fits = values.ndim == len(shape) and all(
                wanted in (None, came) for wanted, came in zip(shape, values.shape, strict=True)
            )
            if not fits:
                words = ", ".join("N" if number is None else str(number) for number in shape)
                raise LightloopError(f"{name} has the shape {values.shape}: this bundle expects ({words})")
        sizes = {name: len(values) for name, values in feeds.items()}
        if len(set(sizes.values())) != 1:
            raise LightloopError(f"inputs have different numbers of records ({sizes}): expected the same")
        return next(iter(sizes.values()))

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """The answer for each encoded image (PNG, JPEG and whatever else Pillow reads), of any size and colour.

        Raises:
            RefusedError: an image does not decode.
        """
        return self.classify(pa.table({"image": pa.array(images, pa.large_binary())}))

    def classify(self, table: pa.Table) -> list[Prediction]:
        """The class of each raw record, with how sure it is.

        Raises:
            RefusedError: a record is not as the manifest's input says.
            LightloopError: the bundle answers no classes.
        """
        p_NK = self._answered(table, "probabilities")["probabilities"]
        codes_N, sets_NK, abstains_N = self.decide(p_NK), self.sets(p_NK), self.abstains(p_NK)
        level = self.level
        return [
            Prediction(
                self.classes[code],
                row[code],
                tuple(row),
                tuple(name for name, inside in zip(self.classes, possible, strict=True) if inside),
                level,
                abstains,
            )
            for row, code, possible, abstains in zip(
                p_NK.tolist(), codes_N.tolist(), sets_NK.tolist(), abstains_N.tolist(), strict=True
            )
        ]

    def forecast(self, table: pa.Table) -> list[NumberPrediction]:
        """The numbers of each raw record, with their intervals.

        Raises:
            RefusedError: a record is not as the manifest's input says.
            LightloopError: the bundle answers no numbers.
        """
        answers = self._answered(table, "prediction")
        ends_NH2, level = self.intervals(answers), self.level
        return [
            NumberPrediction(
                tuple(values),
                tuple((low if isfinite(low) else None, high if isfinite(high) else None) for low, high in ends),
                level,
            )
            for values, ends in zip(answers["prediction"].tolist(), ends_NH2.tolist(), strict=True)
        ]

    @property
    def level(self) -> float | None:
        """Of the conformal sets or intervals that are answered with; None where there are none."""
        conformal = self.manifest.rules.conformal
        return conformal.at().level if conformal else None

    def decide(self, probabilities_NK: NDArray[Any]) -> NDArray[np.int64]:
        """The class (N,) that the bundle's rule decides for, as a place in `classes`."""
        return self.manifest.rules.decision.decide(probabilities_NK)

    def sets(self, probabilities_NK: NDArray[Any], level: float | None = None) -> NDArray[np.bool_]:
        """Which classes (N, K) the truth is among, with the chance `level`, by default the bundle's first.

        Raises:
            LightloopError: the bundle knows no such level.
        """
        return self.manifest.rules.sets(probabilities_NK, level)

    def intervals(self, answers: Mapping[str, NDArray[Any]], level: float | None = None) -> NDArray[np.floating[Any]]:
        """The ends (N, H, 2) between which the truth is, of what `answers` gave; see `sets`."""
        return self.manifest.rules.intervals(answers["prediction"], answers.get("quantiles"), level)

    def abstains(self, probabilities_NK: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the model would rather leave a record to a person (N,)."""
        return self.manifest.rules.abstains(probabilities_NK)

    def _answered(self, table: pa.Table, wanted: str) -> dict[str, NDArray[Any]]:
        if self.manifest.answer != wanted:
            raise LightloopError(f"this bundle answers {self.manifest.answer}, not {wanted}: ask it by `answers`")
        return self.answers(table)


def _read_background(folder: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    if manifest.explaining is None or manifest.explaining.file is None:
        return {}
    with np.load(folder / manifest.explaining.file) as arrays:  # no pickled objects: NumPy refuses them
        return dict(arrays)


def _check_graph(session: ort.InferenceSession, manifest: Manifest, folder: Path) -> None:
    said = {name: shape[1:] for name, (_, shape) in manifest.input.feeds.items()}
    said |= {out.name: out.shape[1:] for out in manifest.outputs}
    found = {
        # A number that is not fixed has a name in the graph.
        node.name: tuple(length if isinstance(length, int) else None for length in node.shape[1:])
        for node in (*session.get_inputs(), *session.get_outputs())
    }
    judged = dict(said).get(manifest.answer)
    if said != found or judged is None or (manifest.classes and judged != (len(manifest.classes),)):
        raise LightloopError(f"{folder / GRAPH} has {found}, but bundle.json says {said}: {ANEW}")
