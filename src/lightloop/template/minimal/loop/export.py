"""export: the bundle: an ONNX graph, the preprocessing, hashes; compared with PyTorch on every test record."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from lightloop.errors import LightloopError
from lightloop.files import replacing, write_json
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.network import MLP
from lightloop.template.minimal.loop.paths import Project
from lightloop.template.minimal.loop.predictor import Predictor
from lightloop.template.minimal.loop.trained import load, read_splits


class _Probability(nn.Module):
    """The network with the last step that people expect."""

    def __init__(self, network: MLP) -> None:
        super().__init__()
        self.network = network

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(numbers, codes))


def export(config: Config, project: Project) -> None:
    """Write `artifacts/bundle`, and by how much it differs from the network.

    Raises:
        LightloopError: the graph is not what ONNX allows.
    """
    trained = load(project)
    test = read_splits(config, project).test
    with replacing(project.bundle) as folder:
        folder.mkdir()
        write_graph(_Probability(trained.network), trained.tensors(test.head(2)), folder / "model.onnx")
        manifest = {
            "format": 1,
            "name": config.name,
            "target": config.data.target,
            "positive": config.data.positive,
            "preprocessor": trained.preprocessor.to_dict(),
            "sha256": {"model.onnx": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    ours_N, theirs_N = trained.probabilities(test), Predictor(project.bundle).probabilities(test)
    write_json(project.parity, {"records": len(test), "max_difference": float(np.abs(ours_N - theirs_N).max())})


def write_graph(network: nn.Module, example: tuple[torch.Tensor, torch.Tensor], path: Path) -> None:
    """The network as ONNX, for any number of records, with nothing in it that changes from run to run."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # torchvision is not missed here
    program = torch.onnx.export(
        network.eval(),
        example,
        input_names=["numbers", "codes"],
        output_names=["probability"],
        dynamic_shapes={name: {0: torch.export.Dim.DYNAMIC} for name in ("numbers", "codes")},
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise LightloopError("PyTorch wrote no ONNX program: try another version of torch")
    model = program.model_proto
    graph = model.graph
    # What the exporter notes for itself: stack traces with paths of this machine, and versions.
    for part in (model, graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer, *graph.node):
        part.doc_string = ""
        del part.metadata_props[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
