import numpy as np
import pandas as pd
import pytest
from pictures import encode
from PIL import Image

from lightloop.config.image import ImageSpec
from lightloop.errors import RefusedError
from lightloop.quality.image import metadata as module
from lightloop.quality.image.metadata import COLUMNS, CORNERS, describe_image, read_metadata


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("RGB", 3), ("L", 3), ("RGB", 1), ("P", 1), ("1", 1), ("LA", 3)]
)
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (28, 28)])
def test_statistics_are_those_of_numpy_over_the_pixels_that_the_model_gets(mode, channels, size):
    noise = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode)
    found = describe_image(encode(image), channels)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), dtype=float)
    assert (found.width, found.height, found.mode) == (*size, mode)
    assert found.mean == pytest.approx(pixels.mean(), abs=1e-9)
    assert found.std == pytest.approx(pixels.std(), abs=1e-6)


def test_corners_are_blocks_of_an_eighth_of_the_shorter_side():
    pixels = np.random.default_rng(3).integers(0, 256, (16, 40), dtype=np.uint8)
    found = describe_image(encode(pixels), 1)
    blocks = [pixels[:2, :2], pixels[:2, -2:], pixels[-2:, :2], pixels[-2:, -2:]]
    assert [getattr(found, name) for name in CORNERS] == pytest.approx([block.mean() for block in blocks])
    assert describe_image(encode(pixels[:1, :1]), 1).top_left == pixels[0, 0]


def test_a_blank_image_has_no_deviation():
    assert describe_image(encode(Image.new("L", (9, 9), 255)), 1)[3:5] == (255.0, 0.0)


def test_the_hash_is_of_the_pixels_not_of_the_file():
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 4), dtype=np.uint8))
    changed = grey.copy()
    changed.putpixel((0, 0), (grey.getpixel((0, 0)) + 1) % 256)
    same = {
        describe_image(encode(image, kind), 1).hash for image in (grey, grey.convert("RGB")) for kind in ("PNG", "BMP")
    }
    other = {
        describe_image(encode(changed), 1).hash,
        # The same bytes in another shape.
        describe_image(encode(Image.frombytes("L", (8, 4), grey.tobytes())), 1).hash,
    }
    assert len(same) == 1
    assert len(same | other) == 3


@pytest.mark.parametrize("damaged", [b"", b"no image", encode(Image.new("L", (28, 28)))[:40], b"\x89PNG\r\n\x1a\n"])
def test_what_does_not_decode_is_none(damaged):
    assert describe_image(damaged, 1) is None


def test_every_record_has_a_row_and_what_is_missing_is_null(parts, spec, write):
    parts["train"][4]["image"] = None
    parts["train"][5]["label"] = None
    parts["test"][2]["image"] = b"broken"
    table = read_metadata(spec, write(parts)).set_index("id")
    assert len(table) == 48
    assert table["part"].value_counts().to_dict() == {"train": 36, "test": 12}
    assert {name: str(kind) for name, kind in table.reset_index().dtypes.items()} == COLUMNS
    of_picture = ["width", "height", "mode", "mean", "std", *CORNERS, "hash"]
    of_pixels = [*of_picture, "copies", "in_other_part", "copy_labels"]
    assert table.loc["train/4", ["bytes", "decodes", *of_pixels]].isna().all()
    assert table.loc["test/2", of_pixels].isna().all()
    assert table.loc["test/2", ["bytes", "decodes"]].tolist() == [6, False]
    assert table.loc["train/5", ["label", "stratum", "class_share"]].isna().all()
    whole = table.drop(index=["train/4", "train/5", "test/2"])
    assert whole.notna().all(axis=None)
    assert set(whole["width"]) == {8}
    assert set(whole["height"]) == {6}


def test_a_part_without_records_and_a_missing_part_are_tables_too(parts, spec, write):
    empty = read_metadata(spec, write({"train": [], "test": []}))
    assert len(empty) == 0
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == COLUMNS
    alone = spec.model_copy(update={"files": {"train": "train.parquet"}})
    table = read_metadata(alone, write(parts))
    assert set(table["part"]) == {"train"}
    assert not table["in_other_part"].any()


def test_threads_find_the_same(parts, spec, write, monkeypatch):
    parts["train"][1]["image"] = None
    root = write(parts)
    alone = read_metadata(spec, root)
    monkeypatch.setattr(module, "THREADS_FROM_BYTES", 0)
    pd.testing.assert_frame_equal(read_metadata(spec, root), alone)


def test_a_missing_column_is_refused(spec, write, parts):
    root = write(parts)
    renamed = ImageSpec.model_validate(spec.model_dump() | {"columns": {"picture": "feature", "label": "target"}})
    with pytest.raises(RefusedError, match=r"train.parquet has no column 'picture' \(it has image, label\)"):
        read_metadata(renamed, root)
