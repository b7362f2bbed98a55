"""Served, in a batch, and by PyTorch: the same 1,000 records of each experiment have the same answers."""

import asyncio
import base64
import json

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving_world import fresh_world

from lightloop.batch.predict import predict_file
from lightloop.config.serve import ServeConfig
from lightloop.data.image.records import decode_images
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots
from lightloop.serving.records import to_json

RECORDS, AT_ONCE, ALONE = 1000, 250, 20
# Fresh weights may give all records of these the same class.
STEPS = {"fashion": 20, "loans": 60}
# Probabilities as they are, numbers in proportion to the largest.
TOLERANCE = 1e-5


def asked(world):
    """1,000 records, of the test split first."""
    splits = [world.splits[name].drop_columns(["id"]) for name in ("test", "validation", "train")]
    table = pa.concat_tables(splits, promote_options="default").combine_chunks()
    if world.model.config.data.problem != "generation":
        return table.slice(0, RECORDS)
    latent = world.model.preprocessor.input.size
    noise = np.random.default_rng(0).standard_normal((RECORDS, latent)).astype(np.float32)
    return pa.table({"noise": pa.array(noise.astype(float).tolist(), pa.list_(pa.float64()))})


async def served(bundle, records):
    """The answers over HTTP: in bodies of many, and some of them one by one."""
    app = build_app(Slots(Loaded.open(bundle, "v1.0.0", 1)), ServeConfig(logs="none"))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://model") as client,
    ):
        many = []
        for start in range(0, len(records), AT_ONCE):
            answer = await client.post("/v1/predict/many", json={"records": records[start : start + AT_ONCE]})
            assert answer.status_code == 200, answer.text
            many += answer.json()["predictions"]
        alone = [await client.post("/v1/predict", json=record) for record in records[:ALONE]]
        assert {answer.status_code for answer in alone} == {200}, alone[0].text
        return many, [answer.json() for answer in alone]


def numbers(kind, answer, classes):
    if kind == "probabilities":
        return [answer["probabilities"][name] for name in classes]
    return answer["values"]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["fashion", "loans", "loans-two-heads", "spam", "co2", "fashion-gan"])
def test_served_is_batch_is_pytorch(repository, tmp_path, experiment):
    world = fresh_world(repository, tmp_path / "bundle", experiment, steps=STEPS.get(experiment, 0))
    table = asked(world)
    assert len(table) == RECORDS
    manifest = Loaded.open(world.bundle, None, 1).predictor.manifest
    kind, classes = manifest.answer, list(manifest.classes)
    expected = world.model.answers(table)[kind]
    records = to_json(manifest, table)
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    counts = predict_file(world.bundle, tmp_path / "in.jsonl", tmp_path / "out.parquet")
    assert (counts.scored, counts.rejected) == (RECORDS, 0)
    batch = pq.read_table(tmp_path / "out.parquet").to_pylist()
    many, alone = asyncio.run(served(world.bundle, records))
    if kind == "image":
        shape, pixels = expected.shape[2:], expected.astype(np.int16)
        for images in ([one["image"] for one in batch], [base64.b64decode(one["image"]) for one in many]):
            off = np.abs(decode_images(images, shape, expected.shape[1]).astype(np.int16) - pixels)
            # A level that lies between two is rounded either way.
            assert off.max() <= 1
            assert (off > 0).mean() < 1e-3
        return
    scale = max(1.0, float(np.abs(expected).max()))
    for answers in (batch, many, alone):
        found = np.array([numbers(kind, one, classes) for one in answers])
        assert np.abs(found - expected[: len(found)]).max() / scale < TOLERANCE
    if kind == "probabilities":
        labels = [classes[code] for code in manifest.rules.decision.decide(expected)]
        assert len(set(labels)) > 1
        assert [one["label"] for one in batch] == [one["label"] for one in many] == labels
        assert [one["label"] for one in alone] == labels[:ALONE]
    for one, other in zip(batch, many, strict=True):
        assert one["warnings"] == other["warnings"]
        assert one["novelty"]["p_value"] == pytest.approx(other["novelty"]["p_value"], abs=0.02)
