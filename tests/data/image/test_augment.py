"""Augmentation of image batches: what each change keeps, that each image has its own draw, and mixed targets."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as reference

from lightloop.config.compose import compose_config
from lightloop.config.image import ImageAugment
from lightloop.data.image.augment import augment_images, mix_images
from lightloop.data.module import build_data
from lightloop.data.targets import MISSING, Mix, mix_targets
from lightloop.networks._inputs import ImageInputs
from lightloop.networks.cnn import CNN
from lightloop.project import Project

EACH: list[dict[str, Any]] = [
    {"flip": True},
    {"shift": 2},
    {"rotate": 20},
    {"crop": 0.7},
    {"brightness": 0.3},
    {"contrast": 0.3},
    {"saturation": 0.5},
    {"erase": 0.9},
]
MIXES: list[dict[str, Any]] = [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]


def settings(**values: Any) -> ImageAugment:
    return ImageAugment(**{"name": "image", "flip": False} | values)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(batch: int = 64, channels: int = 3, size: tuple[int, int] = (12, 16)) -> Tensor:
    return torch.randint(40, 216, (batch, channels, *size), dtype=torch.uint8, generator=generator(9))


def test_without_changes_the_batch_is_the_same():
    pixels = drawn()
    assert torch.equal(augment_images(pixels, settings(), generator()), pixels)


@pytest.mark.parametrize("values", EACH)
def test_each_change_keeps_shape_and_type_and_follows_the_generator_alone(values: dict[str, Any]):
    pixels = drawn()
    before = pixels.clone()
    torch.manual_seed(1)
    first = augment_images(pixels, settings(**values), generator(5))
    torch.manual_seed(2)
    again = augment_images(pixels, settings(**values), generator(5))
    other = augment_images(pixels, settings(**values), generator(6))
    assert first.shape == pixels.shape
    assert first.dtype == torch.uint8
    assert torch.equal(pixels, before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, pixels)


@pytest.mark.parametrize("values", EACH)
def test_images_of_a_batch_have_draws_of_their_own(values: dict[str, Any]):
    same = drawn(1).expand(64, -1, -1, -1).contiguous()
    changed = augment_images(same, settings(**values), generator())
    kinds = {tuple(image.flatten().tolist()) for image in changed}
    assert len(kinds) == 2 if "flip" in values else len(kinds) > 10


def test_mirror_and_shift_keep_the_content():
    pixels = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    pixels[:, :, 4, 3] = 255
    moved = augment_images(pixels, settings(flip=True, shift=2), generator())
    rows, columns = torch.nonzero(moved[:, 0])[:, 1:].unbind(1)
    assert len(rows) == 200
    assert set(rows.tolist()) == {2, 3, 4, 5, 6}
    # 3 shifted by up to 2, or its mirror image 5 shifted likewise.
    assert set(columns.tolist()) == {1, 2, 3, 4, 5, 6, 7}


def centres(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Of what is bright in each image, (B,) to the right and (B,) down, from the image's middle."""
    height, width = pixels.shape[2:]
    weight = pixels[:, 0].double()
    weight /= weight.sum((1, 2), keepdim=True)
    across, down = torch.arange(width) - (width - 1) / 2, torch.arange(height) - (height - 1) / 2
    return (weight * across).sum((1, 2)), (weight * down[:, None]).sum((1, 2))


def blob(batch: int) -> Tensor:
    """A round spot on a dark image that is wider than high, 8 to the right of the middle."""
    down, across = torch.meshgrid(torch.arange(31) - 15.0, torch.arange(41) - 20.0, indexing="ij")
    spot = 255 * (-((across - 8) ** 2 + down**2) / 8).exp()
    return spot.round().to(torch.uint8).expand(batch, 1, -1, -1).contiguous()


def test_rotation_keeps_distances_and_stays_in_its_range():
    x, y = centres(augment_images(blob(300), settings(rotate=30), generator()))
    assert torch.allclose(x.hypot(y), torch.full((300,), 8.0, dtype=torch.float64), atol=0.1)
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() < 30.5
    assert angles.min() < -25
    assert angles.max() > 25
    assert abs(angles.mean()) < 3


def test_rotation_is_that_of_torchvision():
    pixels = blob(20)
    turned = augment_images(pixels, settings(rotate=30), generator())
    x, y = centres(turned)
    for image, angle in zip(turned, torch.rad2deg(torch.atan2(y, x)).tolist(), strict=True):
        # Its angle runs the other way.
        expected = reference.rotate(pixels[0], -angle, interpolation=reference.InterpolationMode.BILINEAR)
        assert (image.int() - expected.int()).abs().max() <= 6


