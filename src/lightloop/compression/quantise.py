"""A graph with smaller numbers: int8 by ONNX Runtime, float16 by ONNX's converter. Graphs in, graphs out; no torch.

Shapes: N records.
"""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from lightloop.compression.graphs import InapplicableError, float_weights, stripped
from lightloop.config.compression import DynamicInt8, Float16, StaticInt8
from lightloop.data.inputs import Feeds

# Layers whose weights are worth it when activations are quantised at each request. A convolution is not among them: it
# would take five times as long.
DYNAMIC = ("MatMul", "Gemm", "LSTM", "Attention", "Gather")
# Layers with weights, and what stands between them and would else turn numbers back and forth.
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
BETWEEN = (
    "Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "LeakyRelu", "MaxPool", "Relu", "Reshape",
    "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
RECURRENT = ("LSTM", "GRU", "RNN")
NETWORK = "network."  # in the names of the network's weights
BATCH = 64
TYPES = {
    "tensor(float)": onnx.TensorProto.FLOAT,
    "tensor(int64)": onnx.TensorProto.INT64,
    "tensor(bool)": onnx.TensorProto.BOOL,
    "tensor(string)": onnx.TensorProto.STRING,
}
# What comes of operators of classical learning has no type for the quantiser; where it asks, it is a number.
UNKNOWN = {"DefaultTensorType": onnx.TensorProto.FLOAT}


def dynamic_int8(graph: onnx.ModelProto, step: DynamicInt8) -> onnx.ModelProto:
    """Weights as int8, activations quantised at each request.

    Raises:
        InapplicableError: the graph has no layer for it.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    if not float_weights(graph, DYNAMIC):
        raise InapplicableError(
            "no layer of the network is a matrix product, an embedding or an LSTM; convolutions are for static_int8"
        )
    named = _named(graph)
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        quantize_dynamic(
            _inferred(named),
            target,
            nodes_to_exclude=_outside(named),
            op_types_to_quantize=list(DYNAMIC),
            per_channel=step.per_channel,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, **UNKNOWN},
        )
        return _smaller(graph, onnx.load(target))


def static_int8(graph: onnx.ModelProto, step: StaticInt8, feeds: Feeds) -> onnx.ModelProto:
    """Weights and activations as int8 (QDQ), the ranges of activations from records.

    Nothing before the network's first layer is quantised: raw columns have ranges that 256 steps do not cover.

    Args:
        graph: to answers.
        step: settings.
        feeds: encoded training records (N, ...).

    Raises:
        InapplicableError: the graph has no layer for it, or takes texts of any length through attention with a mask.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    if not float_weights(graph, WEIGHTED):
        raise InapplicableError("no layer of the network is a convolution or a matrix product")
    if _has_infinite_mask(graph):
        raise InapplicableError("attention masks with minus infinity, which has no place in a range: take dynamic_int8")
    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    named = _named(graph)
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.onnx"
        try:
            quantize_static(
                _inferred(named),
                target,
                _Reader(feeds),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*WEIGHTED, *BETWEEN],
                nodes_to_exclude=_outside(named),
                per_channel=step.per_channel,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=methods[step.method],
                extra_options=UNKNOWN,
            )
        except (AssertionError, ValueError) as error:
            # Of ranges with no ends; how it says so depends on the method.
            reason = " ".join(str(error).split())
            raise InapplicableError(f"what the layers answer to training records has no range ({reason})") from None
        return _smaller(graph, onnx.load(target))


def float16(graph: onnx.ModelProto, step: Float16) -> onnx.ModelProto:
    """Weights and arithmetic in float16; what comes before the network and after it, inputs and outputs stay.

    Raises:
        InapplicableError: the graph has no weights.
    """
    from onnxconverter_common import float16 as converter

    del step
    if not float_weights(graph, (*WEIGHTED, *DYNAMIC, *RECURRENT)):
        raise InapplicableError("no layer of the network has weights")
    named = _inferred(_named(graph))
    outside = set(_outside(named))
    inside = [node for node in named.graph.node if node.name not in outside]
    with _quiet():
        half = converter.convert_float_to_float16(_part(named, inside), keep_io_types=True)
    return _smaller(graph, _put_back(named, outside, half))


