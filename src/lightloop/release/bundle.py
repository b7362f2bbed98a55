"""Writing the bundle: the trained model as a folder that answers without torch and is the same for the same model.

Shapes: B batch, C channels, H height, W width, K classes.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pyarrow as pa
import torch
from safetensors.torch import save
from torch import Tensor

from lightloop.config.schema import AFTER_TRAINING
from lightloop.data.noise import NoiseInput
from lightloop.errors import LightloopError
from lightloop.evaluation.problem import problem_of
from lightloop.files import replacing, write_json
from lightloop.release.profile import make_profile
from lightloop.release.reference import fit_reference
from lightloop.serving.background import Arrays, background, packed
from lightloop.serving.golden import MOST as GOLDEN_MOST
from lightloop.serving.golden import TOLERANCE, chosen, make_golden
from lightloop.serving.manifest import (
    FORMAT,
    GOLDEN,
    GRAPH,
    HASHES,
    MANIFEST,
    NOVELTY,
    PREPROCESSING,
    PROFILE,
    PROFILE_ARRAYS,
    WEIGHTS,
    AnyInput,
    Explaining,
    Manifest,
    Output,
    hash_files,
    read_manifest,
)
from lightloop.serving.novelty import Describer
from lightloop.serving.predictor import Predictor
from lightloop.serving.ranges import learn_ranges
from lightloop.serving.signature import sign_bundle
from lightloop.tasks.checkpoint import Model

OPSET = 20
# What decides the bytes of the files, and is the same for every build of a lock.
WRITERS = ("onnx", "onnxscript", "safetensors", "torch")


def write_bundle(
    model: Model,
    folder: Path,
    *,
    data_version: str | None,
    train: pa.Table | None = None,
    validation: pa.Table | None = None,
    test: pa.Table | None = None,
) -> Manifest:
    """Write a model as a bundle: whole, or not at all.

    The folder holds `model.onnx` (raw records in, answers out; what of the preprocessing is arithmetic is part of the
    graph), `preprocessing/` (what is not, such as a tokenizer), `model.safetensors` (the state of `preprocessor.` and
    `network.`), `bundle.json` (a `Manifest`) and `hashes.json`; with records also what `complete_bundle` adds. The same
    model and versions give the same bytes; nothing names a path or a time.

    Args:
        model: in evaluation mode, on the CPU.
        folder: to write; a bundle that lies there is replaced.
        data_version: of the data set that the model was trained on, None where it is not versioned.
        train: training records, of which the bundle keeps what it needs to explain its answers
            (`explanation.npz`, see `serving.background`). Without them it can't explain any.
        validation: records that were not trained on, for `complete_bundle`, which needs both.
        test: labelled records that neither trained nor chose anything, for its profile.

    Returns:
        What `bundle.json` holds.

    Raises:
        LightloopError: the network uses an operation that ONNX does not have.
    """
    graph = export_graph(model)
    explaining: Explaining | None = None
    arrays: Arrays = {}
    if train is not None:
        explaining, arrays = background(model.preprocessor.input, model.preprocessor.files(), train, model.config.seed)
    manifest = describe(model, graph, data_version).model_copy(update={"explaining": explaining})
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / GRAPH).write_bytes(graph.SerializeToString(deterministic=True))
        (temporary / WEIGHTS).write_bytes(save(_state(model)))
        for name, content in model.preprocessor.files().items():
            (temporary / PREPROCESSING).mkdir(exist_ok=True)
            (temporary / PREPROCESSING / name).write_bytes(content)
        if explaining is not None and explaining.file is not None:
            (temporary / explaining.file).write_bytes(packed(arrays))
        write_json(temporary / MANIFEST, manifest.model_dump(mode="json"))
        seal(temporary)
        if train is not None and validation is not None:
            manifest = complete_bundle(temporary, train, validation, model.config.seed, test=test)
    return manifest


def complete_bundle(
    folder: Path,
    train: pa.Table,
    validation: pa.Table,
    seed: int,
    *,
    test: pa.Table | None = None,
    tolerance: float = TOLERANCE,
) -> Manifest:
    """Add to a bundle what follows from its own answers, and seal it again: `golden.json` (up to 8 validation records
    with their answers), `novelty.npz` (by which novel records are told), `profile.json` and `profile.npz` (what
    monitoring compares with), and in `bundle.json` what the training records were like. Whoever changes the graph of a
    bundle calls it again.

    The golden records are real ones: who may read the bundle reads them. Only what enters the model is in them.

    Args:
        folder: of the bundle, which is changed.
        train: the training records.
        validation: records that were not trained on.
        seed: of the draws.
        test: labelled records that neither trained nor chose anything; without them the profile holds inputs alone.
        tolerance: of the golden answers on other processors; see `serving.golden.Golden`.

    Returns:
        What `bundle.json` holds now.

    Raises:
        LightloopError: the bundle is damaged.
        RefusedError: a record is not as the bundle's schema says.
    """
    for name in (GOLDEN, NOVELTY, PROFILE, PROFILE_ARRAYS):
        (folder / name).unlink(missing_ok=True)
    manifest = read_manifest(folder).model_copy(update={"novelty": None, "ranges": None})
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    seal(folder, sign=False)
    predictor = Predictor.load(folder, unsigned=True)

    asked = _noise(manifest.input.size, seed) if isinstance(manifest.input, NoiseInput) else validation
    golden = make_golden(predictor, chosen(manifest, asked, seed), tolerance=tolerance)
    novelty, arrays = fit_reference(predictor, train, validation, seed)
    ranges = learn_ranges(manifest, train, predictor.files, seed)
    manifest = manifest.model_copy(update={"novelty": novelty, "ranges": ranges})
    write_json(folder / GOLDEN, golden.model_dump(mode="json"))
    if novelty is not None:
        (folder / novelty.file).write_bytes(packed(arrays))
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    seal(folder, sign=False)

    describe = Describer(manifest.input, ("input",), arrays) if novelty is not None else None
    # Opened again, since it tells novel records now.
    predictor = Predictor.load(folder, unsigned=True)
    profile, held = make_profile(predictor, train, validation, test, describe=describe, seed=seed)
    write_json(folder / PROFILE, profile.model_dump(mode="json"))
    (folder / PROFILE_ARRAYS).write_bytes(packed(asdict(held)))
    seal(folder)
    return manifest


def seal(folder: Path, *, sign: bool = True) -> None:
    """Write `hashes.json` of the files that lie there, and `signature.json` where there is a key to sign with.

    Raises:
        UsageError: `LIGHTLOOP_SIGN_KEY` names no private Ed25519 key.
    """
    write_json(folder / HASHES, hash_files(folder))
    if sign:
        sign_bundle(folder)


def _noise(size: int, seed: int) -> pa.Table:
    """What a generator is asked: drawn, and no record of anybody."""
    drawn = np.random.default_rng(seed).standard_normal((GOLDEN_MOST, size)).astype(np.float32)
    return pa.table({"noise": pa.array(drawn.astype(np.float64).tolist(), pa.list_(pa.float64()))})


def describe(model: Model, graph: onnx.ModelProto, data_version: str | None) -> Manifest:
    """The manifest of a model's bundle."""
    config = model.config
    return Manifest(
        format=FORMAT,
        name=config.name,
        modality=config.data.modality,
        problem=config.data.problem,
        # A generator's data have classes too, but it does not answer with them.
        classes=() if config.data.problem == "generation" else config.data.classes,
        answer=problem_of(config.data).answer,
        calibration=model.calibration,
        input=cast("AnyInput", model.preprocessor.input),
        files=tuple(model.preprocessor.files()),
        outputs=tuple(_output(value) for value in graph.graph.output),
        parameters=sum(parameter.numel() for parameter in model.network.parameters()),
        data_version=data_version,
        opset=OPSET,
        libraries={name: version(name).partition("+")[0] for name in WRITERS},
        # How a model is served and watched is no property of it, and how it was made smaller stands in `compression`.
        config=config.model_dump(mode="json", exclude={"compress", *AFTER_TRAINING}),
    )


