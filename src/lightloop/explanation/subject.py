"""What is explained: a sample of records, the trained network, and what both are compared with.

Shapes: N records, S drawn baselines, D components, P positions (height and width of images, one axis of all others),
Q what attributions are about: positions, or the columns of a table; T tokens, O outputs.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from lightloop.config.schema import Config
from lightloop.explanation.curves import Replacing
from lightloop.explanation.methods import Extras, Method, Reference, frozen
from lightloop.explanation.sanity import foreground
from lightloop.networks._inputs import PADDING
from lightloop.tasks.answers import build_answer
from lightloop.tasks.checkpoint import Model, build_network

# Training records whose mean is the baseline: enough for a mean that one more does not change.
BASELINE_RECORDS = 1000
# Pixels are ablated in blocks, this many along each side: one by one they change nothing.
BLOCKS = 7

Noun = Literal["pixels", "columns", "tokens", "steps"]
NOUNS: dict[str, Noun] = {"image": "pixels", "tabular": "columns", "text": "tokens", "series": "steps"}


class Explained(nn.Module):
    """A network as a function of prepared records (N, D, P) and extras, to the scores (N, O) that are explained.

    Scores of classes are logits. The score of numbers is one: their mean (of a forecast, over the horizon), in the
    target's unit. What preprocessing puts back by itself, such as the last level of a series, is the same for a record
    and for what it is compared with: explained is what the network adds.

    Args:
        network: trained; of records other than images, what follows its embedding is run.
        model: to which it belongs.
    """

    def __init__(self, network: nn.Module, model: Model) -> None:
        super().__init__()
        self.network = network
        self.model = model
        self.answer = build_answer(model.config)
        self.whole = model.config.data.modality == "image"
        self.masked = model.config.data.modality == "text"
        self.classes = model.config.data.problem == "classification"

    def __deepcopy__(self, memo: dict[int, object]) -> "Explained":
        # The model is only read, and holds more than can be copied.
        return Explained(deepcopy(self.network, memo), self.model).train(self.training)

    @property
    def feature_maps(self) -> nn.Module:
        maps = self.network.feature_maps
        assert isinstance(maps, nn.Module)
        return maps

    def forward(self, x_NDP: Tensor, *extras: Tensor) -> Tensor:
        mask, encoded = (extras[0], extras[1:]) if self.masked else (None, extras)
        if self.whole:
            outputs_NO: Tensor = self.network(x_NDP)
        else:
            network: Any = self.network
            outputs_NO = network.forward_embedded(x_NDP.transpose(1, 2), mask)
        if not self.classes:
            outputs_NO = self.model.preprocessor.restore(outputs_NO, *encoded)
        # The first answer is the logits, or the numbers.
        first: Tensor = self.answer(outputs_NO)[0]
        return first if self.classes else first.mean(1, keepdim=True)


@dataclass(frozen=True)
class Prepared:
    """Records as they are explained.

    Attributes:
        x_NDP: prepared records, components first; but for images what the network's embedding gives.
        present_NP: which positions belong to the record; false for the padding of a text.
        extras: what else `Explained` takes.
        encoded: what `Preprocessor.encode` gave.
    """

    x_NDP: Tensor
    present_NP: Tensor
    extras: Extras
    encoded: tuple[Tensor, ...]


@dataclass(frozen=True)
class Subject:
    """What is explained, and with what.

    Attributes:
        network: trained and frozen (`methods.frozen`).
        fresh: the same architecture with random weights, frozen; not those that training started from: a trained
            head still resembles them (maps correlate up to 0.96 with those of a head that was put back).
        x_NDP: prepared records, float32.
        targets_N: the output that is explained: the predicted class; 0 for numbers, which have one score. int64.
        reference: what records are compared with.
        present_NQ: what belongs to each record, bool.
        where_NQ: of that what the sanity check looks at, bool: what differs from an image's background.
        distance_NQ: how far each position lies from the baseline, of records that are no images; see `sanity_check`.
        extras: what else the network takes.
        columns_P: of a table the column that each position belongs to, int64; else None.
        noun: what attributions are about.
        probability: whether the score is a probability; else numbers in their unit.
    """

    network: nn.Module
    fresh: nn.Module
    x_NDP: Tensor
    targets_N: Tensor
    reference: Reference
    present_NQ: Tensor
    where_NQ: Tensor
    distance_NQ: Tensor | None = None
    extras: Extras = ()
    columns_P: Tensor | None = None
    noun: Noun = "pixels"
    probability: bool = True

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(self.present_NQ.shape[1:])

    def grid(self, method: Method) -> tuple[int, ...]:
        """The resolution at which a method sees: that of positions, of the network's feature maps, of blocks."""
        if method.grain == "feature_maps":
            return feature_size(self.network, self.x_NDP, self.extras)
        if method.grain == "unit" and self.noun == "pixels":
            return tuple(min(BLOCKS, length) for length in self.size)
        return self.size

    def replacing(self) -> Replacing:
        """The records, to delete and insert positions of them."""
        return Replacing(
            self.network,
            self.x_NDP,
            self.targets_N,
            self.reference.baseline_DP,
            self.present_NQ,
            self.probability,
            self.extras,
            self.columns_P,
        )

    def part(self, records: int, draws: int) -> "Subject":
        """At most `records` of it, evenly spaced, with at most `draws` baselines."""
        rows = torch.linspace(0, len(self.x_NDP) - 1, min(records, len(self.x_NDP))).round().long()
        return replace(
            self,
            x_NDP=self.x_NDP[rows],
            targets_N=self.targets_N[rows],
            present_NQ=self.present_NQ[rows],
            where_NQ=self.where_NQ[rows],
            distance_NQ=None if self.distance_NQ is None else self.distance_NQ[rows],
            extras=tuple(part[rows] for part in self.extras),
            reference=replace(self.reference, baselines_SDP=self.reference.baselines_SDP[:draws]),
        )


