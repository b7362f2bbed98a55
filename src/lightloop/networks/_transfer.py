"""Transfer: pretrained weights from a file, freezing, unfreezing step by step, and groups of layers.

A parameter is named as in `network.named_parameters()`, such as `stages.0.1.0.weight`; a prefix is a whole part of
such a name, such as `stages.0`.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

# What these arguments of networks must be where fresh weights are wanted, or where trained ones are put in anyway.
UNTRAINED: dict[str, Any] = {"weights": None, "pretrained": "none"}
# How many of the names that do not fit an error lists.
LISTED = 5


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a weight file by name; no code runs on loading.

    Args:
        path: `.safetensors`, or what `torch.save` wrote. From a checkpoint or a bundle of this project the network's
            part is taken, from other checkpoints what lies under `state_dict` or `model`.

    Raises:
        ValueError: the file is missing or holds something else.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"weights={path} is no file: give a .safetensors or .pth file, relative to the project")
    try:
        if file.suffix == ".safetensors":
            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"weights={path} can't be read as weights: {str(error).splitlines()[0]}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"weights={path} holds no tensors by name: save the network's state_dict()")
    ours = {key.removeprefix("network."): value for key, value in content.items() if key.startswith("network.")}
    return ours or content


def load_weights(network: nn.Module, path: str, fresh: tuple[str, ...] = ()) -> None:
    """Put the weights of a file into a network by name; every tensor must be there and have its shape.

    Args:
        network: to be changed in place.
        path: see `read_weights`. What it holds beyond the network's tensors is not looked at.
        fresh: prefixes of what keeps the weights that it has, such as the head when the classes are others.

    Raises:
        ValueError: lists the tensors that do not fit.
    """
    put_weights(network, read_weights(path), path, fresh)


def put_weights(network: nn.Module, state: dict[str, Tensor], source: str, fresh: tuple[str, ...] = ()) -> None:
    """As `load_weights`, of tensors that were read already."""
    own = network.state_dict()
    _known(own, fresh, "fresh")
    wanted = {key: value for key, value in own.items() if not _under(key, fresh)}
    faults = [
        f"{key} is {tuple(state[key].shape)} in the file and {tuple(value.shape)} here"
        if key in state
        else f"{key} is missing in the file"
        for key, value in wanted.items()
        if key not in state or state[key].shape != value.shape
    ]
    if faults:
        more = f", and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        raise ValueError(
            f"weights={source} does not fit the network: {'; '.join(faults[:LISTED])}{more}. Give the network the "
            "sizes that it was trained with, and name what shall start anew in `fresh`, such as fresh=[head]"
        )
    network.load_state_dict({**own, **{key: state[key] for key in wanted}})


def freeze(network: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Stop training the parameters under the prefixes; batch norms all of whose parameters are frozen leave training.

    Raises:
        ValueError: no parameter begins with a prefix.

    Examples:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        >>> freeze(network, ("0",))
        >>> [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        ['1.weight', '1.bias']
    """
    _known(dict(network.named_parameters()), prefixes, "freeze")
    for name, parameter in network.named_parameters():
        if _under(name, prefixes):
            parameter.requires_grad_(False)
    rest_frozen_norms(network)


def rest_frozen_norms(network: nn.Module) -> None:
    """Put batch norms with frozen parameters into evaluation mode: else their running statistics would go on moving.

    It is to be called after each `train()`; the networks here do so themselves.
    """
    for module in network.modules():
        if isinstance(module, _NormBase) and module.affine and not module.weight.requires_grad:
            module.eval()


def train_last_groups(network: nn.Module, count: int) -> None:
    """Train the last `count` of the `layer_groups` and freeze those before them: a step of gradual unfreezing.

    Source: arXiv:1801.06146, section 3.3. An optimizer that was built before must hold all parameters; those without
    a gradient it passes over.

    Examples:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        >>> train_last_groups(network, 1)
        >>> [parameter.requires_grad for parameter in network.parameters()]
        [False, False, True, True]
    """
    groups = layer_groups(network)
    trained = {name for group in groups[max(0, len(groups) - count) :] for name in group}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in trained)
        if not parameter.requires_grad:
            parameter.grad = None
    network.train(network.training)
    rest_frozen_norms(network)


def layer_groups(network: nn.Module) -> list[list[str]]:
    """Names of the parameters by layer, from input to output: for rates that differ from layer to layer.

    The children of the network are the layers, in the order in which they were registered; a list of layers counts
    as its members, the last child (the head) as one. Layers that have nothing but vectors, such as norms, go with the
    one before. Each parameter is named once.

    Source of the use: discriminative fine-tuning, arXiv:1801.06146, section 3.1.

    Examples:
        >>> layer_groups(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)))
        [['0.weight', '0.bias', '1.weight', '1.bias'], ['3.weight', '3.bias']]
    """
    groups: list[list[str]] = []
    seen: set[int] = set()
    for layer in _layers(network):
        # A parameter that two layers share belongs to the first.
        new = [(name, parameter) for name, parameter in layer if id(parameter) not in seen]
        seen |= {id(parameter) for _, parameter in new}
        if not new:
            continue
        if groups and all(parameter.ndim < 2 for _, parameter in new):
            groups[-1] += [name for name, _ in new]
        else:
            groups.append([name for name, _ in new])
    return groups


def _layers(module: nn.Module, prefix: str = "") -> list[list[tuple[str, nn.Parameter]]]:
    """The parameters of each layer of a module by name, from input to output; those of no layer come first."""
    layers = [list(module.named_parameters(prefix.removesuffix("."), recurse=False))]
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        listed = isinstance(child, nn.Sequential | nn.ModuleList) and not name.endswith("head")
        if getattr(child, "has_layers", False):
            layers += _layers(child, f"{path}.")
        elif listed:
            layers += [list(part.named_parameters(f"{path}.{place}")) for place, part in child.named_children()]
        else:
            layers.append(list(child.named_parameters(path)))
    return layers


def _under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _known(names: dict[str, Any], prefixes: tuple[str, ...], argument: str) -> None:
    for prefix in prefixes:
        if not any(_under(name, (prefix,)) for name in names):
            first = list(dict.fromkeys(name.split(".")[0] for name in names))
            raise ValueError(
                f"{argument} names {prefix!r}, but no parameter of the network begins so: its parts are "
                f"{', '.join(first)}"
            )
