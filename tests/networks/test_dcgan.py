"""The generator and the discriminator: shapes, limits, what their options do."""

import pytest
import torch

from lightloop.networks._inputs import ImageInputs
from lightloop.networks.dcgan import DCGAN, Discriminator

SIZES = [(1, 28, 28), (3, 32, 32), (1, 30, 22), (3, 9, 5)]


def pixels(size) -> int:
    return size[0] * size[1] * size[2]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [(8,), (12, 8), (12, 8, 4)])
def test_images_have_the_asked_size_and_range(size, channels):
    torch.manual_seed(0)
    generator = DCGAN(ImageInputs(*size), pixels(size), latent=5, channels=channels).eval()
    made = generator(torch.randn(3, 5) * 100)
    assert made.shape == (3, *size)
    assert made.abs().max() <= 1


def test_records_of_a_batch_do_not_touch_each_other():
    torch.manual_seed(0)
    generator = DCGAN(ImageInputs(1, 28, 28), 784, latent=6, channels=(16, 8)).eval()
    noise = torch.randn(4, 6)
    assert torch.allclose(generator(noise)[1:2], generator(noise[1:2]), atol=1e-6)


def test_it_draws_an_image_by_heart():
    """Gradients reach all of it: one noise vector each for two images."""
    torch.manual_seed(0)
    generator = DCGAN(ImageInputs(1, 12, 12), 144, latent=4, channels=(16, 8))
    noise, wanted = torch.randn(2, 4), torch.rand(2, 1, 12, 12) * 1.6 - 0.8
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.02)
    for _ in range(200):
        loss = (generator(noise) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.02
    assert all(parameter.grad is not None for parameter in generator.parameters())


@pytest.mark.parametrize("norm", ["spectral", "batch", "none"])
@pytest.mark.parametrize("size", [(1, 28, 28), (3, 30, 22)])
def test_discriminator_tells_bright_from_dark(norm, size):
    torch.manual_seed(0)
    discriminator = Discriminator(ImageInputs(*size), channels=(8, 16), norm=norm)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.01)
    for _ in range(30):
        noise = torch.randn(2, 8, *size) * 0.1
        bright, dark = discriminator(noise[0] + 0.5), discriminator(noise[1] - 0.5)
        loss = torch.relu(1 - bright).mean() + torch.relu(1 + dark).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert bright.shape == (8,)
    assert bright.min() > dark.max()


def test_spectral_norm_bounds_the_slope():
    """Each layer stretches at most by one: so do all of them, but for the overlap of a convolution's windows."""
    torch.manual_seed(0)
    discriminator = Discriminator(ImageInputs(1, 16, 16), channels=(8, 8), norm="spectral").train()
    for _ in range(50):
        discriminator(torch.randn(2, 1, 16, 16))
    for layer in discriminator.eval().layers:
        if hasattr(layer, "parametrizations"):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
            torch.testing.assert_close(largest, torch.tensor(1.0), atol=0.02, rtol=0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="has 784 outputs"):
        DCGAN(ImageInputs(1, 28, 28), 10)
    with pytest.raises(ValueError, match="1 or more"):
        DCGAN(ImageInputs(1, 28, 28), 784, channels=())
    with pytest.raises(ValueError, match="halve images of 28 x 28 to nothing"):
        Discriminator(ImageInputs(1, 28, 28), channels=(8,) * 5)