@torch.no_grad()
def feature_size(network: nn.Module, x_NCHW: Tensor, extras: Extras = ()) -> tuple[int, int]:
    """Height and width of what `network.feature_maps` puts out."""
    assert isinstance(network.feature_maps, nn.Module)
    seen: list[tuple[int, int]] = []
    hook = network.feature_maps.register_forward_hook(lambda _, __, out: seen.append((out.shape[2], out.shape[3])))
    try:
        network(x_NCHW[:1], *(part[:1] for part in extras))
    finally:
        hook.remove()
    return seen[0]


@torch.no_grad()
def prepare(model: Model, table: pa.Table, length: int | None = None) -> Prepared:
    """Records as `Explained` takes them.

    Args:
        model: the trained one.
        table: raw records.
        length: of texts, in tokens: longer ones are cut, shorter ones filled up. None keeps what `encode` gives.

    Raises:
        RefusedError: a record is not as the data spec says.
    """
    spec = model.config.data
    encoded = model.preprocessor.encode(table)
    if spec.modality == "text":
        encoded = (_fitted(encoded[0], length), *encoded[1:])
    features = model.preprocessor(*encoded)
    # What numbers need to be put back into their unit.
    raw = encoded if spec.problem != "classification" else ()
    if spec.modality == "image":
        (x_NCHW,) = features
        return Prepared(x_NCHW, torch.ones_like(x_NCHW[:, 0], dtype=torch.bool), raw, encoded)
    network: Any = model.network
    x_NDP = network.embed(*features).transpose(1, 2).contiguous()
    present_NP = torch.ones_like(x_NDP[:, 0], dtype=torch.bool)
    if spec.modality != "text":
        return Prepared(x_NDP, present_NP, raw, encoded)
    present_NP = features[0] != PADDING
    return Prepared(x_NDP, present_NP, (present_NP, *raw), encoded)


def _fitted(ids_NT: Tensor, length: int | None) -> Tensor:
    """Tokens cut or filled up to a length; without one, to that of the longest text."""
    length = length or max(1, int((ids_NT != PADDING).sum(1).max()))
    missing = max(0, length - ids_NT.shape[1])
    return nn.functional.pad(ids_NT[:, :length], (0, missing), value=PADDING)


def mean_record(prepared: Prepared) -> Tensor:
    """The mean of records, position by position, over those that have the position: (D, P).

    A position that none has gets the mean of all.
    """
    weight_N1P = prepared.present_NP[:, None].to(prepared.x_NDP.dtype)
    sums_DP, counts_1P = (prepared.x_NDP * weight_N1P).sum(0), weight_N1P.sum(0)
    rest = tuple(range(1, sums_DP.ndim))
    overall_D1 = sums_DP.sum(rest, keepdim=True) / counts_1P.sum().clamp_min(1)
    return torch.where(counts_1P > 0, sums_DP / counts_1P.clamp_min(1), overall_D1)


