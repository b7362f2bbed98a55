"""Records and networks in the form in which they are explained.

Shapes: N records, D components, P positions (height and width of images, one axis of all others), T tokens, O outputs.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from lightloop.explanation.reference import Extras
from lightloop.networks._inputs import PADDING
from lightloop.tasks.answers import build_answer
from lightloop.tasks.checkpoint import Model


class Explained(nn.Module):
    """A network as a function of prepared records (N, D, P) and extras, to the scores (N, O) that are explained.

    Scores of classes are logits, over the temperature where answers are calibrated by one, so that their softmax is
    what is released. Isotonic curves are left out: they are level in parts, where nothing would have a gradient, and
    rise with the logit everywhere else. The score of numbers is one: their mean (of a forecast, over the horizon), in
    the target's unit. What preprocessing puts back by itself, such as the last level of a series, is the same for a
    record and for what it is compared with: explained is what the network adds.

    Args:
        network: trained; of tables and texts what follows its embedding is run.
        model: to which it belongs.
    """

    def __init__(self, network: nn.Module, model: Model) -> None:
        super().__init__()
        self.network = network
        self.model = model
        self.answer = build_answer(model.config)
        self.series = model.config.data.modality == "series"
        # Nothing is embedded: of an ensemble all members see the same record.
        self.whole = self.series or model.config.data.modality == "image"
        self.masked = model.config.data.modality == "text"
        self.classes = model.config.data.problem == "classification"
        self.temperature = model.calibration.scaling.temperature

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
            outputs_NO: Tensor = self.network(x_NDP.transpose(1, 2) if self.series else x_NDP)
        else:
            network: Any = self.network
            outputs_NO = network.forward_embedded(x_NDP.transpose(1, 2), mask)
        if not self.classes:
            outputs_NO = self.model.preprocessor.restore(outputs_NO, *encoded)
        # The first answer is the logits, or the numbers.
        first: Tensor = self.answer(outputs_NO)[0]
        if not self.classes:
            return first.mean(1, keepdim=True)
        return first if self.temperature == 1 else first / self.temperature


@dataclass(frozen=True)
class Prepared:
    """Records as they are explained.

    Attributes:
        x_NDP: prepared records, components first; of tables and texts what the network's embedding gives.
        present_NP: which positions belong to the record; false for the padding of a text.
        extras: what else `Explained` takes.
        encoded: what `Preprocessor.encode` gave.
    """

    x_NDP: Tensor
    present_NP: Tensor
    extras: Extras
    encoded: tuple[Tensor, ...]


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
    x_NDP = (features[0] if spec.modality == "series" else network.embed(*features)).transpose(1, 2).contiguous()
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
