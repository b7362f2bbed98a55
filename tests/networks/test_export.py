"""Every network as an ONNX graph: the same answers in ONNX Runtime, for other batch sizes and text lengths."""

import contextlib
import io
import logging
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from network_examples import CASES, build, records
from torch import Tensor, nn

# The rest takes a second or more each.
FAST = [case for case in (("mlp", "tabular"), ("rnn", "text")) if case in CASES]
EVERY_VARIANT = [
    ("rnn", "text", {"activation": "relu", "pooling": "last", "layers": 2}),
    ("lstm", "text", {"pooling": "last", "bidirectional": False}),
    ("gru", "text", {"pooling": "mean"}),
    ("tcn", "text", {"normalisation": "batch", "pooling": "last"}),
    ("transformer", "text", {"positions": "learned", "pooling": "attention"}),
    ("transformer", "series", {"positions": "none", "pooling": "last"}),
    ("tabular", "tabular", {"numbers": "periodic"}),
    ("tabular", "tabular", {"numbers": "linear", "normalisation": "layer"}),
    ("inception_time", "series", {"normalisation": "layer"}),
    ("timm", "image", {"backbone": "test_vit"}),
    ("timm", "image", {"backbone": "mobilenetv3_small_050"}),
    ("cnn", "image", {"normalisation": "group", "activation": "mish"}),
]
VARIANTS = [one for one in EVERY_VARIANT if one[:2] in CASES]


@pytest.mark.parametrize(("name", "modality"), FAST)
def test_the_graph_answers_like_the_network(name: str, modality: str):
    compare(build(name, modality), modality)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "modality"), [case for case in CASES if case not in FAST])
def test_the_graph_of_every_network_answers_like_it(name: str, modality: str):
    compare(build(name, modality), modality)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "modality", "options"), VARIANTS)
def test_the_graph_of_other_options_answers_like_the_network(name: str, modality: str, options):
    compare(build(name, modality, **options), modality)


def compare(network: nn.Module, modality: str) -> None:
    network.eval()
    session = onnxruntime.InferenceSession(exported(network, records(modality, 2), modality))
    for batch, length in ((1, 11), (7, 11), (3, 4), (2, 16)):
        features = records(modality, batch, length=length, seed=batch)
        feeds = {place.name: part.numpy() for place, part in zip(session.get_inputs(), features, strict=True)}
        with torch.no_grad():
            expected = network(*features).numpy()
        assert np.abs(session.run(None, feeds)[0] - expected).max() < 1e-4
    if modality == "text":
        nothing = np.zeros((2, 5), dtype=np.int64)
        assert np.isfinite(session.run(None, {session.get_inputs()[0].name: nothing})[0]).all()


class Whole(nn.Module):
    """The network with the signature that is exported, whatever its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *features: Tensor) -> Tensor:
        return self.network(*features)


def exported(network: nn.Module, features: tuple[Tensor, ...], modality: str) -> bytes:
    places = (0, 1) if modality == "text" else (0,)
    dynamic = tuple(dict.fromkeys(places, torch.export.Dim.DYNAMIC) for _ in features)
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Whole(network),
                features,
                dynamic_shapes=(dynamic,),
                opset_version=20,
                dynamo=True,
                verbose=False,
            )
    finally:
        logging.disable(disabled)
    return program.model_proto.SerializeToString()
