"""Images in every form that is promised, and every fault in one sentence."""

import io
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lightloop.config.image import ImageSpec
from lightloop.config.schema import Config
from lightloop.data.image.records import decode_image, decode_images
from lightloop.data.records import label_codes, read_records
from lightloop.errors import LightloopError, RefusedError
from lightloop.project import Project


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def spec_of(config: Config, **changes) -> ImageSpec:
    return ImageSpec.model_validate(config.data.model_dump() | changes)


@pytest.fixture
def images(rng) -> list[bytes]:
    return [png(rng.integers(0, 256, (28, 28), dtype=np.uint8)) for _ in range(4)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_struct_and_plain_bytes_read_the_same(tmp_path, config, images):
    labels = ["bag", "coat", "bag", "dress"]
    struct = pa.array([{"bytes": image, "path": "x.png"} for image in images])
    for name, column in (
        ("struct", struct),
        ("plain", pa.array(images)),
        ("large", pa.array(images, pa.large_binary())),
    ):
        folder = tmp_path / name
        folder.mkdir()
        pq.write_table(pa.table({"image": column, "label": labels}), folder / "train.parquet")
        table = read_records(spec_of(config, path=name), tmp_path, "train")
        assert table.column("image").to_pylist() == images
        assert table.column("label").to_pylist() == labels
        assert table.column("id").to_pylist() == ["train/0", "train/1", "train/2", "train/3"]


def test_dictionary_encoded_labels_read(tmp_path, config, images):
    table = pa.table({"image": images, "label": pa.array(["bag", "coat", "bag", None]).dictionary_encode()})
    pq.write_table(table, tmp_path / "train.parquet")
    assert read_records(spec_of(config, path="."), tmp_path, "train").column("label").to_pylist() == [
        "bag",
        "coat",
        "bag",
        None,
    ]


def test_a_folder_of_class_folders(tmp_path, config, images):
    for number, (label, image) in enumerate(zip(["bag", "coat", "bag"], images, strict=False)):
        (tmp_path / "train" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / label / f"{number}.png").write_bytes(image)
    (tmp_path / "train" / "bag" / "notes.txt").write_text("not an image")
    table = read_records(spec_of(config, path=".", files={"train": "train", "test": "test"}), tmp_path, "train")
    assert table.column("id").to_pylist() == ["bag/0.png", "bag/2.png", "coat/1.png"]
    assert table.column("image").to_pylist() == [images[0], images[2], images[1]]


def test_faults_are_one_sentence(project: Project, config: Config):
    path = project.root / "data/fashion/train.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(LightloopError, match=r"train\.parquet is not a whole Parquet file .*dvc pull --force"):
        read_records(config.data, project.root, "train")
    path.unlink()
    with pytest.raises(LightloopError, match=r"data/fashion/train\.parquet is missing: get it with `dvc pull --force"):
        read_records(config.data, project.root, "train")
    table = pq.read_table(project.root / "data/fashion/test.parquet")
    pq.write_table(table.rename_columns(["picture", "label"]), path)
    with pytest.raises(RefusedError, match=r"has no column 'image' \(it has picture, label\)"):
        read_records(config.data, project.root, "train")
    pq.write_table(pa.table({"image": [1, 2], "label": ["bag", "coat"]}), path)
    with pytest.raises(RefusedError, match="images of type int64: expected bytes"):
        read_records(config.data, project.root, "train")
    path.unlink()
    path.mkdir()
    with pytest.raises(LightloopError, match="holds no images: expected one folder a class"):
        read_records(config.data, project.root, "train")


def test_decoding_is_lossless_at_the_right_size(rng):
    grey = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    colour = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decode_image(png(grey), (5, 7), 1), grey[None])
    assert np.array_equal(decode_image(png(colour), (5, 7), 3), colour.transpose(2, 0, 1))
    assert np.array_equal(decode_images([png(grey)] * 3, (5, 7), 1), np.stack([grey[None]] * 3))


def test_decoding_scales_and_converts(rng):
    colour = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    assert decode_image(png(colour), (28, 28), 1).shape == (1, 28, 28)
    assert decode_image(png(colour[:, :, 0]), (28, 28), 3).shape == (3, 28, 28)


@pytest.mark.parametrize("broken", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_does_not_decode_is_refused(broken: bytes):
    with pytest.raises(RefusedError, match=f"an image of {len(broken)} bytes does not decode"):
        decode_images([broken], (28, 28), 1)


def test_a_truncated_image_is_refused(images):
    with pytest.raises(RefusedError, match="does not decode"):
        decode_image(images[0][:200], (28, 28), 1)


def test_label_codes_refuse_an_unknown_label():
    assert label_codes(["b", "a", "b"], ("a", "b")).tolist() == [1, 0, 1]
    with pytest.raises(RefusedError, match=re.escape("label 'c' is not one of the data set's classes (a, b)")):
        label_codes(["a", "c"], ("a", "b"))
    with pytest.raises(RefusedError, match="label 'None'"):
        label_codes([None], ("a", "b"))