def test_cropping_shows_a_part_as_large_as_promised():
    ramp = (torch.arange(40) * 6).to(torch.uint8).expand(200, 1, 30, 40).contiguous()
    seen = augment_images(ramp, settings(crop=0.6), generator())[:, 0, 15].double()
    slopes = (seen[:, 35] - seen[:, 4]) / 31 / 6
    assert slopes.min() >= 0.6 - 0.01
    assert slopes.max() <= 1 + 0.01
    assert slopes.min() < 0.65
    assert slopes.max() > 0.95
    # The part lies anywhere, and inside: no border is repeated.
    assert seen[:, 0].max() > 40
    assert ((seen.diff(dim=1) > 0).float().mean(1) > 0.97).all()


def test_brightness_multiplies():
    bright = augment_images(torch.full((300, 1, 4, 4), 100, dtype=torch.uint8), settings(brightness=0.3), generator())
    levels = bright.flatten(1).float()
    assert (levels.amin(1) == levels.amax(1)).all()
    assert 70 <= levels.min() < 73
    assert 127 < levels.max() <= 130


def grey(image: Tensor) -> Tensor:
    return reference.rgb_to_grayscale(image.float())


@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_is_that_of_torchvision(channels: int):
    pixels = drawn(20, channels) // 2 + 60
    for before, after in zip(pixels, augment_images(pixels, settings(contrast=0.4), generator()), strict=True):
        factor = (after.float().std() / before.float().std()).item()
        assert 0.59 < factor < 1.41
        expected = reference.adjust_contrast(before, factor)
        assert (after.int() - expected.int()).abs().max() <= 2


def test_saturation_is_that_of_torchvision():
    pixels = drawn(20) // 2 + 60
    for before, after in zip(pixels, augment_images(pixels, settings(saturation=0.5), generator()), strict=True):
        factor = ((after - grey(after)).std() / (before - grey(before)).std()).item()
        assert 0.49 < factor < 1.51
        expected = reference.adjust_saturation(before, factor)
        assert (after.int() - expected.int()).abs().max() <= 2


def test_grey_images_have_no_saturation():
    pixels = drawn(8, 1)
    assert torch.equal(augment_images(pixels, settings(saturation=0.5), generator()), pixels)


def test_erasing_greys_a_square_in_its_share_of_images():
    erased = augment_images(torch.zeros(400, 1, 28, 28, dtype=torch.uint8), settings(erase=0.5), generator())
    hit = (erased == 128).flatten(1).any(1).float().mean().item()
    assert 0.4 < hit < 0.6
    assert set(erased.unique().tolist()) == {0, 128}


def mixed_with(
    pixels: Tensor, targets: Tensor, chosen: ImageAugment, random: torch.Generator, classes: int
) -> tuple[Tensor, Tensor]:
    mixed, mix = mix_images(pixels, chosen, random)
    return mixed, mix_targets(targets, mix, classes)


