"""What is explained: a sample of records, the trained network, and what both are compared with.

Shapes: N records, S drawn baselines, D components, P positions (height and width of images, one axis of all others),
Q what attributions are about: positions, or the columns of a table; T tokens, O outputs.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from lightloop.config.schema import Config
from lightloop.explanation.curves import Replacing
from lightloop.explanation.explained import Explained, Prepared, column_places, mean_record, prepare
from lightloop.explanation.maps import choose_layer, feature_maps, feature_size, layer_of
from lightloop.explanation.methods import Method, unfit
from lightloop.explanation.reference import MOST_ROWS, Extras, Reference, frozen, rows_within
from lightloop.explanation.sanity import foreground
from lightloop.networks._ensemble import Ensemble
from lightloop.tasks.checkpoint import Model, build_network
from lightloop.tasks.processor import has_bf16_arithmetic

# Training records whose mean is the baseline: enough for a mean that one more does not change.
BASELINE_RECORDS = 1000
# Pixels are ablated in blocks, this many along each side: one by one they change nothing.
BLOCKS = 7
# Occlusion covers so many tokens at a time, or this share of a series, or two blocks of an image along each side.
WINDOW_TOKENS = 3
WINDOW_SHARE = 1 / 8
# Of a part of the records, by which methods are checked.
PART_PERTURBATIONS = 256
# Training records by which the layer of Grad-CAM++ is chosen.
LAYER_RECORDS = 24

Noun = Literal["pixels", "columns", "tokens", "steps"]
NOUNS: dict[str, Noun] = {"image": "pixels", "tabular": "columns", "text": "tokens", "series": "steps"}


@dataclass(frozen=True)
class Subject:
    """What is explained, and with what.

    Attributes:
        network: trained and frozen (`reference.frozen`).
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
        layers: by what the layer of Grad-CAM++ was chosen, see `maps.choose_layer`.
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
    noun: Noun = field(kw_only=True)
    probability: bool = True
    layers: tuple[dict[str, Any], ...] = ()

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(self.present_NQ.shape[1:])

    def grid(self, method: Method) -> tuple[int, ...]:
        """The resolution at which a method sees: that of positions, of the network's feature maps, of blocks."""
        if method.grain in ("feature_maps", "layer"):
            layer = (
                feature_maps(self.network) if method.grain == "feature_maps" else layer_of(self.network, self.reference)
            )
            return feature_size(self.network, layer, self.x_NDP, self.extras)
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
            self.reference.rows,
        )

    def spread(self, records: int) -> Tensor:
        """Places of at most `records` records, evenly spaced."""
        return torch.linspace(0, len(self.x_NDP) - 1, min(records, len(self.x_NDP))).round().long()

    def take(self, rows: Tensor) -> "Subject":
        """Some of its records, in the order given; one may be taken several times."""
        return replace(
            self,
            x_NDP=self.x_NDP[rows],
            targets_N=self.targets_N[rows],
            present_NQ=self.present_NQ[rows],
            where_NQ=self.where_NQ[rows],
            distance_NQ=None if self.distance_NQ is None else self.distance_NQ[rows],
            extras=tuple(part[rows] for part in self.extras),
        )

    def part(self, records: int, draws: int) -> "Subject":
        """At most `records` of it, evenly spaced, with at most `draws` baselines and not many perturbations."""
        reference = replace(
            self.reference,
            baselines_SDP=self.reference.baselines_SDP[:draws],
            perturbations=min(self.reference.perturbations, PART_PERTURBATIONS),
        )
        return replace(self.take(self.spread(records)), reference=reference)

    def trimmed(self, length: int) -> "Subject":
        """Of texts the first `length` tokens of all that is as long as the records."""
        whole, reference = self.x_NDP.shape[-1], self.reference
        cut = slice(length)
        return replace(
            self,
            x_NDP=self.x_NDP[..., cut],
            present_NQ=self.present_NQ[:, cut],
            where_NQ=self.where_NQ[:, cut],
            distance_NQ=None if self.distance_NQ is None else self.distance_NQ[:, cut],
            extras=tuple(part[:, cut] if part.ndim > 1 and part.shape[1] == whole else part for part in self.extras),
            reference=replace(
                reference,
                baseline_DP=reference.baseline_DP[:, cut],
                baselines_SDP=reference.baselines_SDP[..., cut],
                window=reference.window and (reference.window[0], min(length, *reference.window[1:])),
                rows=min(MOST_ROWS, reference.rows * whole // length),
            ),
        )

    def members(self) -> list["Subject"]:
        """Of an ensemble each member as a subject of its own; otherwise none."""
        network = self.network
        if not isinstance(network, Explained) or not isinstance(network.network, Ensemble):
            return []
        parts = list(network.network.members)
        # Embeddings of members stand side by side; images and series are the same for all.
        own = [slice(None)] * len(parts) if network.whole else _slices(self.x_NDP.shape[1], len(parts))
        reference = self.reference
        return [
            replace(
                self,
                network=Explained(member, network.model).eval(),
                x_NDP=self.x_NDP[:, rows],
                reference=replace(
                    reference,
                    baseline_DP=reference.baseline_DP[rows],
                    baselines_SDP=reference.baselines_SDP[:, rows],
                    spare_SDP=None if reference.spare_SDP is None else reference.spare_SDP[:, rows],
                ),
            )
            for member, rows in zip(parts, own, strict=True)
        ]


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
    drawn = np.random.default_rng(config.seed).permutation(len(train))
    drawn = drawn[: max(BASELINE_RECORDS, 2 * config.explain.samples)]
    training = prepare(model, train.take(drawn), length=records.x_NDP.shape[-1])

    with torch.random.fork_rng(devices=[]):
        # Not the seed of the run, with which training started.
        torch.manual_seed(config.seed + 1)
        fresh = build_network(model.config, model.preprocessor.inputs)
    networks = [Explained(frozen(network), model).eval() for network in (model.network, fresh)]
    classes = spec.problem == "classification"

    columns_P = column_places(model, records)
    reference = _reference(config, model, records, training, network=networks[0], columns_P=columns_P)
    present_NQ = where_NQ = records.present_NP
    if columns_P is not None:
        present_NQ = where_NQ = torch.ones((len(test), int(columns_P.max()) + 1), dtype=torch.bool)
    elif reference.by_channel:
        present_NQ = where_NQ = torch.ones_like(records.x_NDP, dtype=torch.bool)
    elif spec.modality == "image":
        where_NQ = foreground(records.encoded[0])
    answers = predictions.column("prediction").to_pylist()
    codes = [spec.classes.index(name) for name in answers] if classes else [0] * len(answers)
    subject = Subject(
        network=networks[0],
        fresh=networks[1],
        x_NDP=records.x_NDP,
        targets_N=torch.tensor(codes),
        reference=reference,
        present_NQ=present_NQ,
        where_NQ=where_NQ,
        distance_NQ=None if spec.modality == "image" else _distance(records.x_NDP, reference, columns_P),
        extras=records.extras,
        columns_P=columns_P,
        noun=NOUNS[spec.modality],
        probability=classes,
    )
    # of feature: image
    wanted = "grad_cam_plus_plus"
    if wanted in config.explain.methods and not unfit(wanted, subject.network):
        return _with_layer(subject, training)
    # end
    return subject


def _reference(
    config: Config,
    model: Model,
    records: Prepared,
    training: Prepared,
    *,
    network: nn.Module,
    columns_P: Tensor | None,
) -> Reference:
    """What the records are compared with; `training` are drawn training records."""
    modality, explain = model.config.data.modality, config.explain
    x_NDP = records.x_NDP
    baseline_DP = mean_record(training)
    if modality == "image":
        # Of pixels, so that it is a picture.
        baseline_DP = model.preprocessor(training.encoded[0].float().mean(0, keepdim=True))[0][0]
    filled = torch.where(training.present_NP[:, None], training.x_NDP, baseline_DP)
    count = explain.samples
    spare = filled[count : 2 * count]
    window, stride = _window(modality, x_NDP)
    able = modality == "image" and has_bf16_arithmetic()
    return Reference(
        baseline_DP=baseline_DP,
        baselines_SDP=filled[:count],
        steps=explain.steps,
        seed=config.seed,
        units_P=_blocks(records) if modality == "image" else columns_P,
        perturbations=explain.perturbations,
        # Where training records are few, the same ones in another order.
        spare_SDP=spare if len(spare) == min(count, len(filled)) else filled[:count].flip(0),
        # of feature: series
        by_channel=modality == "series" and x_NDP.shape[1] > 1,
        # end
        window=window,
        stride=stride,
        rows=rows_within(network, x_NDP, records.extras, explain.memory),
        bf16=able if explain.precision == "auto" else explain.precision == "bf16",
    )


def _with_layer(subject: Subject, training: Prepared) -> Subject:
    """With the layer of Grad-CAM++ chosen, on training records and the answers that the network gives to them."""
    x_NCHW, extras = training.x_NDP[:LAYER_RECORDS], tuple(part[:LAYER_RECORDS] for part in training.extras)
    with torch.no_grad():
        targets_N = subject.network(x_NCHW, *extras).argmax(1)
    layer, rows = choose_layer(
        subject.network, x_NCHW, targets_N, subject.reference, extras, probability=subject.probability
    )
    return replace(subject, reference=replace(subject.reference, layer=layer), layers=tuple(rows))


def _window(modality: str, x_NDP: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The window of occlusion over (D, P) and its stride: half a window, but one token of a text."""
    components, *size = x_NDP.shape[1:]
    if modality == "text":
        return (components, min(WINDOW_TOKENS, size[0])), (components, 1)
    if modality == "image":
        sides = [max(1, 2 * length // BLOCKS) for length in size]
    else:
        sides = [max(1, round(length * WINDOW_SHARE)) for length in size]
    first = 1 if modality == "series" else components
    return (first, *sides), (first, *(max(1, side // 2) for side in sides))


def _slices(length: int, parts: int) -> list[slice]:
    size = length // parts
    return [slice(start, start + size) for start in range(0, length, size)]


def _distance(x_NDP: Tensor, reference: Reference, columns_P: Tensor | None) -> Tensor:
    """The Euclidean distance (N, Q) of each position, channel of a position, or column, from the baseline."""
    squares_NDP = (x_NDP - reference.baseline_DP).square()
    if reference.by_channel:
        return squares_NDP.sqrt()
    if columns_P is None:
        return squares_NDP.sum(1).sqrt()
    columns = int(columns_P.max()) + 1
    return torch.zeros(len(x_NDP), columns).index_add(1, columns_P, squares_NDP.sum(1)).sqrt()


def _blocks(records: Prepared) -> Tensor:
    """Which block each pixel belongs to: (H, W), int64."""
    height, width = records.x_NDP.shape[2:]
    down, across = min(BLOCKS, height), min(BLOCKS, width)
    rows_H, columns_W = torch.arange(height) * down // height, torch.arange(width) * across // width
    return rows_H[:, None] * across + columns_W
