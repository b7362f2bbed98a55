"""The contract of preprocessing: raw records to what a network takes, and back from its outputs to the target's units.

Shapes: N records, B batch, O outputs.
"""

import importlib
from abc import ABC, abstractmethod

import onnx
import pyarrow as pa
import torch
from torch import Tensor, nn

from lightloop.config.schema import Config
from lightloop.data.inputs import RecordInput
from lightloop.networks._inputs import Inputs


class Preprocessor(nn.Module, ABC):
    """Preprocessing of one modality; one subclass each, `data/<modality>/preprocessor.py`.

    Records pass three steps, the same in training and in the service:

    1. `input.encode(table)`: what can't be part of a graph (decoding images, tokenising). NumPy, no torch, so that the
       service uses the very same code.
    2. `encoding_graph()`: what is fitted by scikit-learn, as ONNX; `encode` runs the fitted estimator itself. Most
       modalities have none.
    3. `forward`: arithmetic on tensors, part of the exported graph; its state lies in buffers.

    A network's outputs pass `restore`, which is part of the graph as well.

    Everything is fitted on the training split alone. State that is no tensor travels as `files`, by name; none of it
    is pickled.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def fit(self, train: pa.Table) -> None:
        """Fit to the training records, a table as `data.splits.read_splits` gives it, with `label`."""

    @property
    @abstractmethod
    def input(self) -> RecordInput:
        """The schema of a raw record, for the bundle; after `fit` or `load_files`."""

    @property
    @abstractmethod
    def inputs(self) -> Inputs:
        """What the network is given; after `fit` or `load_files`."""

    @abstractmethod
    def encode(self, table: pa.Table) -> tuple[Tensor, ...]:
        """Records as tensors, (N, ...) each: steps 1 and 2. Run once for a data set, not in the hot loop.

        Raises:
            RefusedError: a record is not as the data spec says.
        """

    def forward(self, *encoded: Tensor) -> tuple[Tensor, ...]:
        """What the network takes, of encoded records: step 3."""
        return encoded

    def restore(self, outputs_BO: Tensor, *encoded: Tensor) -> Tensor:
        """A network's outputs in the target's units; `encoded` is what `forward` took."""
        return outputs_BO

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """Names of the tensors that `encode` gives, in the exported graph."""
        return tuple(self.input.feeds)

    def example(self) -> tuple[Tensor, ...]:
        """Two encoded records, to trace the graph with."""
        return tuple(
            torch.zeros([2, *(length or 2 for length in shape[1:])], dtype=getattr(torch, dtype))
            for dtype, shape in self.input.feeds.values()
        )

    def dynamic(self) -> tuple[tuple[int, ...], ...]:
        """Of each encoded tensor the dimensions whose length may differ from call to call; the batch is one."""
        return tuple(
            tuple(place for place, length in enumerate(shape) if length is None)
            for _, shape in self.input.feeds.values()
        )

    def encoding_graph(self) -> onnx.ModelProto | None:
        """Step 2 as a graph from `input.feeds` to `encoded_names`, or None where there is no such step."""
        return None

    def files(self) -> dict[str, bytes]:
        """State that is no tensor, by file name."""
        return {}

    def load_files(self, files: dict[str, bytes]) -> None:
        """Take the state that `files` gave."""


def build_preprocessor(config: Config) -> Preprocessor:
    """The preprocessor of the config's modality, not fitted; generation has its own."""
    modality = config.data.modality
    if config.data.problem == "generation":
        module = importlib.import_module(f"lightloop.data.{modality}.generation")
        generation: Preprocessor = module.GenerationPreprocessor(config)
        return generation
    module = importlib.import_module(f"lightloop.data.{modality}.preprocessor")
    preprocessor: Preprocessor = getattr(module, f"{modality.capitalize()}Preprocessor")(config)
    return preprocessor
