"""Preprocessing of tables: what scikit-learn fits, and the arithmetic around it.

Shapes: N records, B batch, F numbers, P components, C codes, H numbers of an answer, O outputs.
"""

import json
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightloop.config.data import Kind
from lightloop.config.schema import Config
from lightloop.config.tabular import TabularPreprocess, TabularSpec
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.tabular.encoder import Encoder, Raw, fit_encoder
from lightloop.data.tabular.graph import encoding_graph
from lightloop.data.tabular.input import MISSING, Feature, TabularInput
from lightloop.data.tabular.state import dump_encoder, load_encoder
from lightloop.data.targets import check_classes, encode_targets
from lightloop.errors import RefusedError
from lightloop.networks._inputs import TableInputs

SCHEMA_FILE = "columns.json"
ENCODER_FILE = "columns.skops"


class TabularPreprocessor(Preprocessor):
    """Columns to numbers (N, F) float32 and codes (N, C) int64, by the methods that `preprocess` names.

    Numbers of a regression are learned in deviations from their mean; `restore` gives them their unit again.

    A column without any value in the training records is refused, since nothing can stand for it. A category that
    training did not show, or rarely, is code 0 (with `one_hot`, all zeros) and never an error; nor is a missing value,
    even in a column that had none in training.

    Args:
        config: of the run; read are `data` and `preprocess`.

    Attributes:
        encoder: what is fitted; after `fit` or `load_files`.

    Examples:
        >>> from lightloop.config.compose import compose_config
        >>> from lightloop.data.splits import read_splits
        >>> from lightloop.project import Project
        >>> project = Project.find()
        >>> config = compose_config(project, ["experiment=loans"])
        >>> train = read_splits(config.data, project.root, 0)["train"]
        >>> preprocess = TabularPreprocessor(config)
        >>> preprocess.fit(train)
        >>> numbers, codes = preprocess.encode(train.slice(0, 3))
        >>> len(numbers), numbers.dtype, codes.dtype
        (3, torch.float32, torch.int64)
    """

    target_mean: Tensor
    target_deviation: Tensor
    offset: Tensor | None
    projection: Tensor | None

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert isinstance(config.data, TabularSpec)
        assert isinstance(config.preprocess, TabularPreprocess)
        self.spec, self.settings = config.data, config.preprocess
        self.encoder = Encoder()
        self.schema: TabularInput | None = None
        self._take_projection()
        self.register_buffer("target_mean", torch.zeros(1))
        self.register_buffer("target_deviation", torch.ones(1))

    def fit(self, train: pa.Table) -> None:
        """See `Preprocessor.fit`.

        Raises:
            RefusedError: a column has no value at all, or a single class is left; or the records do not allow what
                the config asks for.
        """
        classes = self.spec.problem == "classification"
        targets = encode_targets(train, self.spec)
        if classes:
            check_classes(train)
        else:
            self.target_mean.copy_(targets.double().mean(0).float())
            deviation = targets.double().std(0, correction=0).float()
            self.target_deviation.copy_(torch.where(deviation > 0, deviation, 1.0))
        self.schema = fit_schema(train, self.spec)
        names = {kind: [one.name for one in self._features(kind)] for kind in ("number", "ordered", "category")}
        unknown = sorted(set(self.settings.log) - set(names["number"]))
        if unknown:
            raise RefusedError(
                f"preprocess.log names {unknown[0]!r}, which is no number column: they are {', '.join(names['number'])}"
            )
        self.encoder = fit_encoder(
            self._raw(train),
            {"numbers": names["number"], "ordered": names["ordered"], "categories": names["category"]},
            [list(one.values) for one in self._features("ordered")],
            targets.numpy() if classes else targets[:, 0].numpy(),
            self.settings,
            classes=classes,
        )
        self._take_projection()

    def _features(self, kind: str) -> list[Feature]:
        assert self.schema, "the preprocessor is not fitted"
        return [feature for feature in self.schema.features if feature.kind == kind]

    def _raw(self, table: pa.Table) -> Raw:
        feeds = self.input.encode(table, {})

        def side_by_side(kind: Kind, dtype: type) -> NDArray[Any]:
            columns = [feeds[feature.name] for feature in self._features(kind)]
            return np.hstack(columns) if columns else np.zeros((len(table), 0), dtype)

        return Raw(
            side_by_side("number", np.float32), side_by_side("ordered", object), side_by_side("category", object)
        )

    def _take_projection(self) -> None:
        """Extraction is a linear map and so part of `forward`. It is stored with the encoder, not with the weights."""
        for name in ("offset", "projection"):
            value = getattr(self.encoder, name)
            self.register_buffer(name, None if value is None else torch.from_numpy(value), persistent=False)

    @property
    def input(self) -> TabularInput:
        assert self.schema, "the preprocessor is not fitted"
        return self.schema

    @property
    def inputs(self) -> TableInputs:
        width = len(self.encoder.sources) if self.encoder.projection is None else self.encoder.projection.shape[1]
        return TableInputs(width, tuple(self.encoder.cardinalities))

    @property
    def number_names(self) -> list[str]:
        """Names of the columns of the encoded numbers, such as "prop=2" or "rep missing"."""
        return self.encoder.names["numbers"]

    @property
    def code_names(self) -> list[str]:
        """Names of the columns of the encoded codes."""
        return self.encoder.names["codes"]

    @property
    def positions(self) -> list[str]:
        """The raw column that each of the network's columns is made from, numbers first; what is of all has no such."""
        encoder = self.encoder
        if encoder.projection is not None:
            numbers = [f"component {number}" for number in range(1, encoder.projection.shape[1] + 1)]
        else:
            numbers = [source or name for source, name in zip(encoder.sources, self.number_names, strict=True)]
        return numbers + self.code_names

    def encode(self, table: pa.Table) -> tuple[Tensor, ...]:
        """Numbers (N, F) float32 and codes (N, C) int64, -1 for what is rare or unknown."""
        numbers_NF, codes_NC = self.encoder.encode(self._raw(table))
        return torch.from_numpy(np.ascontiguousarray(numbers_NF)), torch.from_numpy(codes_NC)

    def forward(self, *encoded: Tensor) -> tuple[Tensor, ...]:
        """Numbers (B, F), or (B, P) after extraction, and codes (B, C) from 0, which is what is rare or unknown."""
        numbers_BF, codes_BC = encoded
        if self.offset is not None and self.projection is not None:
            numbers_BF = (numbers_BF - self.offset) @ self.projection
        return numbers_BF, codes_BC + 1

    def restore(self, outputs_BO: Tensor, *encoded: Tensor) -> Tensor:
        """Numbers in the target's unit; outputs of classes as they are, and those of auxiliary heads."""
        if self.spec.problem == "classification":
            return outputs_BO
        numbers_BH = outputs_BO[:, :1] * self.target_deviation + self.target_mean
        return torch.cat([numbers_BH, outputs_BO[:, 1:]], dim=1)

    @property
    def encoded_names(self) -> tuple[str, ...]:
        return ("numbers", "codes")

    def example(self) -> tuple[Tensor, ...]:
        codes_BC = torch.zeros(2, len(self.encoder.cardinalities), dtype=torch.int64)
        return torch.zeros(2, len(self.encoder.sources)), codes_BC

    def dynamic(self) -> tuple[tuple[int, ...], ...]:
        return ((0,), (0,))

    def encoding_graph(self) -> onnx.ModelProto:
        """From the raw columns to "numbers" and "codes"."""
        return encoding_graph(self.encoder, self.input)

    def files(self) -> dict[str, bytes]:
        schema = json.dumps(self.input.model_dump(mode="json"), indent=1, ensure_ascii=False)
        return {SCHEMA_FILE: schema.encode(), ENCODER_FILE: dump_encoder(self.encoder)}

    def load_files(self, files: dict[str, bytes]) -> None:
        self.schema = TabularInput.model_validate_json(files[SCHEMA_FILE])
        self.encoder = load_encoder(files[ENCODER_FILE])
        self._take_projection()


