"""Writing the bundle: the trained model as a folder that answers without torch and is the same for the same model.

Shapes: B batch, C channels, H height, W width, K classes.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from safetensors.torch import save
from torch import Tensor, nn

from lightloop.errors import LightloopError
from lightloop.files import replacing, write_json
from lightloop.serving.manifest import (
    FORMAT,
    GRAPH,
    HASHES,
    MANIFEST,
    WEIGHTS,
    ImageInput,
    Manifest,
    Output,
    hash_files,
)
from lightloop.tasks.checkpoint import Model

OPSET = 20
# What decides the bytes of the files, and is the same for every build of a lock.
WRITERS = ("onnx", "onnxscript", "safetensors", "torch")


def write_bundle(model: Model, folder: Path, *, data_version: str | None) -> Manifest:
    """Write a model as a bundle: whole, or not at all.

    The folder holds `model.onnx` (pixels in, logits and probabilities out; the preprocessing and the softmax are
    part of the graph), `model.safetensors` (the state of `preprocessor.` and `network.`), `bundle.json` (a
    `Manifest`) and `hashes.json`. The same model and versions give the same bytes; nothing names a path or a time.

    Args:
        model: in evaluation mode, on the CPU.
        folder: to write; a bundle that lies there is replaced.
        data_version: of the data set that the model was trained on, None where it is not versioned.

    Returns:
        What `bundle.json` holds.

    Raises:
        LightloopError: the network uses an operation that ONNX does not have.
    """
    manifest = describe(model, data_version)
    graph = export_graph(model)
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / GRAPH).write_bytes(graph)
        (temporary / WEIGHTS).write_bytes(save(_state(model)))
        write_json(temporary / MANIFEST, manifest.model_dump(mode="json"))
        write_json(temporary / HASHES, hash_files(temporary))
    return manifest


def describe(model: Model, data_version: str | None) -> Manifest:
    """The manifest of a model's bundle."""
    config = model.config
    spec = config.data
    classes = len(spec.classes)
    return Manifest(
        format=FORMAT,
        name=config.name,
        modality=spec.modality,
        problem=spec.problem,
        classes=spec.classes,
        input=ImageInput(
            name="image",
            dtype="uint8",
            shape=(None, spec.channels, *spec.size),
            range=(0, 255),
            channels=spec.channels,
            size=spec.size,
        ),
        outputs=(
            Output(name="logits", dtype="float32", shape=(None, classes)),
            Output(name="probabilities", dtype="float32", shape=(None, classes)),
        ),
        parameters=sum(parameter.numel() for parameter in model.network.parameters()),
        data_version=data_version,
        opset=OPSET,
        libraries={name: version(name).partition("+")[0] for name in WRITERS},
        config=config.model_dump(mode="json"),
    )


class _Answer(nn.Module):
    """What becomes the graph: pixels (B, C, H, W), uint8, to logits and probabilities (B, K), float32."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.preprocessor = model.preprocessor
        self.network = model.network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits_BK: Tensor = self.network(self.preprocessor(image))
        return logits_BK, logits_BK.softmax(1)


def export_graph(model: Model) -> bytes:
    """The model as an ONNX file's bytes: input `image`, outputs `logits` and `probabilities`, any batch size.

    Raises:
        LightloopError: the network uses an operation that ONNX does not have.
    """
    spec = model.config.data
    example_BCHW = torch.zeros(2, spec.channels, *spec.size, dtype=torch.uint8)
    try:
        with _quiet():
            program = torch.onnx.export(
                _Answer(model).eval(),
                (example_BCHW,),
                input_names=["image"],
                output_names=["logits", "probabilities"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
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
    graph = program.model_proto
    _strip(graph)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


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
