"""Bundles that older versions of the code wrote are read, and answer as they did when they were new.

`old_bundles/bundle-VERSION.tar.xz` holds a small bundle that the template of that version wrote, and `expected.json`:
records with the probabilities that the predictor of the same version gave for them.
"""

import base64
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lightloop.errors import LightloopError
from lightloop.serving.golden import check_golden
from lightloop.serving.manifest import FORMAT, MANIFEST, READ, read_manifest
from lightloop.serving.predictor import Predictor

FOLDER = Path(__file__).parent / "old_bundles"
# The version, and the format that it wrote.
WRITTEN = {"0.1.0": 1, "0.2.0": 1, "0.3.0": 2, "0.4.0": 3, "0.5.0": 4}


def unpack(version: str, target: Path) -> tuple[Path, dict]:
    with tarfile.open(FOLDER / f"bundle-{version}.tar.xz") as archive:
        archive.extractall(target, filter="data")
    return target / "bundle", json.loads((target / "expected.json").read_text())


def test_every_format_that_is_read_has_a_bundle():
    assert set(READ) == set(WRITTEN.values()) | {FORMAT}
    assert {path.name for path in FOLDER.iterdir()} == {f"bundle-{version}.tar.xz" for version in WRITTEN}


@pytest.mark.parametrize(("version", "number"), WRITTEN.items())
def test_an_old_bundle_answers_as_it_did(version: str, number: int, tmp_path: Path):
    folder, expected = unpack(version, tmp_path)
    manifest = read_manifest(folder)
    assert manifest.format == number
    predictor = Predictor.load(folder)
    if manifest.modality == "image":
        table = pa.table({"image": [base64.b64decode(record["image"]) for record in expected["records"]]})
    else:
        table = predictor.table([{**record} for record in expected["records"]])
    found_NK = predictor.answers(table)["probabilities"]
    np.testing.assert_allclose(found_NK, np.array(expected["probabilities"]), atol=1e-6)
    assert check_golden(predictor) == len(predictor.golden.records)


@pytest.mark.parametrize("version", [version for version in WRITTEN if version != "0.1.0"])
def test_an_old_bundle_answers_raw_records_one_by_one(version: str, tmp_path: Path):
    folder, expected = unpack(version, tmp_path)
    predictor = Predictor.load(folder)
    for record, probabilities in zip(expected["records"], expected["probabilities"], strict=True):
        (found,) = predictor.predict([record])
        assert found.probabilities == pytest.approx(probabilities, abs=1e-6)


def test_a_format_of_the_future_is_refused_with_what_to_do(tmp_path: Path):
    folder, _ = unpack("0.5.0", tmp_path)
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"format": FORMAT + 1}))
    with pytest.raises(LightloopError, match=r"use the version of Lightloop that wrote the bundle, or export it again"):
        read_manifest(folder)