def _part(graph: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> onnx.ModelProto:
    """Some nodes of a graph as a graph, from what they take of the others to what the others take of them.

    The converter itself can leave out nodes, but not such that answer: their outputs get the wrong type.
    """
    own = {name for node in nodes for name in node.output}
    taken = {name for node in nodes for name in node.input}
    others = [node for node in graph.graph.node if node not in nodes]
    wanted = {name for node in others for name in node.input} | {value.name for value in graph.graph.output}
    weights = [value for value in graph.graph.initializer if value.name in taken]
    known = {value.name: value for value in (*graph.graph.input, *graph.graph.value_info, *graph.graph.output)}
    stored = {value.name for value in weights}
    part = onnx.helper.make_graph(
        nodes,
        "network",
        [known[name] for name in sorted(taken - own - stored) if name],
        [known[name] for name in sorted(own & wanted)],
        weights,
        value_info=[known[name] for name in sorted(own - wanted) if name in known],
    )
    return onnx.helper.make_model(part, opset_imports=graph.opset_import, ir_version=graph.ir_version)


def _put_back(graph: onnx.ModelProto, outside: set[str], part: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with that part in the place of the nodes that it was made of."""
    inner = {name for node in graph.graph.node if node.name not in outside for name in node.output}
    later = set(inner)
    before: list[onnx.NodeProto] = []
    after: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        if node.name in outside:
            depends = later.intersection(node.input)
            (after if depends else before).append(node)
            later.update(node.output if depends else ())
    whole = onnx.ModelProto()
    whole.CopyFrom(graph)
    del whole.graph.node[:], whole.graph.initializer[:], whole.graph.value_info[:]
    whole.graph.node.extend([*before, *part.graph.node, *after])
    needed = {name for node in (*before, *after) for name in node.input}
    kept = {value.name: value for value in graph.graph.initializer if value.name in needed}
    shared = [value for value in part.graph.initializer if value.name in kept]
    if any(value != kept[value.name] for value in shared):
        raise InapplicableError("the network shares a weight with what comes before or after it")
    whole.graph.initializer.extend(
        [*kept.values(), *(value for value in part.graph.initializer if value.name not in kept)]
    )
    return whole


class _Reader:
    """Records in batches, as ONNX Runtime's calibration asks for them."""

    def __init__(self, feeds: Feeds) -> None:
        count = len(next(iter(feeds.values())))
        self._batches: Iterator[dict[str, NDArray[Any]]] = iter(
            [
                {name: values[start : start + BATCH] for name, values in feeds.items()}
                for start in range(0, count, BATCH)
            ]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)


def _smaller(before: onnx.ModelProto, after: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without notes of the machine.

    Raises:
        InapplicableError: nothing was made smaller.
    """
    onnx.checker.check_model(after)
    found = stripped(after)
    if found.ByteSize() >= before.ByteSize():
        raise InapplicableError(
            "the graph became no smaller: its weights are few beside the ranges that have to be noted"
        )
    return found


def _inferred(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with the type of every value noted.

    ONNX itself does not know what operators of classical learning answer, nor all that comes after; ONNX Runtime does.
    """
    found = onnx.shape_inference.infer_shapes(graph)
    known = {value.name for value in (*found.graph.value_info, *found.graph.output)}
    unknown = [name for node in found.graph.node for name in node.output if name and name not in known]
    if not unknown:
        return found
    asking = onnx.ModelProto()
    asking.CopyFrom(found)
    asking.graph.output.extend(onnx.ValueInfoProto(name=name) for name in unknown)
    session = ort.InferenceSession(asking.SerializeToString(), providers=["CPUExecutionProvider"])
    for value in session.get_outputs():
        kind = TYPES.get(value.type)
        if value.name in unknown and kind is not None:
            found.graph.value_info.append(onnx.helper.make_tensor_value_info(value.name, kind, value.shape or None))
    return found


def _named(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes all have a name of their own: the quantiser tells them apart by it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    for number, node in enumerate(copy.graph.node):
        node.name = f"n{number}"
    return copy


def _outside(graph: onnx.ModelProto) -> list[str]:
    """Names of the nodes that are not between the network's first layer and its last: what brings records into a form
    for it, and brings its outputs into the target's unit, is arithmetic that has to stay exact.
    """
    nodes = list(graph.graph.node)
    layers = _layers(nodes, {value.name for value in graph.graph.initializer})
    after, before = set[str](), set[str]()
    for node in nodes:
        if node.name in layers or after.intersection(node.input):
            after.update(node.output)
    for node in reversed(nodes):
        if node.name in layers or before.intersection(node.output):
            before.update(node.input)
    return [
        node.name
        for node in nodes
        if node.name not in layers and not (after.intersection(node.output) and before.intersection(node.output))
    ]


def _layers(nodes: Sequence[onnx.NodeProto], weights: set[str]) -> set[str]:
    """Names of the network's layers: the exporter names their weights after the module, unless it folds them into
    another constant; but no preprocessing has a convolution or a recurrence.
    """
    weighted = [node for node in nodes if node.op_type in (*WEIGHTED, *DYNAMIC, *RECURRENT)]
    found = {
        node.name
        for node in weighted
        if any(
            name in weights and (node.op_type in (*RECURRENT, "Conv", "ConvTranspose") or NETWORK in name)
            for name in node.input
        )
    }
    return found or {node.name for node in weighted if weights.intersection(node.input)}


def _has_infinite_mask(graph: onnx.ModelProto) -> bool:
    """Whether a constant of the graph is minus infinity, as attention masks what it must not see."""
    constants = [*graph.graph.initializer]
    constants += [
        attribute.t for node in graph.graph.node if node.op_type == "Constant" for attribute in node.attribute
        if attribute.name == "value"
    ]  # fmt: skip
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    found = (onnx.numpy_helper.to_array(value) for value in constants if value.data_type in kinds)
    return any(values.size and float(values.min()) < -np.finfo(np.float16).max for values in found)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser advises a preprocessing that the exporter has done, and prints how far it is."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
