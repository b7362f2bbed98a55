"""Graphs taken apart and put together: the network's part, and how its outputs become probabilities. No torch.

Shapes: B batch, K classes.
"""

from collections.abc import Sequence

import onnx
from onnx.utils import Extractor

from lightloop.errors import LightloopError

PROBABILITIES = "probabilities"
LOGITS = "logits"


class InapplicableError(LightloopError):
    """A method does not apply to a network; the sentence says why."""


def network_part(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A bundle's graph without its scaling of probabilities: raw records in, `logits` and what else it answers out.

    Graphs that answer no classes stay whole.
    """
    outputs = [value.name for value in graph.graph.output]
    if PROBABILITIES not in outputs:
        whole = onnx.ModelProto()
        whole.CopyFrom(graph)
        return stripped(whole)
    kept = [name for name in outputs if name != PROBABILITIES]
    inputs = [value.name for value in graph.graph.input]
    # Parts of the encoding write the default domain twice, which the checker of other tools refuses.
    return stripped(Extractor(graph).extract_model(inputs, kept))


def with_scaling(graph: onnx.ModelProto, scaling: onnx.ModelProto) -> onnx.ModelProto:
    """A network's part with a graph from `logits` to `probabilities` behind it."""
    scaling = onnx.compose.add_prefix(scaling, "scaling/", rename_inputs=False, rename_outputs=False)
    scaling.ir_version = graph.ir_version
    outputs = [value.name for value in graph.graph.output]
    whole = onnx.ModelProto()
    whole.CopyFrom(graph)
    merged = onnx.compose.merge_models(whole, scaling, io_map=[(LOGITS, LOGITS)], outputs=[*outputs, PROBABILITIES])
    return stripped(merged)


def stripped(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with nothing that tools note for themselves, and each operator set once."""
    graph.producer_name, graph.producer_version, graph.doc_string = "lightloop", "", ""
    del graph.metadata_props[:]
    versions: dict[str, int] = {}
    for entry in graph.opset_import:
        versions[entry.domain] = max(entry.version, versions.get(entry.domain, 0))
    del graph.opset_import[:]
    graph.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in versions.items())
    # Shapes in between were needed on the way; they are as large as a small network's weights.
    del graph.graph.value_info[:]
    for part in (graph.graph, *graph.graph.input, *graph.graph.output, *graph.graph.initializer, *graph.graph.node):
        part.doc_string = ""
        del part.metadata_props[:]
    return graph


def float_weights(graph: onnx.ModelProto, kinds: Sequence[str]) -> int:
    """How many numbers the layers of some kinds hold, of those with at least two dimensions."""
    sizes = {}
    for value in graph.graph.initializer:
        if value.data_type == onnx.TensorProto.FLOAT and len(value.dims) > 1:
            size = 1
            for length in value.dims:
                size *= length
            sizes[value.name] = size
    return sum(sizes.get(name, 0) for node in graph.graph.node if node.op_type in kinds for name in node.input)
