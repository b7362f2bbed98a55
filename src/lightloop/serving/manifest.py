"""What a bundle's folder is: a manifest, the files beside it, and a hash of each.

The one description of the deployable, used by who writes it and by who reads it. Standard library and pydantic only.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lightloop.calibration.rules import Calibration
from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import TextInput
from lightloop.errors import LightloopError

FORMAT: Final = 4
# Formats that are read: 1 knew no calibration, its answer is the most probable class; 2 has neither golden records nor
# what novelty and warnings need; 3 has no profile that monitoring compares with.
READ: Final = (1, 2, 3, 4)
GRAPH = "model.onnx"
WEIGHTS = "model.safetensors"
MANIFEST = "bundle.json"
HASHES = "hashes.json"
PREPROCESSING = "preprocessing"
EXPLANATION = "explanation.npz"
GOLDEN = "golden.json"
NOVELTY = "novelty.npz"
PROFILE = "profile.json"
PROFILE_ARRAYS = "profile.npz"
SIGNATURE = "signature.json"
# Told apart by `kind`.
AnyInput = Annotated[ImageInput | TabularInput | TextInput | SeriesInput | NoiseInput, Field(discriminator="kind")]
ANEW = "run `lightloop run` to make it anew, or fetch it again"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(_Frozen):
    """What the graph answers, a row a record; None in the shape stands for any number."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class Explaining(_Frozen):
    """How the bundle explains its answers; see `serving.explainer`.

    Attributes:
        noun: what a record is divided into.
        units: how many parts of a record there are at most; smaller parts stand together.
        records: training records that stand for "nothing special to see"; 0 where a single typical record does.
        file: that holds them, beside the manifest; None where there is nothing to hold.
    """

    noun: Literal["columns", "pixels", "tokens", "steps"]
    units: int
    records: int = 0
    file: str | None = None


class Detecting(_Frozen):
    """How the bundle tells records that are unlike the training records; see `serving.novelty`.

    Attributes:
        method: how far from them a record is.
        parts: what of a record and of its answer is looked at.
        level: the share of records like the validation records that are called novel.
        n: validation records that p-values are of.
        file: that holds the reference, beside the manifest.
    """

    method: Literal["neighbours"] = "neighbours"
    parts: tuple[str, ...] = ()
    level: float
    n: int
    file: str = NOVELTY


class Ranges(_Frozen):
    """What the training records were like, beyond what `input` says; None where it does not apply.

    Attributes:
        widths, heights: least and greatest of images, in pixels.
        unknown: the share of unknown tokens that one text in a hundred exceeds.
        gaps: the greatest share of missing steps in a window.
        values: the range of the values of series.
    """

    widths: tuple[int, int] | None = None
    heights: tuple[int, int] | None = None
    unknown: float | None = None
    gaps: float | None = None
    values: tuple[float, float] | None = None


class Manifest(_Frozen):
    """`bundle.json`: all that is to be known of a bundle besides its weights.

    Attributes:
        format: of the folder; it changes when an older reader would misunderstand a newer bundle.
        name: of the project's model.
        modality: of the records.
        problem: what the model solves.
        classes: label names in the order of the outputs; empty where nothing is classified.
        answer: the output that is judged: `probabilities` of classes, `prediction` of numbers.
        calibration: how answers are decided, conformal sets or intervals, when the model abstains. The graph's
            probabilities are scaled already; None in a bundle of format 1.
        input: schema of a raw record; its `feeds` are the graph's inputs.
        files: of the preprocessing, which lie in the folder `preprocessing/`, such as a tokenizer.
        explaining: what the bundle holds to explain its answers; None where it can't.
        novelty: what it holds to tell records that are unlike the training records; None where it can't.
        ranges: what the training records were like; None where nothing is known.
        compression: what was done to the trained network, as config.compression.Step; empty where it is released as
            it is. Such a bundle has no `model.safetensors`: its graph is all there is of the weights.
        outputs: schemas of the graph's outputs.
        parameters: number of trained weights.
        data_version: what DVC calls the data set that the model was trained on, or None where it is not versioned.
        opset: of the graph's operators, as ONNX counts them.
        libraries: versions of what wrote the files.
        config: of the run that trained the model, without `serve`, as `config.compose.validate_config` takes it. Plain
            data, so that an old bundle still answers when the config's schema has moved on.
    """

    format: Literal[1, 2, 3, 4]
    name: str
    modality: str
    problem: str
    classes: tuple[str, ...]
    answer: str
    calibration: Calibration | None = None
    input: AnyInput
    files: tuple[str, ...] = ()
    explaining: Explaining | None = None
    novelty: Detecting | None = None
    ranges: Ranges | None = None
    compression: tuple[dict[str, Any], ...] = ()
    outputs: tuple[Output, ...]
    parameters: int
    data_version: str | None
    opset: int
    libraries: dict[str, str]
    config: dict[str, Any]

    @property
    def rules(self) -> Calibration:
        """What is done with answers; of a bundle that says nothing, the default."""
        return self.calibration or Calibration()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        LightloopError: it is missing, damaged, or of a format that this version does not know.
    """
    content = _read_json(folder / MANIFEST)
    version = content.get("format")
    if version not in READ:
        raise LightloopError(
            f"{folder / MANIFEST} has format {version!r}, but this Lightloop reads format "
            f"{' and '.join(map(str, READ))}: use the version of Lightloop that wrote the bundle, or export it again"
        )
    try:
        return Manifest.model_validate(_completed(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise LightloopError(f"{folder / MANIFEST} does not fit: {key}: {first['msg']}: {ANEW}") from None


def _completed(content: dict[str, Any]) -> dict[str, Any]:
    """What the first version of the template, which knew images alone, did not say."""
    if content["format"] != 1 or "answer" in content:
        return content
    known = {key: value for key, value in content.get("input", {}).items() if key in ("channels", "size")}
    return content | {"answer": "probabilities", "input": {"kind": "image", **known}}


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a bundle but `hashes.json` itself and its signature, by path in `folder`, sorted."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: _sha256(files[name]) for name in sorted(files) if name not in (HASHES, SIGNATURE)}


def verify_bundle(folder: Path) -> str:
    """Compare every file of a bundle with `hashes.json`.

    Args:
        folder: of the bundle.

    Returns:
        The bundle's digest: the SHA-256 of `hashes.json`, which stands for all files, 64 hexadecimal digits.

    Raises:
        LightloopError: a file is changed, missing or extra, or there is no bundle at all.
    """
    if not folder.is_dir():
        raise LightloopError(f"{folder} is missing: run `lightloop run`, whose export stage makes the bundle")
    recorded = _read_json(folder / HASHES)
    found = hash_files(folder)
    wrong = {
        "missing from": sorted(({GRAPH, MANIFEST} | recorded.keys()) - found.keys()),
        "not listed in hashes.json of": sorted(found.keys() - recorded.keys()),
        "changed in": sorted(name for name in recorded.keys() & found.keys() if recorded[name] != found[name]),
    }
    for fault, names in wrong.items():
        if names:
            raise LightloopError(f"{names[0]} is {fault} the bundle {folder}: {ANEW}")
    return _sha256(folder / HASHES)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LightloopError(f"{path} is missing, so {path.parent} is not a whole bundle: {ANEW}") from None
    except ValueError as error:
        raise LightloopError(f"{path} is not valid JSON ({error}): {ANEW}") from None
    if not isinstance(content, dict):
        raise LightloopError(f"{path} holds a {type(content).__name__} where an object was expected: {ANEW}")
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
