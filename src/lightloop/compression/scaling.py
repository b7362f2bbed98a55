"""The last step of the graph, from `logits` to `probabilities`, as a graph of its own.

Shapes: B batch, K classes.
"""

import contextlib
import io
import logging

import onnx
from onnx import TensorProto, helper

from lightloop.calibration.rules import Scaling
from lightloop.compression.graphs import LOGITS, PROBABILITIES
from lightloop.release.bundle import OPSET


def scaling_graph(scaling: Scaling, classes: int) -> onnx.ModelProto:
    """A graph from `logits` (B, K) to `probabilities` (B, K).

    Examples:
        >>> [node.op_type for node in scaling_graph(Scaling(name="temperature", temperature=2.0), 3).graph.node]
        ['Div', 'Softmax']
    """
    if scaling.name == "isotonic":
        return _isotonic(scaling, classes)
    nodes, start = [], LOGITS
    constants = []
    if scaling.temperature != 1:
        constants = [helper.make_tensor("temperature", TensorProto.FLOAT, [], [scaling.temperature])]
        nodes, start = [helper.make_node("Div", [LOGITS, "temperature"], ["divided"])], "divided"
    nodes.append(helper.make_node("Softmax", [start], [PROBABILITIES], axis=1))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", classes]) for name in (LOGITS, PROBABILITIES)
    ]
    graph = helper.make_graph(nodes, "scaling", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _isotonic(scaling: Scaling, classes: int) -> onnx.ModelProto:
    """As torch exports it."""
    import torch

    from lightloop.tasks.scaling import build_scaling

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            program = torch.onnx.export(
                build_scaling(scaling).eval(),
                (torch.zeros(2, classes),),
                input_names=[LOGITS],
                output_names=[PROBABILITIES],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        logging.disable(disabled)
    assert program is not None
    graph: onnx.ModelProto = program.model_proto
    return graph
