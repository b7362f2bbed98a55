"""The bill of materials is valid, says what is in the release, and is the same bytes each time."""

import hashlib
import json
import shutil

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from serving_world import table_world

from lightloop.errors import LightloopError
from lightloop.release.sbom import make_sbom, read_lock, write_sbom
from lightloop.serving.manifest import verify_bundle


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory):
    return table_world(repository, tmp_path_factory.mktemp("sbom"))


def test_it_is_valid_and_names_weights_data_code_and_lock(repository, world):
    text = make_sbom(repository, world.bundle)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    content = json.loads(text)
    model, digest = content["metadata"]["component"], verify_bundle(world.bundle)
    assert (model["type"], model["hashes"][0]["content"]) == ("machine-learning-model", digest)
    parts = {part["bom-ref"]: part for part in content["components"]}
    for name in ("model.onnx", "model.safetensors", "bundle.json"):
        expected = hashlib.sha256((world.bundle / name).read_bytes()).hexdigest()
        assert parts[f"file:{name}"]["hashes"] == [{"alg": "SHA-256", "content": expected}]
    lock = hashlib.sha256((repository.root / "requirements.lock").read_bytes()).hexdigest()
    assert parts["file:requirements.lock"]["hashes"][0]["content"] == lock
    assert parts[f"data:{'0123' * 8}.dir"]["hashes"] == [{"alg": "MD5", "content": "0123" * 8}]
    (code,) = [part for name, part in parts.items() if name.startswith("code:")]
    assert len(code["hashes"][0]["content"]) == 64
    pinned = [line for line in (repository.root / "requirements.lock").read_text().splitlines() if "==" in line[:60]]
    libraries = [part for part in parts.values() if part["type"] == "library"]
    assert len(libraries) == len({line.split(";")[0].strip() for line in pinned})
    assert any(part["bom-ref"].startswith("pkg:pypi/onnxruntime@") for part in libraries)
    assert "timestamp" not in content["metadata"]


def test_the_same_release_is_the_same_bytes_and_another_is_not(repository, world, tmp_path):
    first = make_sbom(repository, world.bundle)
    shutil.copytree(world.bundle, tmp_path / "bundle")
    assert make_sbom(repository, tmp_path / "bundle") == first
    assert str(repository.root) not in first
    alone = make_sbom(None, world.bundle)
    assert json.loads(alone)["serialNumber"] != json.loads(first)["serialNumber"]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(alone) is None
    assert write_sbom(repository, world.bundle, tmp_path / "sbom.json")
    assert not write_sbom(repository, world.bundle, tmp_path / "sbom.json")
    (tmp_path / "bundle" / "model.onnx").write_bytes(b"x")
    with pytest.raises(LightloopError, match=r"model\.onnx is changed in the bundle"):
        make_sbom(repository, tmp_path / "bundle")


def test_the_lock_is_read_as_uv_and_pip_write_it(tmp_path):
    (tmp_path / "lock").write_text(
        "# made by a tool\naiohttp==3.14.5\n    # via ray\nray[serve]==2.50.0 \\\n    --hash=sha256:00\n"
        'pywin32==311 ; sys_platform == "win32"\ntyping_extensions==4.15.0\n-e .\n'
    )
    found = read_lock(tmp_path / "lock")
    assert [(one.name, one.version) for one in found] == [
        ("aiohttp", "3.14.5"),
        ("ray", "2.50.0"),
        ("pywin32", "311"),
        ("typing_extensions", "4.15.0"),
    ]
    assert found[3].purl.to_string() == "pkg:pypi/typing-extensions@4.15.0"
    assert [one.value for one in found[2].properties] == ['sys_platform == "win32"']