def fit_schema(train: pa.Table, spec: TabularSpec) -> TabularInput:
    """The schema of a record as training records show it.

    Raises:
        RefusedError: a column has no value; an ordered one has a value whose place is not known.
    """
    return TabularInput(features=tuple(_feature(train.column(name), name, spec) for name in spec.features))


def _feature(column: pa.ChunkedArray, name: str, spec: TabularSpec) -> Feature:
    missing = column.null_count > 0
    if column.null_count == len(column):
        raise RefusedError(
            f"column {name!r} has no value in the training records: give it the role ignored in "
            f"configs/data/{spec.name}.yaml"
        )
    if pa.types.is_floating(column.type):
        known = column.drop_null().to_numpy()
        return Feature(name=name, kind="number", low=float(known.min()), high=float(known.max()), missing=missing)
    values = sorted(set(column.drop_null().to_pylist()) - {MISSING})
    if spec.columns[name].kind != "ordered":
        return Feature(name=name, kind="category", values=tuple(values), missing=missing)
    return Feature(name=name, kind="ordered", values=tuple(_in_order(values, name, spec)), missing=missing)


def _in_order(values: list[str], name: str, spec: TabularSpec) -> list[str]:
    order = list(spec.orders.get(name, ()))
    if order:
        unknown = [value for value in values if value not in order]
        if unknown:
            raise RefusedError(f"column {name!r} holds {unknown[0]!r}, which data.orders.{name} does not name")
        return order
    try:
        return sorted(values, key=float)
    except ValueError:
        raise RefusedError(
            f"column {name!r} is ordered, but its values are no numbers: say their order in data.orders.{name}"
        ) from None
