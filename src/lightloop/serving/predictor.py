"""A bundle that answers: verified, opened with ONNX Runtime; raw records in, answers and how sure they are out.

Shapes: N records, C channels, H height, W width, K classes.
"""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.data.inputs import Feeds
from lightloop.data.text.input import TextInput
from lightloop.errors import LightloopError
from lightloop.serving.golden import Golden, read_golden
from lightloop.serving.manifest import ANEW, GRAPH, PREPROCESSING, Manifest, read_manifest, verify_bundle
from lightloop.serving.novelty import Reference, read_reference
from lightloop.serving.predictions import AnyPrediction, Novelty, NumberPrediction, Prediction, Sample, Scored
from lightloop.serving.ranges import sizes_of, warnings_of
from lightloop.serving.records import Records, to_table
from lightloop.serving.signature import check_signature

WARNINGS_OFF = 3

__all__ = ["Novelty", "NumberPrediction", "Prediction", "Predictor", "Sample", "Scored"]


class Predictor:
    """A model that answers, made by `Predictor.load`. Safe to be used by several threads at once.

    Attributes:
        manifest: what the bundle says of itself.
        classes: label names in the order of the probabilities.
        digest: SHA-256 that stands for all files of the bundle.
        files: of the preprocessing, by name.
        background: what `serving.explainer` compares records with, by name; empty where it needs nothing.
        golden: records with the answers that were released.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        manifest: Manifest,
        files: Mapping[str, bytes],
        digest: str,
        *,
        background: Mapping[str, NDArray[Any]] | None = None,
        golden: Golden | None = None,
        reference: Reference | None = None,
    ) -> None:
        self._session = session
        self.files = files
        self.background = background or {}
        self.golden = golden or Golden()
        self.reference = reference
        self.manifest = manifest
        # Asked for each batch: worked out once.
        self._names = [output.name for output in manifest.outputs]
        self._expected = {name: (np.dtype(kind), shape) for name, (kind, shape) in manifest.input.feeds.items()}
        self.classes = manifest.classes
        self.digest = digest

    @classmethod
    def load(
        cls, folder: Path, *, threads: int = 1, public_key: Path | None = None, unsigned: bool = False
    ) -> "Predictor":
        """Verify and open a bundle.

        Args:
            folder: of the bundle, as the export stage writes it.
            threads: that work on one batch. With one, many predictors share a machine without getting in each
                other's way; more answer a single large batch faster.
            public_key: that the bundle must be signed with; default: the file that the environment variable
                `LIGHTLOOP_PUBLIC_KEY` names. Without any, signatures are not looked at.
            unsigned: look at none in any case: for who makes the bundle and signs it last.

        Raises:
            LightloopError: a file is changed, missing or extra; or the graph is not what the manifest says; or the
                bundle is not signed with the key.
        """
        digest = verify_bundle(folder)
        if not unsigned:
            check_signature(folder, public_key)
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
        return cls(
            session,
            manifest,
            files,
            digest,
            background=_read_background(folder, manifest),
            golden=read_golden(folder),
            reference=read_reference(folder, manifest),
        )

    def table(self, records: Records) -> pa.Table:
        """Records in any form as a table; see `serving.records.to_table`."""
        return to_table(self.manifest, records)

    def predict(self, records: Records) -> list[AnyPrediction]:
        """The answer for each record, in any of the forms that `serving.records.to_table` takes.

            Predictor.load(Path("artifacts/bundle")).predict([Path("shoe.png").read_bytes()])

        Returns:
            A `Prediction` of classes, a `NumberPrediction` of numbers or a `Sample` of a generator for each, in order.

        Raises:
            RefusedError: a record is not as the manifest's input says.
            UsageError: it is no list of records.
        """
        return self.told(self.score(self.table(records)))

    def score(self, table: pa.Table, batch_size: int = 256) -> Scored:
        """What is to be said of each record of a table, as arrays.

        Raises:
            RefusedError: a record is not as the manifest's input says.
        """
        schema, longer_N = self.manifest.input, None
        # Before anything is decoded: a small file can hold a huge image.
        sizes = sizes_of(schema, table)
        if isinstance(schema, TextInput):
            feeds, longer_N = schema.encode_told(table, self.files)
        else:
            feeds = schema.encode(table, self.files)
        warnings = warnings_of(self.manifest, table, feeds, sizes=sizes, longer_N=longer_N)
        return self.judged(feeds, warnings, batch_size)

    def judged(self, feeds: Feeds, warnings: list[tuple[str, ...]], batch_size: int = 256) -> Scored:
        """What is to be said of encoded records, about which there are some warnings already; see `score`."""
        answers = self.run(feeds, batch_size)
        novelty = self.reference.judge(feeds, answers) if self.reference else None
        return self.concluded(answers, warnings, novelty, feeds)

    def concluded(
        self,
        answers: dict[str, NDArray[Any]],
        warnings: list[tuple[str, ...]],
        novelty: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
        feeds: Feeds | None = None,
    ) -> Scored:
        """What the bundle's rules make of answers of the graph."""
        codes = sets = abstains = ends = None
        match self.manifest.answer:
            case "probabilities":
                p_NK = answers["probabilities"]
                codes, sets = self.decide(p_NK), self.sets(p_NK)
                abstains = self.manifest.rules.abstains(p_NK, sets)
            case "prediction":
                ends = self.intervals(answers)
        return Scored(answers, codes, sets, abstains, ends, novelty, warnings, feeds or {})

    def told(self, scored: Scored) -> list[AnyPrediction]:
        """The dataclasses of `predict`."""
        level, novelties = self.level, self._novelties(scored)
        if scored.codes is not None and scored.sets is not None and scored.abstains is not None:
            rows = zip(
                scored.answers["probabilities"].tolist(),
                scored.codes.tolist(),
                scored.sets.tolist(),
                scored.abstains.tolist(),
                novelties,
                scored.warnings,
                strict=True,
            )
            return [
                Prediction(
                    self.classes[code],
                    row[code],
                    tuple(row),
                    tuple(name for name, inside in zip(self.classes, possible, strict=True) if inside),
                    level,
                    abstains,
                    novelty,
                    warnings,
                )
                for row, code, possible, abstains, novelty, warnings in rows
            ]
        if scored.ends is not None:
            numbers = zip(
                scored.answers["prediction"].tolist(), scored.ends.tolist(), novelties, scored.warnings, strict=True
            )
            return [
                NumberPrediction(
                    tuple(values),
                    tuple((low if isfinite(low) else None, high if isfinite(high) else None) for low, high in ends),
                    level,
                    novelty,
                    warnings,
                )
                for values, ends, novelty, warnings in numbers
            ]
        images = scored.answers[self.manifest.answer]
        return [Sample(image, warnings) for image, warnings in zip(images, scored.warnings, strict=True)]

    def _novelties(self, scored: Scored) -> list[Novelty | None]:
        if scored.novelty is None or self.manifest.novelty is None:
            return [None] * len(scored.warnings)
        level = self.manifest.novelty.level
        scores, p_values = scored.novelty
        return [Novelty(score, p, p <= level) for score, p in zip(scores.tolist(), p_values.tolist(), strict=True)]

    def answers(self, table: pa.Table, batch_size: int = 256) -> dict[str, NDArray[Any]]:
        """The answers to raw records by name, (N, ...) each, in the order of the records.

        Args:
            table: with the feature columns as `data.records.read_records` gives them.
            batch_size: see `run`.

        Raises:
            RefusedError: a record is not as the manifest's input says.
        """
        return self.run(self.manifest.input.encode(table, self.files), batch_size)

    def run_whole(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """As `run`, in one piece and unchecked: for feeds that are known to fit."""
        return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))

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
        if 0 < records <= batch_size:
            return self.run_whole({name: np.ascontiguousarray(values) for name, values in feeds.items()})
        names, parts = self._names, []
        # No records are one empty batch, so that the answers have their shapes.
        for start in range(0, max(records, 1), batch_size):
            rows = slice(start, start + batch_size)
            batch = {name: np.ascontiguousarray(values[rows]) for name, values in feeds.items()}
            parts.append(self._session.run(names, batch))
        return {name: np.concatenate(chunks) for name, chunks in zip(names, zip(*parts, strict=True), strict=True)}

    def _checked(self, feeds: Feeds) -> int:
        """The number of records of feeds that fit."""
        expected = self._expected
        if feeds.keys() != expected.keys():
            raise LightloopError(f"inputs are {', '.join(feeds)}: this bundle expects {', '.join(expected)}")
        for name, (dtype, shape) in expected.items():
            values = feeds[name]
            if not isinstance(values, np.ndarray) or values.dtype != dtype:
                came = getattr(values, "dtype", type(values).__name__)
                raise LightloopError(f"{name} is {came}: expected a NumPy array of {dtype}")
            fits = values.shape[1:] == shape[1:] or (
                values.ndim == len(shape)
                and all(wanted in (None, came) for wanted, came in zip(shape, values.shape, strict=True))
            )
            if not fits:
                words = ", ".join("N" if number is None else str(number) for number in shape)
                raise LightloopError(f"{name} has the shape {values.shape}: this bundle expects ({words})")
        sizes = {name: len(values) for name, values in feeds.items()}
        if len(set(sizes.values())) != 1:
            raise LightloopError(f"inputs have different numbers of records ({sizes}): expected the same")
        return next(iter(sizes.values()))

    def classify(self, table: pa.Table) -> list[Prediction]:
        """As `predict` of a table, for a bundle that answers classes.

        Raises:
            RefusedError: a record is not as the manifest's input says.
            LightloopError: the bundle answers no classes.
        """
        self._expect("probabilities")
        return [one for one in self.told(self.score(table)) if isinstance(one, Prediction)]

    def forecast(self, table: pa.Table) -> list[NumberPrediction]:
        """As `predict` of a table, for a bundle that answers numbers.

        Raises:
            RefusedError: a record is not as the manifest's input says.
            LightloopError: the bundle answers no numbers.
        """
        self._expect("prediction")
        return [one for one in self.told(self.score(table)) if isinstance(one, NumberPrediction)]

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

    def _expect(self, wanted: str) -> None:
        if self.manifest.answer != wanted:
            raise LightloopError(f"this bundle answers {self.manifest.answer}, not {wanted}: ask it by `answers`")


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