def build_subject(config: Config, model: Model, test: pa.Table, predictions: pa.Table, train: pa.Table) -> Subject:
    """Prepare the sampled records and some training records, and freeze the networks.

    Args:
        config: of the run.
        model: the trained one.
        test: the sampled records.
        predictions: of the same records, with `prediction`.
        train: the training split: baselines are drawn from it.

    Raises:
        RefusedError: a record is not as the data spec says.
    """
    spec = model.config.data
    records = prepare(model, test)
    drawn = np.random.default_rng(config.seed).permutation(len(train))[: max(BASELINE_RECORDS, config.explain.samples)]
    training = prepare(model, train.take(drawn), length=records.x_NDP.shape[-1])
    baseline_DP = mean_record(training)
    if spec.modality == "image":
        # Of pixels, so that it is a picture.
        baseline_DP = model.preprocessor(training.encoded[0].float().mean(0, keepdim=True))[0][0]
    baselines_SDP = torch.where(training.present_NP[:, None], training.x_NDP, baseline_DP)[: config.explain.samples]

    with torch.random.fork_rng(devices=[]):
        # Not the seed of the run, with which training started.
        torch.manual_seed(config.seed + 1)
        fresh = build_network(model.config, model.preprocessor.inputs)
    networks = [Explained(frozen(network), model).eval() for network in (model.network, fresh)]
    classes = spec.problem == "classification"

    columns_P, units_P = column_places(model, records), _blocks(records) if spec.modality == "image" else None
    present_NQ = where_NQ = records.present_NP
    if columns_P is not None:
        units_P = columns_P
        present_NQ = where_NQ = torch.ones((len(test), int(columns_P.max()) + 1), dtype=torch.bool)
    elif spec.modality == "image":
        where_NQ = foreground(records.encoded[0])
    answers = predictions.column("prediction").to_pylist()
    codes = [spec.classes.index(name) for name in answers] if classes else [0] * len(answers)
    return Subject(
        network=networks[0],
        fresh=networks[1],
        x_NDP=records.x_NDP,
        targets_N=torch.tensor(codes),
        reference=Reference(
            baseline_DP=baseline_DP,
            baselines_SDP=baselines_SDP,
            steps=config.explain.steps,
            seed=config.seed,
            units_P=units_P,
            perturbations=config.explain.perturbations,
        ),
        present_NQ=present_NQ,
        where_NQ=where_NQ,
        distance_NQ=None if spec.modality == "image" else _distance(records.x_NDP, baseline_DP, columns_P),
        extras=records.extras,
        columns_P=columns_P,
        noun=NOUNS[spec.modality],
        probability=classes,
    )


def column_names(model: Model, positions: int) -> list[str]:
    """The column of a table that each position came from; several may have come from one."""
    names = list(getattr(model.preprocessor, "positions", ()))
    return names if len(names) == positions else [f"feature {number}" for number in range(positions)]


def column_places(model: Model, records: Prepared) -> Tensor | None:
    """Of a table, the place of each position's column among the distinct columns (P,), int64; else None."""
    if model.config.data.modality != "tabular":
        return None
    names = column_names(model, records.x_NDP.shape[-1])
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([place[name] for name in names])


def _distance(x_NDP: Tensor, baseline_DP: Tensor, columns_P: Tensor | None) -> Tensor:
    """The Euclidean distance (N, Q) of each position, or column, from the baseline."""
    squares_NP = (x_NDP - baseline_DP).square().sum(1)
    if columns_P is None:
        return squares_NP.sqrt()
    columns = int(columns_P.max()) + 1
    return torch.zeros(len(x_NDP), columns).index_add(1, columns_P, squares_NP).sqrt()


def _blocks(records: Prepared) -> Tensor:
    """Which block each pixel belongs to: (H, W), int64."""
    height, width = records.x_NDP.shape[2:]
    down, across = min(BLOCKS, height), min(BLOCKS, width)
    rows_H, columns_W = torch.arange(height) * down // height, torch.arange(width) * across // width
    return rows_H[:, None] * across + columns_W
