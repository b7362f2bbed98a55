"""What the networks have in common: the options that they all take, and how frozen parts stay as they are."""

from typing import Self

from torch import nn

from lightloop.networks._layers import initialise
from lightloop.networks._transfer import freeze as freeze_parts
from lightloop.networks._transfer import load_weights, rest_frozen_norms


class Network(nn.Module):
    """A network that can start from pretrained weights and keep parts of them.

    The constructors of the networks take, beside what each says of itself:

    - `initialisation`: how weights are drawn, see `_layers.INITIALISATIONS`; "default" leaves that to torch's layers.
    - `weights`: a file of pretrained weights, see `_transfer.read_weights`; None starts anew.
    - `fresh`: parts that do not take their weights from that file, such as `head`.
    - `freeze`: parts that are not trained.
    """

    def start(
        self,
        *,
        initialisation: str = "default",
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        """Give the layers the weights to start from; the last line of each constructor.

        Raises:
            ValueError: the file does not fit, or a part is not one.
        """
        initialise(self, initialisation)
        if weights is not None:
            load_weights(self, weights, fresh)
        freeze_parts(self, freeze)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        rest_frozen_norms(self)
        return self
