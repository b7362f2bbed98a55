"""Preprocessing of images as part of the model: arithmetic that is fitted, saved and exported with the network."""

import torch
from torch import Tensor, nn


class ImagePreprocessor(nn.Module):
    """Pixels to standardised floats: (x / 255 - mean) / deviation, a mean and a deviation for each channel.

    Its state lies in buffers, so it travels in checkpoints and in the exported graph; serving has no second
    implementation.

    Args:
        channels: C.

    Examples:
        >>> preprocess = ImagePreprocessor(1)
        >>> preprocess.fit(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        >>> preprocess(torch.tensor([[[[255]]]], dtype=torch.uint8)).item()
        1.0
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))

    def fit(self, pixels_NCHW: Tensor) -> None:
        """Take mean and deviation of each channel from training pixels (N, C, H, W), uint8. Exact, not sampled."""
        counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels_NCHW.unbind(1)])
        levels = torch.arange(256, dtype=torch.float64) / 255
        share = counts.double() / counts.sum(1, keepdim=True)
        mean = share @ levels
        deviation = (share @ levels.square() - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean.float()[:, None, None])
        # A constant channel carries nothing: dividing by 1 leaves it at 0.
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1.0).float()[:, None, None])

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Standardised float32 (B, C, H, W) of pixels, uint8 or already float on the scale 0 to 255."""
        return (pixels_BCHW.float() / 255 - self.mean) / self.deviation
