import numpy as np
import pytest
from PIL import Image

from lightloop.explanation.pictures import overlay, save_pictures

GREY = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (28, 1))[None]


def test_strength_and_sign_show():
    map_HW = np.zeros((28, 28), dtype=np.float32)
    map_HW[:4, :4], map_HW[-4:, -4:], map_HW[:4, -4:] = 1, -1, 0.3
    picture = overlay(np.zeros_like(GREY), map_HW).astype(int)
    red, blue = picture[..., 0], picture[..., 2]
    assert (red[:4, :4] > blue[:4, :4]).all()
    assert (blue[-4:, -4:] > red[-4:, -4:]).all()
    assert (red[:4, :4] > red[:4, -4:]).all()
    assert (picture[10:18, 10:18] == 0).all()


def test_a_map_without_negatives_is_heat_that_brightens():
    map_HW = np.tile(np.linspace(0, 1, 28, dtype=np.float32), (28, 1))
    brightness = overlay(np.zeros_like(GREY), map_HW).astype(int).sum(2)
    assert (np.diff(brightness, axis=1) >= 0).all()
    assert brightness[0, -1] > brightness[0, 0] + 300


@pytest.mark.parametrize("value", [0, np.float32(1e-30)])
def test_a_map_of_zeros_or_of_next_to_nothing_is_drawn(value):
    picture = overlay(GREY, np.full((28, 28), value, dtype=np.float32))
    assert picture.shape == (28, 28, 3)
    if value == 0:
        np.testing.assert_array_equal(picture[..., 0], np.round(0.45 * GREY[0]).astype(np.uint8))


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 28, 28), (112, 112)), ((3, 224, 200), (200, 224)), ((3, 16, 32), (128, 64))]
)
def test_pictures_are_enlarged_by_a_whole_factor_and_small(shape, size, tmp_path):
    generator = np.random.default_rng(0)
    pixels_NCHW = generator.integers(0, 256, (2, *shape), dtype=np.uint8)
    maps = {"one": generator.normal(size=(2, *shape[1:])).astype(np.float32)}
    save_pictures(tmp_path, pixels_NCHW, maps)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["000-input.png", "000-one.png", "001-input.png", "001-one.png"]
    for name in names:
        with Image.open(tmp_path / name) as image:
            assert image.size == size
            assert image.format == "PNG"
    if shape[1] == 28:
        # 240 of them are to stay below 1 MB even where, as here, every pixel is noise.
        assert max(path.stat().st_size for path in tmp_path.iterdir()) < 4200


def test_the_record_is_drawn_as_it_is(tmp_path):
    save_pictures(tmp_path, GREY[None], {})
    with Image.open(tmp_path / "000-input.png") as image:
        drawn = np.asarray(image.convert("L"))
    np.testing.assert_array_equal(drawn[::4, ::4], GREY[0])
