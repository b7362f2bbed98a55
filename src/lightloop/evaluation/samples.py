"""Generation: images that a model makes, held against real ones.

A record is a test image with a noise vector beside it. The model makes an image of the noise; nothing ties that image
to the real one but that both are drawn together in a resample, so that intervals hold the chance in either.

Shapes: N records, D features, R weightings, C channels, H height, W width.
"""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_images, picture
from lightloop.data.splits import SplitName
from lightloop.errors import LightloopError
from lightloop.evaluation.draws import Draws
from lightloop.evaluation.evidence import Resampling, lists, matrix, metrics_content, write_table
from lightloop.evaluation.features import Judge
from lightloop.evaluation.frechet import Moments, frechet, radii, squared_distances, within
from lightloop.evaluation.metrics import Counts, Floats
from lightloop.evaluation.problem import Answers, Problem
from lightloop.evaluation.problem import Floats as AnyFloats
from lightloop.files import replacing, write_json
from lightloop.project import Project

METRICS = ("frechet", "sample_precision", "sample_recall")
# Numbers of noise beside each record, at least: a champion with another latent space is asked the same questions.
NOISE = 512
MISTAKES = 24
COLUMNS = {"model": "image", "baseline": "baseline_image"}
JUDGE = "judge"
PIXELS = np.uint8


class Samples(Problem):
    """Generation: answers are images (N, C, H, W), uint8."""

    answer = "image"
    metrics = METRICS

    def prepare(self, config: Config, project: Project, splits: Mapping[SplitName, pa.Table]) -> None:
        """Make the judge of generated images from the labelled images that are not of the test split.

        The one place where an evaluation needs torch; the gate, which has none, reads the judge from the predictions.
        """
        from lightloop.tasks.judge import judge_graph, read_judge

        spec = self.spec
        assert isinstance(spec, ImageSpec)
        trained = read_judge(spec, [splits["train"], splits["validation"]], project.scratch)
        self.judge = Judge(judge_graph(trained, spec))

    def questions(self, config: Config, test: pa.Table) -> pa.Table:
        """The test records with `noise`, lists of standard normal numbers, float32, drawn from the seed."""
        size = max(NOISE, int(config.network.arguments().get("latent", 0)))
        noise = np.random.default_rng(config.seed).standard_normal((len(test), size), dtype=np.float32)
        return test.append_column("noise", lists(noise))

    def write(self, config: Config, project: Project, questions: pa.Table, model: Answers, baseline: Answers) -> None:
        spec = self.spec
        assert isinstance(spec, ImageSpec)
        real_NCHW = decode_images(questions["image"].to_pylist(), spec.size, spec.channels)
        images = {"model": self.checked(model, "the model"), "baseline": self.checked(baseline, "the baseline")}
        real_ND = self.judge.features(real_NCHW)
        judged = {who: self.judge.judged(pixels.astype(PIXELS)) for who, pixels in images.items()}
        ids = questions["id"].to_pylist()
        likeness = [spec.classes[code] for code in judged["model"][1]]
        table = pa.table(
            {
                "id": questions["id"],
                "label": questions["label"],
                "prediction": pa.array(likeness, pa.string()),
                **{COLUMNS[who]: encoded(pixels.astype(PIXELS)) for who, pixels in images.items()},
                "real_features": lists(real_ND),
                # In the first row: schema metadata would be stored several times over.
                JUDGE: pa.array([self.judge.graph, *[None] * (len(ids) - 1)], pa.binary()),
            }
        )
        write_table(project.predictions, table)
        ours, simpler = (SampleScores(real_ND, judged[who][0]) for who in ("model", "baseline"))
        write_json(project.metrics, metrics_content(ours, simpler, config.gate.metric, Resampling.of(config)))
        write_json(project.mistakes, mistakes_content(ids, likeness, real_ND, judged["model"][0]))
        # Of the other problems; the pipeline asks every problem for all files.
        write_json(project.classes, [])
        write_json(project.horizons, [])
        with replacing(project.confusion) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(["actual", "predicted"])

    def scorer(
        self, predictions: pa.Table, answers_NM: AnyFloats, names: Collection[str] | None = None
    ) -> "SampleScores":
        features_ND = judge_of(predictions).features(answers_NM.astype(PIXELS))
        return SampleScores(matrix(predictions, "real_features"), features_ND)

    def written(self, predictions: pa.Table, who: str) -> AnyFloats:
        """Levels (N, C, H, W), float32, so that a difference of two of them is one."""
        spec = self.spec
        assert isinstance(spec, ImageSpec)
        pixels = decode_images(predictions.column(COLUMNS[who]).to_pylist(), spec.size, spec.channels)
        return pixels.astype(np.float32)

    def different(self, first_NM: AnyFloats, second_NM: AnyFloats, predictions: pa.Table | None = None) -> int:
        """Images of which a pixel differs by more than the one level that rounding can make."""
        gap_N = np.abs(first_NM.astype(np.float32) - second_NM.astype(np.float32)).reshape(len(first_NM), -1).max(1)
        return int((gap_N > 1).sum())

    def comparable(self, champion: Mapping[str, Any], answers_NM: AnyFloats) -> AnyFloats | str:
        spec = self.spec
        assert isinstance(spec, ImageSpec)
        wanted = (spec.channels, *spec.size)
        if answers_NM.shape[1:] != wanted:
            came = " x ".join(str(length) for length in answers_NM.shape[1:])
            return f"it makes images of {came}, not {' x '.join(str(length) for length in wanted)}"
        return answers_NM


