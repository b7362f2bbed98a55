import json

import numpy as np
import pytest
from pictures import decode, encode

from lightloop.quality.image.metadata import read_metadata
from lightloop.quality.image.profile import profile_of


def test_pixel_statistics_are_those_of_all_training_pixels_at_once(spec, parts, write):
    generator = np.random.default_rng(2)
    for row, side in zip(parts["train"][:5], (2, 3, 5, 8, 13), strict=True):
        row["image"] = encode(generator.integers(0, 256, (side, side + 1)))
    found = profile_of(read_metadata(spec, write(parts)))["pixels"]
    pixels = np.concatenate([decode(row["image"]).astype(float).ravel() for row in parts["train"]])
    assert found["mean"] == pytest.approx(pixels.mean())
    assert found["std"] == pytest.approx(pixels.std())


def test_counts_duplicates_and_what_is_missing(spec, parts, write):
    parts["train"][0]["image"] = None
    parts["train"][1]["label"] = None
    parts["train"][2]["image"] = b"broken"
    parts["train"][3] = parts["train"][6] = dict(parts["train"][9])
    parts["test"][0] = dict(parts["train"][9])
    found = profile_of(read_metadata(spec, write(parts)))
    assert found["records"] == {"train": 36, "test": 12}
    assert found["classes"] == {"train": {"cat": 12, "dog": 11, "owl": 12}, "test": {"cat": 4, "dog": 4, "owl": 4}}
    assert found["duplicates"] == {"train": 2, "test": 0, "across_parts": 4}
    assert found["missing"] == {"image": 1, "label": 1, "undecodable": 1}
    assert found["width"] == {"min": 8, "max": 8}
    assert found["modes"] == {"L": 46}


def test_a_profile_without_any_image_has_nulls_not_zeros(spec, parts, write):
    for row in parts["train"] + parts["test"]:
        row["image"] = None
    found = profile_of(read_metadata(spec, write(parts)))
    assert found["pixels"] is None
    assert found["width"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found
