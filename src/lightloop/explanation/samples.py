"""What the explain stage says of generated images: whether they are copies, what lies between two, how they grew.

Shapes: N records, M training images, D features, P paths, S steps of a path, Z latent numbers, C channels, H height,
W width.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_images, picture
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import lists, matrix, read_predictions
from lightloop.evaluation.features import Judge
from lightloop.evaluation.frechet import squared_distances
from lightloop.evaluation.problem import problem_of
from lightloop.evaluation.samples import COLUMNS, judge_of
from lightloop.files import replacing, write_json
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# A sample is close when it lies closer to a training image than all but a twentieth of the real test images do, so that
# a generator that draws from the very distribution of the data has a share of 0.05.
CLOSE = 0.05
# Largest share of close samples. Samples of a sound generator are smoother than real images and lie somewhat closer; a
# generator that copies has a share near 1 (the control).
MAX_CLOSE_SHARE = 0.2
# The control: training images with normal noise of this deviation, of 255 levels.
COPY_NOISE = 2.0
GRID = (6, 16)  # rows and columns of the pictures of many images
PATHS, STEPS = 6, 11
CHUNK = 500


def explain_samples(config: Config, project: Project, model: Model) -> None:
    """Write `artifacts/explanation/` for generated images.

    `images/`: grids of samples, of the baseline's and of real images; paths between two samples; the samples of each
    stage of the training; and the samples nearest to a training image, each beside that image. `attributions.npz`: of
    each sample (N,) the distance to the nearest training image, and that image's id. `result.json`: the check.

    Raises:
        LightloopError: predictions or checkpoint are missing, damaged, or not of the present records.
    """
    spec = config.data
    assert isinstance(spec, ImageSpec)
    tables = read_splits(spec, project.root, config.seed)
    predictions = read_predictions(project.predictions)
    if predictions.column("id").to_pylist() != tables["test"].column("id").to_pylist():
        raise LightloopError(
            f"{project.predictions} is not about the test records of today: run the evaluate stage again"
        )
    judge = judge_of(predictions)
    train_MCHW = decode_images(tables["train"]["image"].to_pylist(), spec.size, spec.channels)
    samples_NCHW = decode_images(predictions[COLUMNS["model"]].to_pylist(), spec.size, spec.channels)
    train_MD = judge.features(train_MCHW)
    nearest_N, distance_N = nearest(judge.features(samples_NCHW), train_MD)
    _, real_N = nearest(matrix(predictions, "real_features"), train_MD)
    checks = memorisation(distance_N, real_N)
    copies = memorisation(copied(judge, train_MCHW, train_MD, len(samples_NCHW), config.seed), real_N)
    paths_PSCHW, steps_PS = between(model, config, tables["test"], judge)

    closest = np.argsort(distance_N, kind="stable")[: config.explain.records]
    train_ids = tables["train"]["id"].to_pylist()
    with replacing(project.attributions) as temporary:
        # NumPy dates every member 1980, so the same distances are the same bytes.
        np.savez_compressed(
            temporary,
            ids=np.array(predictions.column("id").to_pylist()),
            distances=distance_N,
            nearest=np.array([train_ids[row] for row in nearest_N]),
            real_distances=real_N,
        )
    with replacing(project.explanation_images) as folder:
        folder.mkdir()
        _draw_grids(folder, predictions, tables["test"], spec)
        _save(folder / "interpolation.png", tile(paths_PSCHW))
        _draw_progress(folder / "progress.png", project.checkpoint)
        for place, row in enumerate(closest):
            _save(folder / f"{place:03}-sample.png", samples_NCHW[row])
            _save(folder / f"{place:03}-nearest.png", train_MCHW[nearest_N[row]])
    reasons = doubts(checks)
    images = project.explanation_images.name
    write_json(
        project.explanation_result,
        {
            "n": len(samples_NCHW),
            "records": [
                {
                    "id": predictions["id"][row].as_py(),
                    "prediction": predictions["prediction"][row].as_py(),
                    "distance": float(distance_N[row]),
                    "nearest": train_ids[nearest_N[row]],
                    "nearest_label": tables["train"]["label"][int(nearest_N[row])].as_py(),
                    "input": f"{images}/{place:03}-sample.png",
                    "nearest_image": f"{images}/{place:03}-nearest.png",
                }
                for place, row in enumerate(closest.tolist())
            ],
            "methods": {"memorisation": {"trusted": not reasons, "reasons": reasons, "checks": checks}},
            "control": {"copies": {"checks": copies, "fails_as_expected": not copies["close_share"]["passed"]}},
            "interpolation": {
                "n": PATHS,
                "steps": STEPS - 1,
                "image": f"{images}/interpolation.png",
                "largest_step": float((steps_PS.max(1) / steps_PS.mean(1)).mean()) if steps_PS.all() else None,
            },
            "pictures": {name: f"{images}/{name}.png" for name in ("samples", "baseline", "real", "progress")},
        },
    )


def nearest(features_ND: NDArray[Any], train_MD: NDArray[Any]) -> tuple[NDArray[np.int64], Floats]:
    """Of each image the row (N,) of the nearest training image, and the distance (N,) to it in feature space."""
    rows, distances = [], []
    for start in range(0, len(features_ND), CHUNK):
        distances_NM = squared_distances(features_ND[start : start + CHUNK], train_MD)
        rows.append(distances_NM.argmin(1))
        distances.append(np.sqrt(distances_NM.min(1)))
    return np.concatenate(rows), np.concatenate(distances)


def memorisation(distance_N: Floats, real_N: Floats) -> dict[str, Any]:
    """The check for copies, from distances to the nearest training image.

    Args:
        distance_N: of generated images.
        real_N: of real images that were not trained on.

    Returns:
        `close_share`: the share of generated images that lie closer than the CLOSE-quantile of real ones, with n, the
        quantile as `distance`, and whether it is at most MAX_CLOSE_SHARE. `closer_than_real`, for information: the
        chance that a generated image lies closer than a real one, ties half; 0.5 where they are alike.

    Source: the comparison of both distances is that of arXiv:2004.05675.

    Examples:
        >>> memorisation(np.array([0.0, 0.0]), np.array([1.0, 2.0]))["close_share"]["value"]
        1.0
    """
    limit = float(np.quantile(real_N, CLOSE))
    share = float((distance_N < limit).mean())
    ordered = np.sort(real_N)
    below, upto = (np.searchsorted(ordered, distance_N, side=side) for side in ("left", "right"))
    chance = 1 - float((below + upto).mean()) / (2 * len(ordered))
    return {
        "close_share": {
            "value": share,
            "threshold": MAX_CLOSE_SHARE,
            "passed": share <= MAX_CLOSE_SHARE,
            "expected": CLOSE,
            "distance": limit,
            "n": len(distance_N),
        },
        "closer_than_real": {"value": chance, "threshold": None, "passed": None, "n": len(distance_N)},
    }


def doubts(checks: dict[str, Any]) -> list[str]:
    """Why the samples may be copies, a sentence for each failed check."""
    check = checks["close_share"]
    if check["passed"]:
        return []
    return [
        f"{check['value']:.2f} of {check['n']} samples lie closer to a training image than all but {CLOSE:.2f} of real "
        f"test images do (at most {check['threshold']:.2f} is allowed): they may be copies."
    ]


def copied(judge: Judge, train_MCHW: Pixels, train_MD: NDArray[Any], count: int, seed: int) -> Floats:
    """The distances (count,) of a generator that copies: training images with a little noise."""
    generator = np.random.default_rng(seed)
    chosen = train_MCHW[generator.integers(len(train_MCHW), size=min(count, CHUNK))].astype(np.float64)
    noisy = np.clip(np.rint(chosen + generator.normal(0, COPY_NOISE, chosen.shape)), 0, 255).astype(np.uint8)
    return nearest(judge.features(noisy), train_MD)[1]


def between(model: Model, config: Config, test: pa.Table, judge: Judge) -> tuple[Pixels, Floats]:
    """Images (P, S, C, H, W) on the way from one sample to another, and the feature distances (P, S - 1) of the steps.

    A generator that learned the data by heart jumps from one image to the next; then one step is most of the way.
    """
    noise = matrix(problem_of(config.data).questions(config, test), "noise")
    ends_PZ = np.resize(noise, (2 * PATHS, noise.shape[1]))
    ways = np.stack([great_circle(ends_PZ[p], ends_PZ[PATHS + p], STEPS) for p in range(PATHS)])
    asked = pa.table({"noise": lists(ways.reshape(PATHS * STEPS, -1))})
    images = model.answers(asked)["image"]
    features_PSD = judge.features(images).reshape(PATHS, STEPS, -1).astype(np.float64)
    steps_PS = np.sqrt(np.square(np.diff(features_PSD, axis=1)).sum(2))
    return images.reshape(PATHS, STEPS, *images.shape[1:]), steps_PS


def great_circle(first_Z: Floats, last_Z: Floats, steps: int) -> Floats:
    """Noise (steps, Z) from one vector to another by turning it: its length stays that of noise (arXiv:1609.04468).

    Examples:
        >>> great_circle(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3)[1].round(3).tolist()
        [0.707, 0.707]
    """
    lengths = np.linalg.norm(first_Z), np.linalg.norm(last_Z)
    angle = np.arccos(np.clip(first_Z @ last_Z / (lengths[0] * lengths[1]), -1, 1))
    shares = np.linspace(0, 1, steps)[:, None]
    if np.sin(angle) < 1e-6:
        straight: Floats = (1 - shares) * first_Z + shares * last_Z
        return straight
    turned: Floats = (np.sin((1 - shares) * angle) * first_Z + np.sin(shares * angle) * last_Z) / np.sin(angle)
    return turned


def tile(images_RKCHW: Pixels) -> Pixels:
    """Rows of images as one image (C, R * H, K * W)."""
    rows, columns, channels, height, width = images_RKCHW.shape
    return images_RKCHW.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)


def _draw_grids(folder: Path, predictions: pa.Table, test: pa.Table, spec: ImageSpec) -> None:
    """Samples, baseline and real images, as many of each."""
    rows, columns = GRID
    count = min(rows * columns, len(predictions))
    sources = {"samples": predictions[COLUMNS["model"]], "baseline": predictions[COLUMNS["baseline"]]}
    for name, column in (sources | {"real": test["image"]}).items():
        images = decode_images(column.slice(0, count).to_pylist(), spec.size, spec.channels)
        full = np.zeros((rows * columns, *images.shape[1:]), dtype=np.uint8)
        full[:count] = images
        _save(folder / f"{name}.png", tile(full.reshape(rows, columns, *images.shape[1:])))


def _draw_progress(path: Path, checkpoint: Path) -> None:
    """The samples of the same noise as the training went on, a row for each time that was kept."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    if "progress" not in state:
        raise LightloopError(f"{checkpoint} holds no samples of its training: run the train stage again")
    progress = state["progress"].numpy()
    drawn = progress[progress.reshape(len(progress), -1).any(1)]
    _save(path, tile(drawn if len(drawn) else progress[:1]))


def _save(path: Path, pixels_CHW: Pixels) -> None:
    picture(pixels_CHW).save(path, "PNG", optimize=True)