class SampleScores:
    """The metrics of generated images, as functions of the records' weights (see `bootstrap.Scorer`).

    Precision and recall hold the drawn images against the manifold of all images of the other kind: drawn with
    repetition, images would be their own neighbours.

    Args:
        real_ND: features of the real images.
        samples_ND: features of as many generated ones.

    Raises:
        ValueError: they are not as many, or fewer than two.

    Examples:
        >>> features = np.random.default_rng(0).normal(size=(50, 3))
        >>> SampleScores(features, features).scores(np.ones((1, 50), dtype=np.int32))["sample_recall"].tolist()
        [1.0]
    """

    names = METRICS

    def __init__(self, real_ND: AnyFloats, samples_ND: AnyFloats) -> None:
        if real_ND.shape != samples_ND.shape or len(real_ND) < 2:
            raise ValueError(
                f"features of as many real images as generated ones, at least 2, were expected, but {real_ND.shape} "
                f"and {samples_ND.shape} came"
            )
        self.records = len(real_ND)
        self.draws = Draws(self.records)
        self.real_ND, self.samples_ND = real_ND.astype(np.float64), samples_ND.astype(np.float64)
        origin_D = self.real_ND.mean(0)
        self.moments = Moments(self.real_ND, origin_D), Moments(self.samples_ND, origin_D)
        self._last: tuple[Counts, Floats] | None = None

    @cached_property
    def inside(self) -> Floats:
        """Columns (N, 2): whether a generated image lies among the real ones, and a real one among the generated."""
        return np.stack([within(self.samples_ND, self.real_ND), within(self.real_ND, self.samples_ND)], axis=1)

    def scores(self, weights_RN: Counts) -> dict[str, Floats]:
        """Each metric's value (R,) for each weighting."""
        shares_R2 = weights_RN.astype(np.float64) @ self.inside / weights_RN.sum(1, keepdims=True)
        return {
            "frechet": self._distances(weights_RN),
            "sample_precision": shares_R2[:, 0],
            "sample_recall": shares_R2[:, 1],
        }

    def noise(self, weights_RN: Counts) -> dict[str, Floats]:
        """How far (R,) each weighting moved the distance, to which noise only adds."""
        return {"frechet": np.abs(self._distances(weights_RN) - self._point)}

    @cached_property
    def _point(self) -> float:
        return float(self._distances(np.ones((1, self.records), dtype=np.int32))[0])

    def _distances(self, weights_RN: Counts) -> Floats:
        # Asked twice for the same weights: for the scores and for their noise.
        if self._last is None or self._last[0] is not weights_RN:
            real, samples = (moments.of(weights_RN) for moments in self.moments)
            self._last = weights_RN, frechet(real, samples)
        return self._last[1]


def mistakes_content(
    ids: Sequence[str], likeness: Sequence[str], real_ND: AnyFloats, samples_ND: AnyFloats, most: int = MISTAKES
) -> list[dict[str, Any]]:
    """mistakes.json: the images that look least real: farthest out of the manifold of the real ones.

    `outside` is the least of the distances to real images, each over the radius of that image's ball: above 1 an image
    lies outside. Records are named by the noise that they were made of; `prediction` is the class they look like.
    """
    reach_N = np.maximum(radii(np.asarray(real_ND, np.float64)), np.finfo(np.float64).tiny)
    outside_N = np.sqrt((squared_distances(samples_ND, real_ND) / reach_N).min(1))
    worst = np.argsort(-outside_N, kind="stable")[:most]
    return [
        {"id": ids[row], "prediction": likeness[row], "outside": float(outside_N[row])}
        for row in worst
        if outside_N[row] > 1
    ]


def judge_of(predictions: pa.Table) -> Judge:
    """The judge that the evaluate stage used, which travels with its predictions.

    Raises:
        LightloopError: there is none.
    """
    content = predictions[JUDGE][0].as_py() if JUDGE in predictions.column_names and len(predictions) else None
    if content is None:
        raise LightloopError("predictions.parquet holds no classifier to judge images by: run the evaluate stage again")
    return Judge(content)


def encoded(pixels_NCHW: NDArray[np.uint8]) -> pa.Array:
    """Images as PNG."""

    def png(pixels_CHW: NDArray[np.uint8]) -> bytes:
        buffer = io.BytesIO()
        picture(pixels_CHW).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    with ThreadPoolExecutor(max_workers=4) as pool:
        return pa.array(list(pool.map(png, pixels_NCHW)), pa.binary())
