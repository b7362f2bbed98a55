"""Small graphs written by hand, as the exporter writes them: what quantisation is tried on."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
WIDE = 48


def graph_of(
    nodes: list[NodeProto],
    constants: dict[str, NDArray[Any]],
    feeds: list[tuple[str, int, list[Any]]],
    outputs: list[tuple[str, int]],
) -> onnx.ModelProto:
    """A checked graph; each of `outputs` has a number of columns."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, kind, shape in feeds],
        [helper.make_tensor_value_info(name, FLOAT, ["batch", columns]) for name, columns in outputs],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def weights(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=shape)
    return (drawn / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def convolutional() -> onnx.ModelProto:
    """Levels 0 to 255 of (1, 8, 8) to logits of 3 classes and their probabilities."""
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=FLOAT),
        helper.make_node("Div", ["levels", "most"], ["shares"]),
        helper.make_node("Conv", ["shares", "network.kernel", "network.offset"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["kept"]),
        helper.make_node("Conv", ["kept", "network.kernel2"], ["maps2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps2"], ["kept2"]),
        helper.make_node("GlobalAveragePool", ["kept2"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "network.head", "network.bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "most": np.array(255, np.float32),
        "network.kernel": weights(WIDE, 1, 3, 3),
        "network.offset": weights(WIDE, 1, seed=1)[:, 0],
        "network.kernel2": weights(WIDE, WIDE, 3, 3, seed=2),
        "network.head": 8 * weights(3, WIDE, seed=3),
        "network.bias": np.zeros(3, np.float32),
    }
    return graph_of(nodes, constants, [("image", TensorProto.UINT8, [1, 8, 8])], [("logits", 3), ("probabilities", 3)])


def dense(*, masked: bool = False) -> onnx.ModelProto:
    """A table of one number and one category to logits; what comes before is of classical learning."""
    towns = ["Oslo", "Rome"]
    nodes = [
        helper.make_node(
            "Imputer",
            ["age"],
            ["known"],
            domain="ai.onnx.ml",
            imputed_value_floats=[40.0],
            replaced_value_float=float("nan"),
        ),
        helper.make_node("Scaler", ["known"], ["scaled"], domain="ai.onnx.ml", offset=[40.0], scale=[0.1]),
        helper.make_node("OneHotEncoder", ["town"], ["hot"], domain="ai.onnx.ml", cats_strings=towns, zeros=1),
        helper.make_node("Reshape", ["hot", "two"], ["columns"]),
        helper.make_node("Concat", ["scaled", "columns"], ["row"], axis=1),
        helper.make_node("Gemm", ["row", "network.first", "network.offset"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["kept"]),
        helper.make_node("Gemm", ["kept", "network.second"], ["more"]),
        *([helper.make_node("Where", ["nowhere", "infinite", "more"], ["masked"])] if masked else []),
        helper.make_node("Gemm", ["masked" if masked else "more", "network.head"], ["logits"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "two": np.array([-1, 2], np.int64),
        "network.first": 2 * weights(3, WIDE),
        "network.offset": np.zeros(WIDE, np.float32),
        "network.second": weights(WIDE, WIDE, seed=1),
        "network.head": 4 * weights(WIDE, 2, seed=2),
    }
    if masked:
        constants |= {"nowhere": np.zeros((1, 1), bool), "infinite": np.array(-np.inf, np.float32)}
    feeds = [("age", FLOAT, [1]), ("town", TensorProto.STRING, [1])]
    return graph_of(nodes, constants, feeds, [("logits", 2)])


def recurrent() -> onnx.ModelProto:
    """Ids of tokens through an embedding and an LSTM to logits."""
    nodes = [
        helper.make_node("Gather", ["network.table", "ids"], ["vectors"]),
        helper.make_node("Transpose", ["vectors"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "network.w", "network.r"], ["all", "last"], hidden_size=WIDE),
        helper.make_node("Squeeze", ["last", "nought"], ["state"]),
        helper.make_node("MatMul", ["state", "network.head"], ["logits"]),
    ]
    constants = {
        "network.table": weights(50, 16),
        "network.w": weights(1, 4 * WIDE, 16, seed=1),
        "network.r": weights(1, 4 * WIDE, WIDE, seed=2),
        "nought": np.array([0], np.int64),
        "network.head": 4 * weights(WIDE, 2, seed=3),
    }
    return graph_of(nodes, constants, [("ids", TensorProto.INT64, ["length"])], [("logits", 2)])
