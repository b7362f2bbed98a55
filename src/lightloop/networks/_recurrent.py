"""What recurrent networks of all cells have in common.

Shapes: B batch, T steps, D width, C channels, O outputs.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightloop.networks._inputs import PADDING, SeriesInputs, TextInputs
from lightloop.networks._network import Network
from lightloop.networks._pooling import Pool, at_least_first, last_present


class Recurrent(Network):
    """Layers of recurrent cells over the steps of a text or series, which are then pooled, and a linear layer.

    Args:
        cell: `nn.RNN`, `nn.LSTM` or `nn.GRU`.
        inputs: of texts or series.
        outputs: O.
        hidden: numbers that a cell remembers, in each direction.
        layers: one over the other.
        bidirectional: whether each layer also reads from the end to the start.
        embedding: width of a token's vector; for texts only. A series' steps are taken as they are.
        pooling: of the last layer's steps, see `_pooling.Pool`.
        dropout: probability, on what each layer puts out.
        options: of the cells.
    """

    def __init__(
        self,
        cell: Callable[..., nn.RNNBase],
        inputs: TextInputs | SeriesInputs,
        outputs: int,
        *,
        hidden: int,
        layers: int,
        bidirectional: bool,
        embedding: int,
        pooling: str,
        dropout: float,
        **options: str,
    ) -> None:
        super().__init__()
        if isinstance(inputs, TextInputs):
            self.embedding: nn.Module = nn.Embedding(inputs.vocabulary, embedding, padding_idx=PADDING)
            width = embedding
        else:
            self.embedding = nn.Identity()
            width = inputs.channels
        self.reads_texts = isinstance(inputs, TextInputs)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            self.layers.append(
                _Layer(cell, width, hidden, bidirectional=bidirectional, dropout=dropout, options=options)
            )
            width = 2 * hidden if bidirectional else hidden
        self.pool = Pool(width, pooling, bidirectional=bidirectional)
        self.head = nn.Linear(width, outputs)

    def embed(self, features: Tensor) -> Tensor:
        """Vectors (B, T, D) of the tokens, float32; of series the steps themselves."""
        embedded_BTD: Tensor = self.embedding(features)
        return embedded_BTD

    def forward_embedded(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Outputs (B, O) of what `embed` gave.

        Args:
            embedded: (B, T, D), float32.
            mask: (B, T), bool, True where a token is; None stands for everywhere.
        """
        if mask is not None:
            mask = at_least_first(mask)
        order_BT = None if mask is None else _reversed_order(mask)
        x_BTD = embedded
        for layer in self.layers:
            x_BTD = layer(x_BTD, order_BT)
        outputs_BO: Tensor = self.head(self.pool(x_BTD, mask))
        return outputs_BO

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (B, O), float32, of token ids (B, T), int64, or series (B, T, C), float32."""
        return self.forward_embedded(self.embed(features), features != PADDING if self.reads_texts else None)


class _Layer(nn.Module):
    """One layer in one or both directions: (B, T, D) to (B, T, hidden), or twice as wide.

    The directions are two cells of their own: a two-way cell of torch would read the padding at the end first.
    """

    def __init__(
        self,
        cell: Callable[..., nn.RNNBase],
        inputs: int,
        hidden: int,
        *,
        bidirectional: bool,
        dropout: float,
        options: dict[str, str],
    ) -> None:
        super().__init__()
        self.onward = cell(inputs, hidden, batch_first=True, **options)
        self.backward_ = cell(inputs, hidden, batch_first=True, **options) if bidirectional else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTD: Tensor, order_BT: Tensor | None) -> Tensor:
        out_BTD = _run(self.onward, x_BTD)
        if self.backward_ is not None:
            back_BTD = _run(self.backward_, _reverse(x_BTD, order_BT))
            out_BTD = torch.cat([out_BTD, _reverse(back_BTD, order_BT)], 2)
        dropped_BTD: Tensor = self.dropout(out_BTD)
        return dropped_BTD


def _run(cell: nn.RNNBase, x_BTD: Tensor) -> Tensor:
    """What a cell puts out at each step, (B, T, H)."""
    if isinstance(cell, nn.RNN) and torch.onnx.is_in_onnx_export():
        return _as_node(cell, x_BTD)
    out_BTH, _ = cell(x_BTD)
    result_BTH: Tensor = out_BTH
    return result_BTH


def _as_node(cell: nn.RNN, x_BTD: Tensor) -> Tensor:
    """The cell as a node of ONNX: torch 2.15 exports an LSTM and a GRU as such, but unrolls a plain RNN's steps."""
    batch, steps, _ = x_BTD.shape
    from_input, from_state, *biases = cell.parameters()
    weights = (from_input[None], from_state[None], torch.cat(tuple(biases))[None])
    out_T1BH = torch.onnx.ops.symbolic(
        "RNN",
        (x_BTD.transpose(0, 1), *weights),
        {"hidden_size": cell.hidden_size, "activations": [cell.nonlinearity.capitalize()]},
        dtype=x_BTD.dtype,
        shape=(steps, 1, batch, cell.hidden_size),
    )
    return out_T1BH[:, 0].transpose(0, 1)


def _reversed_order(mask_BT: Tensor) -> Tensor:
    """For each step the step that takes its place when what is present is reversed; padding at the end stays."""
    last_B1 = last_present(mask_BT)[:, None]
    step_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    return torch.where(step_T <= last_B1, last_B1 - step_T, step_T)


def _reverse(x_BTD: Tensor, order_BT: Tensor | None) -> Tensor:
    if order_BT is None:
        return x_BTD.flip(1)
    return x_BTD.gather(1, order_BT[:, :, None].expand(-1, -1, x_BTD.shape[2]))
