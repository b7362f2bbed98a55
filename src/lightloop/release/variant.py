"""A bundle with another graph: the same records in, the same kind of answers out, made smaller."""

import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import pyarrow as pa

from lightloop.calibration.rules import Calibration
from lightloop.files import replacing, write_json
from lightloop.release.bundle import complete_bundle, seal
from lightloop.serving.golden import TOLERANCE
from lightloop.serving.manifest import (
    GOLDEN,
    GRAPH,
    HASHES,
    MANIFEST,
    NOVELTY,
    PROFILE,
    PROFILE_ARRAYS,
    SIGNATURE,
    WEIGHTS,
    Manifest,
    read_manifest,
)

# What decides the bytes of a graph that was made smaller, beside what the manifest names already.
WRITERS = ("onnxconverter-common", "onnxruntime")
# A processor without the instructions for int8 rounds otherwise at each layer, which moves probabilities visibly.
WHOLE_NUMBERS = 5e-2


def write_variant(
    source: Path,
    target: Path,
    graph: onnx.ModelProto,
    *,
    calibration: Calibration,
    parameters: int,
    steps: Sequence[dict[str, Any]],
    train: pa.Table | None = None,
    validation: pa.Table | None = None,
    test: pa.Table | None = None,
    seed: int = 0,
) -> Manifest:
    """Write a bundle like another one but for its graph: whole, or not at all.

    The weights as tensors are left out, since the graph is no longer theirs. With records, golden answers and the
    novelty reference are made anew of the new graph's answers, see `bundle.complete_bundle`; else there are none.

    Args:
        source: the bundle of the network as it was trained.
        target: to write; what lies there is replaced.
        graph: the same inputs and outputs as the source's.
        calibration: fitted to this graph's answers.
        parameters: weights of the network that the graph is of.
        steps: what was done, as `config.compression.Step` in plain data.
        train: the training records.
        validation: records that were not trained on.
        test: labelled records for the profile.
        seed: of the draws.

    Returns:
        What `bundle.json` holds.

    Raises:
        LightloopError: the source is not whole; or the graph does not fit its manifest.
    """
    before = read_manifest(source)
    manifest = before.model_copy(
        update={
            "calibration": calibration,
            "parameters": parameters,
            "compression": tuple(steps),
            "novelty": None,
            "libraries": before.libraries | {name: version(name).partition("+")[0] for name in WRITERS},
        }
    )
    of_the_graph = (GRAPH, WEIGHTS, MANIFEST, HASHES, SIGNATURE, GOLDEN, NOVELTY, PROFILE, PROFILE_ARRAYS)
    left_out = shutil.ignore_patterns(*of_the_graph)
    with replacing(target) as temporary:
        shutil.copytree(source, temporary, ignore=left_out)
        (temporary / GRAPH).write_bytes(graph.SerializeToString(deterministic=True))
        write_json(temporary / MANIFEST, manifest.model_dump(mode="json"))
        seal(temporary)
        if train is not None and validation is not None:
            whole = any("int8" in str(step["name"]) for step in steps)
            tolerance = WHOLE_NUMBERS if whole else TOLERANCE
            manifest = complete_bundle(temporary, train, validation, seed, test=test, tolerance=tolerance)
    return manifest