def _output(value: onnx.ValueInfoProto) -> Output:
    kind = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    return Output(name=value.name, dtype=onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, shape=shape)


def export_graph(model: Model) -> onnx.ModelProto:
    """The model as one graph: `preprocessor.input.feeds` in, named answers out, any batch size.

    Raises:
        LightloopError: the network uses an operation that ONNX does not have.
    """
    graph = _network_graph(model)
    encoding = model.preprocessor.encoding_graph()
    if encoding is not None:
        encoding.ir_version = graph.ir_version
        # A column may have any name, also one that the network's exporter gave to a value.
        graph = onnx.compose.add_prefix(
            graph, "network/", rename_inputs=False, rename_outputs=False, rename_functions=False
        )
        joined = [(name, name) for name in model.preprocessor.encoded_names]
        graph = onnx.compose.merge_models(encoding, graph, io_map=joined)
    _strip(graph)
    return graph


def _network_graph(model: Model) -> onnx.ModelProto:
    """Encoded records to answers, as torch exports it."""
    names = model.preprocessor.encoded_names
    example = model.preprocessor.example()
    module = model.graph().eval()
    dynamic = tuple(dict.fromkeys(dims, torch.export.Dim.DYNAMIC) for dims in model.preprocessor.dynamic())
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                example,
                input_names=list(names),
                output_names=list(module.answer.names),
                dynamic_shapes=(dynamic,),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise LightloopError(
            f"network={model.config.network.name} does not export to ONNX ({_root(error)}): "
            "use operations that ONNX has, and no branches that depend on the values of tensors"
        ) from error
    assert program is not None
    graph: onnx.ModelProto = program.model_proto
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Where a network does not export, torch prints whole graphs; the error says it in one sentence."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


def _root(error: BaseException) -> str:
    """The first line of what was raised first: the exporter wraps it in advice for its own authors."""
    while error.__cause__:
        error = error.__cause__
    return str(error).strip().splitlines()[0].rstrip(".")


def _strip(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes for itself: stack traces with paths of the machine, module names, versions."""
    model.producer_name, model.producer_version, model.doc_string = "lightloop", "", ""
    del model.metadata_props[:]
    _strip_graph(model.graph)
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        for node in function.node:
            _strip_node(node)


def _strip_graph(graph: onnx.GraphProto) -> None:
    for part in (graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    for node in graph.node:
        _strip_node(node)


def _strip_node(node: onnx.NodeProto) -> None:
    node.doc_string = ""
    del node.metadata_props[:]
    for attribute in node.attribute:
        attribute.doc_string = ""
        for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            _strip_graph(inner)


def _state(model: Model) -> dict[str, Tensor]:
    parts = {"preprocessor": model.preprocessor, "network": model.network}
    return {
        f"{part}.{key}": value.contiguous()
        for part, module in parts.items()
        for key, value in module.state_dict().items()
    }