def levels(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images of one level each, a class of its own for each, and the levels."""
    level = torch.arange(batch) * 2
    pixels = level.to(torch.uint8)[:, None, None, None].expand(-1, 1, 20, 14).contiguous()
    return pixels, torch.arange(batch), level.float()


@pytest.mark.parametrize("values", MIXES)
def test_mixed_targets_are_shares_of_all_that_is_in_the_image(values: dict[str, Any]):
    pixels, labels, level = levels(120)
    mixed, shares = mixed_with(pixels, labels, settings(**values), generator(), 120)
    assert shares.dtype == torch.float32
    assert torch.allclose(shares.sum(1), torch.ones(120), atol=1e-6)
    assert (shares >= 0).all()
    assert ((shares > 0).sum(1) <= 2).all()
    assert ((shares > 0).sum(1) == 2).sum() > 50
    # The mean level of an image is that of its classes, in their shares; pixels are rounded to whole levels.
    assert torch.allclose(mixed.float().mean((1, 2, 3)), shares @ level, atol=0.51)


def test_cutmix_takes_whole_pixels_of_two_images_in_one_rectangle():
    pixels, labels, level = levels(120)
    mixed, shares = mixed_with(pixels, labels, settings(cutmix=1.0), generator(), 120)
    for image, label, share in zip(mixed[:, 0], labels, shares, strict=True):
        other = image != level[label]
        present = torch.stack([(image == value).float().mean() for value in level])
        assert torch.allclose(present, share, atol=1e-6)
        rows, columns = other.any(1), other.any(0)
        assert torch.equal(other, rows[:, None] & columns)


def test_mixup_draws_its_shares_from_the_beta_distribution():
    pixels, labels, _ = levels(100)
    random = generator()
    own = [mixed_with(pixels, labels, settings(mixup=0.4), random, 100)[1][labels, labels][:, None] for _ in range(10)]
    drawn_shares = torch.cat(own).flatten()
    # Images that met themselves keep their class whole.
    drawn_shares = drawn_shares[drawn_shares < 1]
    assert len(drawn_shares) > 900
    assert stats.kstest(drawn_shares.double().numpy(), stats.beta(0.4, 0.4).cdf).pvalue > 0.01


@pytest.mark.parametrize("values", MIXES)
def test_only_the_promised_share_of_images_is_mixed(values: dict[str, Any]):
    pixels, labels, _ = levels(120)
    same, shares = mixed_with(pixels, labels, settings(mixed=0, **values), generator(), 120)
    assert torch.equal(same, pixels)
    assert torch.equal(shares, torch.eye(120))
    _, shares = mixed_with(pixels, labels, settings(mixed=0.3, **values), generator(), 120)
    assert 0.15 < ((shares > 0).sum(1) == 2).float().mean() < 0.42


@pytest.mark.parametrize("values", MIXES)
def test_mixing_follows_the_generator_alone(values: dict[str, Any]):
    pixels, labels = drawn(16), torch.arange(16) % 3
    first, again, other = (mixed_with(pixels, labels, settings(**values), generator(seed), 3) for seed in (4, 4, 5))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_targets_that_are_numbers_are_mixed_as_numbers():
    pixels, _, level = levels(60)
    mixed, numbers = mixed_with(pixels, level[:, None], settings(mixup=1.0), generator(), 0)
    assert numbers.shape == (60, 1)
    assert torch.allclose(mixed.float().mean((1, 2, 3)), numbers[:, 0], atol=0.51)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rotate": 200}, "rotate"),
        ({"crop": 0}, "crop"),
        ({"mixup": -0.1}, "mixup"),
        ({"mixed": 1.5}, "mixed"),
        ({"brightness": 2}, "brightness"),
    ],
)
def test_strengths_beyond_sense_are_refused(values: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        settings(**values)


@pytest.mark.slow
@pytest.mark.parametrize("values", [*EACH, *MIXES])
def test_a_network_learns_under_each_change(values: dict[str, Any]):
    torch.manual_seed(0)
    # The class is the direction of stripes, which every change leaves.
    stripes = torch.arange(16) % 4 // 2 * 120 + 60
    down, across = stripes[:, None].expand(16, 16), stripes.expand(16, 16)
    pixels = torch.stack([down, across]).to(torch.uint8)[:, None].repeat(16, 3, 1, 1)
    labels = torch.arange(2).repeat(16)
    network = CNN(ImageInputs(3, 16, 16), 2, channels=(8, 8), dropout=0.0)
    optimizer, random = torch.optim.AdamW(network.parameters(), lr=0.01), generator()
    for _ in range(30):
        batch, targets = augment_images(pixels, settings(**values), random), labels
        if "mixup" in values or "cutmix" in values:
            batch, targets = mixed_with(batch, labels, settings(**values), random, 2)
        loss = nn.functional.cross_entropy(network(batch / 128 - 1), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert (network.eval()(pixels / 128 - 1).argmax(1) == labels).float().mean() > 0.9


def test_the_strong_preset_reaches_batches_through_the_data_module(project: Project, repository: Project):
    config = compose_config(repository, ["augment=image-strong", "trainer.batch_size=50"])
    module = build_data(config, project.root)
    module.setup()
    batch = next(iter(module.train_dataloader()))
    inputs, targets, *_ = module.augment(batch, generator(batch.seed))
    assert inputs[0].shape == batch.inputs[0].shape
    assert inputs[0].dtype == torch.uint8
    assert targets.shape == (50, 10)
    assert torch.allclose(targets.sum(1), torch.ones(50), atol=1e-6)
    # The changes before mixing do not depend on whether images are mixed.
    alone = module.config.augment.model_copy(update={"mixup": 0.0, "cutmix": 0.0})
    module.config = config.model_copy(update={"augment": alone})
    changed, labels, *_ = module.augment(batch, generator(batch.seed))
    assert torch.equal(labels, batch.targets)
    untouched = targets.amax(1) == 1
    assert 0.3 < untouched.float().mean() < 0.8
    assert torch.equal(changed[0][untouched], inputs[0][untouched])


def test_what_is_missing_is_missing_in_its_mixtures_alone():
    mix = Mix(torch.tensor([1, 2, 0, 3]), torch.tensor([0.5, 0.25, 1.0, 0.0]))
    classes = mix_targets(torch.tensor([0, MISSING, 1, MISSING]), mix, 2)
    assert classes.isnan().all(1).tolist() == [True, True, False, True]
    assert classes[2].tolist() == [0.0, 1.0], "nothing of its partner is in it"
    numbers = mix_targets(torch.tensor([torch.nan, 2.0, 4.0, 8.0]), mix, 0)
    torch.testing.assert_close(numbers, torch.tensor([torch.nan, 3.5, 4.0, 8.0]), equal_nan=True)
    cut = mix_targets(torch.tensor([torch.nan, 2.0, 4.0, 8.0]), Mix(mix.partner_B, torch.zeros(4)), 0)
    torch.testing.assert_close(cut, torch.tensor([2.0, 4.0, torch.nan, 8.0]), equal_nan=True)
