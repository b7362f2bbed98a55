"""Any backbone of the timm library.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import Any, ClassVar

import timm
import torch
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from timm.models import adapt_input_conv
from torch import Tensor, nn

from lightloop.networks._inputs import ImageInputs
from lightloop.networks._network import Network
from lightloop.networks._transfer import put_weights, read_weights


class Timm(Network):
    """A backbone of timm by name, the mean over the positions of its last feature maps, and a linear layer.

    Args:
        inputs: size and channels of the images; grey ones are taken as they are.
        outputs: K.
        backbone: a name of `timm.list_models()`, such as `resnet18` or `mobilenetv3_small_050`. It must be able to
            give feature maps, which nearly all can, transformers among them.
        pretrained: "none"; "hub" fetches the weights that timm has for the name; or a local file of that backbone's
            weights, .safetensors or .pth. Its first layer is fitted to the images' channels.
        size: small images are scaled up to that height and width, in the network, since backbones divide it by 32 and
            were trained on larger ones; None takes images as they are.
        dropout: probability, before the linear layer.
        weights, fresh, freeze: see `_network.Network`; `weights` is of the whole network, `pretrained` of the backbone.

    Parameters: those of the backbone's feature maps; (c + 1) K of the linear layer for c maps.

    Source: timm 1.0, https://github.com/huggingface/pytorch-image-models. Backbones with max pooling after ReLU, such
    as ResNets, are wrong for DeepLIFT (captum 0.9, #1104); other methods are not touched by that.

    Examples:
        >>> import torch
        >>> network = Timm(ImageInputs(1, 28, 28), 10, backbone="mobilenetv3_small_050", size=64)
        >>> network(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    modalities: ClassVar = ("image",)
    has_feature_maps: ClassVar = True

    def __init__(
        self,
        inputs: ImageInputs,
        outputs: int,
        *,
        backbone: str = "resnet18",
        pretrained: str = "none",
        size: int | None = 64,
        dropout: float = 0.1,
        weights: str | None = None,
        fresh: tuple[str, ...] = (),
        freeze: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        height, width = (size, size) if size else (inputs.height, inputs.width)
        same = (height, width) == (inputs.height, inputs.width)
        self.scale = nn.Identity() if same else nn.Upsample((height, width), mode="bilinear", align_corners=False)
        self.backbone = _Backbone(backbone, inputs.channels, (height, width), hub=pretrained == "hub")
        if pretrained not in ("none", "hub"):
            self.backbone.take(pretrained)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(self.backbone.channels, outputs)
        )
        self.start(weights=weights, fresh=fresh, freeze=freeze)

    @property
    def feature_maps(self) -> nn.Module:
        """The layer whose output (B, C, h, w) Grad-CAM weighs: the backbone's last stage."""
        return self.backbone

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K), float32, of preprocessed images (B, C, H, W), float32."""
        logits_BK: Tensor = self.head(self.backbone(self.scale(x_BCHW)))
        return logits_BK


class _Backbone(nn.Module):
    """A model of timm up to its last feature maps (B, C, h, w)."""

    has_layers = True

    def __init__(self, name: str, channels: int, size: tuple[int, int], *, hub: bool) -> None:
        super().__init__()
        self.model, self.last = _create(name, channels, size, hub)
        for module in self.model.modules():
            # What changes its input in place can't be hooked by attribution methods.
            if hasattr(module, "inplace"):
                module.inplace = False
        self.model.has_layers = True
        self.model.eval()
        try:
            with torch.no_grad():
                self.channels = self(torch.zeros(1, channels, *size)).shape[1]
        except RuntimeError as error:
            raise ValueError(
                f"backbone={name} can't take images of {size[0]}x{size[1]} ({error}): give another size"
            ) from error
        self.model.train()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        maps_BChw: Tensor = self.model.forward_intermediates(
            x_BCHW, indices=[self.last], norm=True, output_fmt="NCHW", intermediates_only=True
        )[0]
        return maps_BChw

    def take(self, path: str) -> None:
        """Weights from a local file, the first layer's fitted to the channels here."""
        state = read_weights(path)
        first = self.model.default_cfg.get("first_conv")
        for name in [first] if isinstance(first, str) else list(first or []):
            key, own = f"{name}.weight", self.model.state_dict().get(f"{name}.weight")
            if key in state and own is not None and state[key].shape[1] != own.shape[1]:
                state[key] = adapt_input_conv(own.shape[1], state[key])
        put_weights(self.model, state, path)


def _create(name: str, channels: int, size: tuple[int, int], hub: bool) -> tuple[Any, int]:
    """The model without its classifier, and the number of its last feature maps."""
    if not timm.is_model(name):
        near = timm.list_models(f"*{name[:6]}*")[:5]
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"timm has no backbone {name!r}{hint} (timm.list_models() names all)")
    options: dict[str, Any] = {"in_chans": channels}
    if hub:
        _reach_hub(name)
    try:
        try:
            model: Any = timm.create_model(name, pretrained=hub, img_size=size, **options)
        except TypeError:  # Convolutional models take every size, and no argument for it.
            model = timm.create_model(name, pretrained=hub, **options)
    except Exception as error:
        if not hub:
            raise ValueError(f"backbone={name} can't be built for {channels}x{size[0]}x{size[1]}: {error}") from error
        raise ValueError(
            f"backbone={name} could not be fetched from the hub ({str(error).splitlines()[0]}): give `pretrained` a "
            "local file, or none"
        ) from error
    if not hasattr(model, "forward_intermediates"):
        raise ValueError(f"backbone={name} can't give feature maps: take another one, such as resnet18")
    (last,) = model.prune_intermediate_layers([-1], prune_norm=False, prune_head=True)
    return model, int(last)


def _reach_hub(name: str) -> None:
    """Ask the hub once before timm does, which would go on asking for minutes in vain.

    Raises:
        ValueError: it does not answer, and the weights are not in its cache; or there are none of that name.
    """
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise ValueError(f"backbone={name}: {error} (timm.list_pretrained() names all)") from error
    if not config or not config.hf_hub_id:
        return  # timm has an address of its own for them, or says that there are none
    repository, _, revision = config.hf_hub_id.partition("@")
    file = config.hf_hub_filename or constants.SAFETENSORS_SINGLE_FILE
    if isinstance(try_to_load_from_cache(repository, file, revision=revision or None), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(repository, file, revision=revision or None))
    except HfHubHTTPError:
        return  # it answers, and timm knows other names of files
    except Exception as error:
        raise ValueError(
            f"backbone={name} could not be fetched: {constants.ENDPOINT} can't be reached "
            f"({str(error).partition('. ')[0]}): check the network, or give `pretrained` a local file, or none"
        ) from error
