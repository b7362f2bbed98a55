"""What may answer: a bundle that is whole and gives its golden answers, in a process without training's libraries."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from http_world import client_of
from tiny_bundles import KINDS, PLAIN, plain_record, seal, tiny_bundle

from lightloop.errors import LightloopError
from lightloop.service.loaded import Loaded


@pytest.mark.parametrize("kind", KINDS)
def test_opened_warm_and_with_examples(tmp_path: Path, kind: str) -> None:
    loaded = Loaded.open(tiny_bundle(kind, tmp_path / "bundle"))
    assert loaded.version == loaded.digest[:12]
    assert 0 < loaded.seconds < 1
    assert loaded.models.examples == loaded.predictor.golden.records


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_without_golden_records_is_answered_with_an_example(tmp_path: Path, kind: str) -> None:
    loaded = Loaded.open(tiny_bundle(kind, tmp_path / "bundle", golden=False))
    (record,) = loaded.models.examples
    with client_of(loaded, tmp_path) as client:
        assert client.post("/v1/predict", json=record).status_code == 200


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(PLAIN, tmp_path / "bundle")
    (folder / "model.safetensors").write_bytes(b"other")
    with pytest.raises(LightloopError, match=r"model\.safetensors is changed in the bundle"):
        Loaded.open(folder)


def test_other_answers_than_the_released_ones_are_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(PLAIN, tmp_path / "bundle")
    golden = json.loads((folder / "golden.json").read_text())
    golden["answers"][0][0] += 0.1
    (folder / "golden.json").write_text(json.dumps(golden))
    seal(folder)
    with pytest.raises(LightloopError, match="the bundle answers golden record 1 with"):
        Loaded.open(folder)


def test_novelty_may_be_left_out(tmp_path: Path) -> None:
    loaded = Loaded.open(tiny_bundle(PLAIN, tmp_path / "bundle"), novelty=False)
    assert loaded.predictor.reference is None
    with client_of(loaded, tmp_path) as client:
        assert client.get("/v1/metadata").json()["novelty"] is False
        assert client.post("/v1/predict", json=plain_record()).json()["novelty"] is None


def test_the_service_loads_nothing_of_training(tmp_path: Path) -> None:
    folder = tiny_bundle("tabular", tmp_path / "bundle")
    script = f"""
import asyncio, json, sys
from pathlib import Path
import httpx
from lightloop.config.serve import ServeConfig
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots
loaded = Loaded.open(Path({str(folder)!r}))
app = build_app(Slots(loaded), ServeConfig(logs="none"))
async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        record = dict(loaded.models.examples[0])
        for path in ("/v1/predict", "/v1/explain"):
            assert (await client.post(path, json=record)).status_code == 200
        assert (await client.get("/openapi.json")).status_code == 200
asyncio.run(ask())
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    # Arrow loads pandas where it is installed; the service's own environment has none.
    unwanted = {"torch", "torchvision", "lightning", "pytorch_lightning", "sklearn", "scipy", "onnx", "wandb"}
    assert loaded & unwanted == set()
