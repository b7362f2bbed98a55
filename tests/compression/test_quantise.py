"""Graphs with smaller numbers answer nearly as before, are much smaller, and change where they should alone."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from compression_graphs import convolutional, dense, recurrent

from lightloop.calibration.rules import Scaling
from lightloop.calibration.scaling import scaled
from lightloop.compression.graphs import InapplicableError, network_part, with_scaling
from lightloop.compression.quantise import dynamic_int8, float16, static_int8
from lightloop.compression.scaling import scaling_graph
from lightloop.config.compression import DynamicInt8, Float16, StaticInt8

DYNAMIC, STATIC = DynamicInt8(name="dynamic_int8"), StaticInt8(name="static_int8")
HALF = Float16(name="float16")


def images(count=40, seed=0):
    generator = np.random.default_rng(seed)
    brightness = generator.uniform(0.1, 1, (count, 1, 1, 1))
    return {"image": (generator.integers(0, 256, (count, 1, 8, 8)) * brightness).astype(np.uint8)}


def rows(count=40, seed=0):
    generator = np.random.default_rng(seed)
    ages = generator.normal(40, 12, (count, 1)).astype(np.float32)
    ages[0] = np.nan
    return {"age": ages, "town": generator.choice(["Oslo", "Rome", "Nowhere"], (count, 1)).astype(object)}


def answers(graph, feeds):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def kinds(graph):
    return Counter(node.op_type for node in graph.graph.node)


def nearly(graph, smaller, feeds, share):
    """The logits moved by at most this share of their spread, on average."""
    before, after = (answers(one, feeds)["logits"] for one in (graph, smaller))
    assert before.std() > 0.1, "a graph that answers the same for everything shows nothing"
    assert 0 < np.abs(after - before).mean() < share * before.std()


def test_static_int8_is_for_convolutions():
    graph = network_part(convolutional())
    smaller = static_int8(graph, STATIC, images())
    nearly(graph, smaller, images(seed=1), 0.05)
    assert smaller.ByteSize() < 0.4 * graph.ByteSize()
    # Levels are divided before the first convolution, in full precision.
    quantised = {node.input[0] for node in smaller.graph.node if node.op_type == "QuantizeLinear"}
    assert not quantised & {"levels"}
    assert "shares" in quantised
    stored = {value.name: value for value in smaller.graph.initializer}
    scales = [
        stored[node.input[1]]
        for node in smaller.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0].startswith("network.kernel2")
    ]
    assert [list(scale.dims) for scale in scales] == [[48]], "each channel has a scale of its own"


def test_dynamic_int8_never_touches_convolutions():
    graph = network_part(convolutional())
    with pytest.raises(InapplicableError, match="the graph became no smaller"):
        dynamic_int8(graph, DYNAMIC)
    wide = convolutional()
    del wide.graph.node[7:]  # without the layer at the end
    with pytest.raises(InapplicableError, match=r"no layer of the network is a matrix product.*for static_int8"):
        dynamic_int8(wide, DYNAMIC)


def test_dynamic_int8_is_for_lstms_and_embeddings():
    graph = recurrent()
    smaller = dynamic_int8(graph, DYNAMIC)
    assert kinds(smaller)["DynamicQuantizeLSTM"] == 1
    assert smaller.ByteSize() < 0.35 * graph.ByteSize()
    ids = {"ids": np.random.default_rng(0).integers(0, 50, (20, 9))}
    nearly(graph, smaller, ids, 0.03)
    assert answers(smaller, {"ids": ids["ids"][:, :4]})["logits"].shape == (20, 2), "the length is free"


@pytest.mark.parametrize("way", ["dynamic", "static"])
def test_what_classical_learning_fitted_stays_as_it_is(way):
    graph = dense()
    smaller = dynamic_int8(graph, DYNAMIC) if way == "dynamic" else static_int8(graph, STATIC, rows())
    nearly(graph, smaller, rows(seed=1), 0.05)
    assert smaller.ByteSize() < 0.65 * graph.ByteSize()
    before, after = kinds(graph), kinds(smaller)
    for kind in ("Imputer", "Scaler", "OneHotEncoder", "Reshape"):
        assert after[kind] == before[kind]


def test_an_infinite_mask_has_no_range():
    with pytest.raises(InapplicableError, match="minus infinity, which has no place in a range: take dynamic_int8"):
        static_int8(dense(masked=True), STATIC, rows())


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_ranges_may_leave_out_the_rarest_values(method, capsys):
    graph = network_part(convolutional())
    smaller = static_int8(graph, StaticInt8(name="static_int8", method=method), images())
    nearly(graph, smaller, images(seed=1), 0.3)
    assert capsys.readouterr().out == ""


def test_layers_that_answer_no_numbers_have_no_range():
    graph = dense()
    del graph.graph.node[0].attribute[1]  # what is missing stays NaN
    with pytest.raises(InapplicableError, match="what the layers answer to training records has no range"):
        static_int8(graph, STATIC, rows())


@pytest.mark.parametrize("make", [convolutional, dense, recurrent])
def test_float16_halves_the_weights_and_keeps_what_comes_and_goes(make):
    graph = network_part(make())
    smaller = float16(graph, HALF)
    feeds = {
        "convolutional": images(),
        "dense": rows(),
        "recurrent": {"ids": np.random.default_rng(0).integers(0, 50, (20, 9))},
    }[make.__name__]
    nearly(graph, smaller, feeds, 0.005)
    assert smaller.ByteSize() < 0.62 * graph.ByteSize()
    for one, other in zip(
        (*graph.graph.input, *graph.graph.output), (*smaller.graph.input, *smaller.graph.output), strict=True
    ):
        assert (one.name, one.type.tensor_type.elem_type) == (other.name, other.type.tensor_type.elem_type)


def test_the_same_graph_and_records_give_the_same_bytes():
    graph = network_part(convolutional())
    first, second = (static_int8(graph, STATIC, images()).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    whole = static_int8(graph, STATIC, images())
    assert (whole.producer_name, len(whole.metadata_props), len(whole.graph.value_info)) == ("lightloop", 0, 0)


def test_the_given_graph_is_not_changed():
    graph = network_part(dense())
    before = graph.SerializeToString()
    dynamic_int8(graph, DYNAMIC)
    static_int8(graph, STATIC, rows())
    float16(graph, HALF)
    assert graph.SerializeToString() == before


CURVES = (((-2.0, 0.1), (0.0, 0.4), (2.0, 0.9)), ((-1.0, 0.2), (1.0, 0.7)), ((-3.0, 0.05), (3.0, 0.95)))


@pytest.mark.parametrize(
    "scaling", [Scaling(), Scaling(name="temperature", temperature=2.5)], ids=["softmax", "temperature"]
)
def test_probabilities_are_scaled_anew(scaling):
    check_scaling(scaling)


@pytest.mark.slow
def test_probabilities_are_scaled_anew_by_curves():
    check_scaling(Scaling(name="isotonic", curves=CURVES))


def check_scaling(scaling):
    graph = with_scaling(network_part(convolutional()), scaling_graph(scaling, 3))
    onnx.checker.check_model(graph, full_check=True)
    found = answers(graph, images())
    np.testing.assert_allclose(found["probabilities"], scaled(scaling, found["logits"]), atol=1e-5)
    np.testing.assert_allclose(found["logits"], answers(convolutional(), images())["logits"], atol=1e-5)
