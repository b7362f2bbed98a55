"""Small networks of every kind with inputs for them: what the tests of networks go through.

A new network is built as it is by default, without dropout, unless it has a line in SMALL.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lightloop.config.signature import components
from lightloop.networks._inputs import ImageInputs, Inputs, SeriesInputs, TableInputs, TextInputs

OUTPUTS = 4
INPUTS: dict[str, Inputs] = {
    "image": ImageInputs(1, 16, 12),
    "tabular": TableInputs(3, (4, 2)),
    "text": TextInputs(30, 16),
    "series": SeriesInputs(14, 2),
}
# Tiny sizes, and no dropout, so that a batch can be learned by heart.
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"channels": (8, 12), "dropout": 0.0},
    "embedding_bag": {"width": 16, "hidden": (16,), "dropout": 0.0},
    "ft_transformer": {"width": 16, "blocks": 2, "heads": 2, "dropout": 0.0},
    "gru": {"hidden": 12, "layers": 2, "embedding": 12, "dropout": 0.0},
    "inception_time": {"filters": 4, "depth": 4, "kernels": (9, 5), "bottleneck": 4},
    "lstm": {"hidden": 12, "layers": 2, "embedding": 12, "dropout": 0.0},
    "mlp": {"hidden": (32, 16), "dropout": 0.0},
    "resnet": {"channels": (8, 12), "blocks": 1, "dropout": 0.0},
    "rnn": {"hidden": 16, "embedding": 12, "dropout": 0.0},
    "tabular": {"embedding": 8, "bins": 6, "hidden": (32,), "dropout": 0.0},
    "tcn": {"channels": (12, 16), "embedding": 12, "dropout": 0.0},
    "timm": {"backbone": "test_resnet", "size": 48, "dropout": 0.0},
    "transformer": {"width": 16, "blocks": 2, "heads": 2, "hidden": 32, "dropout": 0.0},
}
# Networks that answer records; generators answer noise.
ANSWERING = {
    name: component
    for name, component in components("networks").items()
    if "generation" not in component.traits.get("problems", ())
}
for name, component in ANSWERING.items():
    SMALL.setdefault(name, {"dropout": 0.0} if "dropout" in component.model.model_fields else {})
CASES = [(name, modality) for name, component in ANSWERING.items() for modality in component.traits["modalities"]]


def build(name: str, modality: str, **options: Any) -> nn.Module:
    """A small network with weights of seed 0."""
    torch.manual_seed(0)
    network: nn.Module = ANSWERING[name].load()(INPUTS[modality], OUTPUTS, **SMALL[name] | options)
    return network


def records(modality: str, batch: int, *, length: int = 11, seed: int = 1) -> tuple[Tensor, ...]:
    """Drawn records that all differ; texts end in padding, the first one at once after its first token."""
    random = torch.Generator().manual_seed(seed)
    inputs = INPUTS[modality]
    if isinstance(inputs, ImageInputs):
        return (torch.randn(batch, inputs.channels, inputs.height, inputs.width, generator=random),)
    if isinstance(inputs, SeriesInputs):
        return (torch.randn(batch, inputs.length, inputs.channels, generator=random),)
    if isinstance(inputs, TableInputs):
        codes = [torch.randint(size, (batch,), generator=random) for size in inputs.cardinalities]
        return torch.randn(batch, inputs.numbers, generator=random), torch.stack(codes, 1)
    ids_BT = torch.randint(1, inputs.vocabulary, (batch, length), generator=random)
    lengths_B = torch.randint(2, length + 1, (batch,), generator=random)
    lengths_B[0] = 1
    return (ids_BT * (torch.arange(length) < lengths_B[:, None]),)
