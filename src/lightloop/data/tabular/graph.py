"""The fitted preprocessing of a table as ONNX: what scikit-learn does in training, ONNX Runtime does in the service.

Estimators are converted by skl2onnx, each to a small graph; what lies between them (choosing columns, logarithms,
limits) are single operators. IterativeImputer has no converter, so its rounds are written out here.

Shapes: N records, M number columns, F numbers, C codes.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from lightloop.data.tabular.encoder import Encoder
from lightloop.data.tabular.input import TabularInput

OPSET = 20
ML_OPSET = 3
IR_VERSION = 10
# Of every name inside the graph, which no column of a table has.
PREFIX = "encoding/"


class Builder:
    """A graph that grows by operators and by converted estimators; names of values go in and come out."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.functions: list[onnx.FunctionProto] = []
        self.opsets = {"": OPSET, "ai.onnx.ml": ML_OPSET}
        self._count = 0

    def name(self) -> str:
        """A name that is not taken."""
        self._count += 1
        return f"{PREFIX}{self._count}"

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The output of one operator."""
        output = self.name()
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """A value that is part of the graph."""
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def columns(self, value: str, places: Any) -> str:
        """Some columns of a matrix."""
        return self.op("Gather", value, self.constant(places, np.int64), axis=1)

    def concat(self, parts: list[str]) -> str:
        """Matrices side by side."""
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=1)

    def floats(self, value: str) -> str:
        return self.op("Cast", value, to=TensorProto.FLOAT)

    def estimator(self, estimator: Any, value: str, width: int, *, text: bool = False) -> str:
        """The first output of a fitted estimator for a matrix with `width` columns."""
        kind = (StringTensorType if text else FloatTensorType)([None, width])
        made = to_onnx(estimator, initial_types=[("X", kind)], target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET})
        self.functions += made.functions
        self.opsets |= {one.domain: one.version for one in made.opset_import if one.domain not in self.opsets}
        inner = onnx.compose.add_prefix(made, f"{self.name()}/", rename_functions=False).graph
        self.nodes.append(helper.make_node("Identity", [value], [inner.input[0].name]))
        self.nodes.extend(inner.node)
        self.constants.extend(inner.initializer)
        return str(inner.output[0].name)

    def finish(self, schema: TabularInput, outputs: dict[str, tuple[str, int, int]]) -> onnx.ModelProto:
        """The whole graph; `outputs` gives by name the value, the element type and the width."""
        for name, (value, _, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{PREFIX}{name}"))
        kinds = {"float32": TensorProto.FLOAT, "object": TensorProto.STRING}
        inputs = [
            helper.make_tensor_value_info(name, kinds[dtype], ["batch", 1]) for name, (dtype, _) in schema.feeds.items()
        ]
        results = [
            helper.make_tensor_value_info(name, kind, ["batch", width]) for name, (_, kind, width) in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "encoding", inputs, results, self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        model = helper.make_model(graph, opset_imports=opsets, functions=self.functions, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def encoding_graph(encoder: Encoder, schema: TabularInput) -> onnx.ModelProto:
    """From `schema.feeds` to "numbers" (N, F) float32 and "codes" (N, C) int64, as `Encoder.encode` gives them."""
    build = Builder()
    by_kind = {
        kind: [feature.name for feature in schema.features if feature.kind == kind]
        for kind in ("number", "ordered", "category")
    }
    parts: list[str] = []
    if by_kind["number"]:
        parts += _numbers(build, encoder, build.concat(by_kind["number"]), len(by_kind["number"]))
    if encoder.rank is not None:
        ordered = build.concat(by_kind["ordered"])
        parts.append(build.floats(build.estimator(encoder.rank, ordered, len(by_kind["ordered"]), text=True)))
    if by_kind["category"]:
        parts += _categories(build, encoder, by_kind["category"])
    rows = build.op("Shape", schema.features[0].name, start=0, end=1)
    nothing = build.op("Concat", rows, build.constant([0], np.int64), axis=0)
    numbers = build.concat(parts) if parts else build.op("ConstantOfShape", nothing)
    if encoder.kept is not None:
        numbers = build.columns(numbers, encoder.kept)
    if encoder.code is not None:
        texts = build.concat(by_kind["category"])
        codes = build.estimator(encoder.code, texts, len(by_kind["category"]), text=True)
    else:
        zero = helper.make_tensor("value", TensorProto.INT64, [1], [0])
        codes = build.op("ConstantOfShape", nothing, value=zero)
    return build.finish(
        schema,
        {
            "numbers": (numbers, TensorProto.FLOAT, len(encoder.names["numbers"])),
            "codes": (codes, TensorProto.INT64, len(encoder.cardinalities)),
        },
    )


def _numbers(build: Builder, encoder: Encoder, raw: str, width: int) -> list[str]:
    """See `Encoder.all_numbers` and `Encoder.fill`."""
    values = raw
    if encoder.logged:
        above = build.op("Where", build.op("Less", raw, build.constant(0)), build.constant(0), raw)
        logarithms = build.op("Log", build.op("Add", above, build.constant(1)))
        logged = np.isin(np.arange(width), encoder.logged)
        values = build.op("Where", build.constant(logged, np.bool_), logarithms, raw)
    if encoder.standardise is not None:
        values = build.estimator(encoder.standardise, values, width)
    if hasattr(encoder.impute, "imputation_sequence_"):
        filled = _iterative(build, encoder.impute, values, width)
    else:
        filled = build.estimator(encoder.impute, values, width)
    parts = [_scaled(build, encoder, filled, width)]
    if encoder.missing:
        parts.append(build.floats(build.op("IsNaN", build.columns(raw, encoder.missing))))
    if encoder.limits is not None and encoder.flag:
        low, high = (build.constant(limit) for limit in encoder.limits)
        outside = build.op("Or", build.op("Less", filled, low), build.op("Greater", filled, high))
        parts.append(build.floats(outside))
    if encoder.forest is not None:
        label = build.op("Reshape", build.estimator(encoder.forest, filled, width), build.constant([-1, 1], np.int64))
        parts.append(build.floats(build.op("Equal", label, build.constant(-1, np.int64))))
    return parts


def _scaled(build: Builder, encoder: Encoder, filled: str, width: int) -> str:
    if encoder.limits is not None and not encoder.flag:
        low, high = (build.constant(limit) for limit in encoder.limits)
        filled = build.op("Min", build.op("Max", filled, low), high)
    return filled if encoder.scale is None else build.estimator(encoder.scale, filled, width)


def _categories(build: Builder, encoder: Encoder, names: list[str]) -> list[str]:
    if encoder.categorise is not None:
        return [build.floats(build.estimator(encoder.categorise, build.concat(names), len(names), text=True))]
    if encoder.hash is not None:
        return [build.floats(build.estimator(encoder.hash, name, 1, text=True)) for name in names]
    return []


def _iterative(build: Builder, imputer: Any, values: str, width: int) -> str:
    """The rounds of IterativeImputer: each is a linear model of one column on the others, for missing values alone."""
    missing = build.op("IsNaN", values)
    current = build.estimator(imputer.initial_imputer_, values, width)
    columns = [build.columns(current, [place]) for place in range(width)]
    absent = [build.columns(missing, [place]) for place in range(width)]
    for place, neighbours, model in imputer.imputation_sequence_:
        weights_M1: NDArray[np.float64] = np.zeros((width, 1))
        weights_M1[neighbours, 0] = model.coef_
        product = build.op("MatMul", build.concat(columns), build.constant(weights_M1))
        predicted = build.op("Add", product, build.constant(model.intercept_))
        low, high = (build.constant(limit[place]) for limit in (imputer._min_value, imputer._max_value))
        bounded = build.op("Min", build.op("Max", predicted, low), high)
        columns[place] = build.op("Where", absent[place], bounded, columns[place])
    return build.concat(columns)
