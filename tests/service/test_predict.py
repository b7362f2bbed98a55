"""Predictions and explanations over HTTP: the predictor's own answers, and one sentence for what is no request."""

import asyncio
import base64
import io
import json
import math
import time
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from http_world import client_of, example
from PIL import Image
from starlette.testclient import TestClient
from tiny_bundles import KINDS, LABELS, PLAIN, grey, image_record, plain_record, png, tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.service.answers import as_json
from lightloop.service.app import build_app
from lightloop.service.loaded import Loaded
from lightloop.service.slots import Candidate, Slots

PREDICT, MANY, EXPLAIN = "/v1/predict", "/v1/predict/many", "/v1/explain"


@pytest.fixture(scope="module")
def clients(releases: dict[str, Loaded], tmp_path_factory: pytest.TempPathFactory) -> Any:
    with ExitStack() as stack:
        root = tmp_path_factory.mktemp("root")
        yield {kind: stack.enter_context(client_of(one, root)) for kind, one in releases.items()}


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("prediction_id", "model_version")}


def same(one: Any, other: Any) -> bool:
    """Equal, numbers up to rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == (pytest.approx(other, abs=1e-6) if isinstance(other, float) else other))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_predictor(
    clients: dict[str, TestClient], releases: dict[str, Loaded], kind: str
) -> None:
    loaded, client = releases[kind], clients[kind]
    records = list(loaded.models.examples)
    expected = [as_json(loaded.predictor, one) for one in loaded.predictor.predict(records)]
    many = client.post(MANY, json={"records": records})
    assert many.status_code == 200
    assert many.headers["x-model-version"] == many.json()["model_version"] == "v1.0.0"
    for record, wanted, one in zip(records, expected, many.json()["predictions"], strict=True):
        alone = client.post(PREDICT, json=record)
        assert alone.status_code == 200
        assert alone.json()["model_version"] == "v1.0.0"
        for answer in (plain(alone.json()), plain(one)):
            assert same(answer, json.loads(json.dumps(wanted)))


def test_prediction_ids_differ_and_sort_by_time(clients: dict[str, TestClient]) -> None:
    first = clients[PLAIN].post(PREDICT, json=plain_record()).json()["prediction_id"]
    many = clients[PLAIN].post(MANY, json={"records": [plain_record()] * 50}).json()["predictions"]
    identities = [one["prediction_id"] for one in many]
    assert len({first, *identities}) == 51
    assert first[:13] <= min(identities)[:13]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "noise"])
@pytest.mark.parametrize("method", ["shapley", "occlusion"])
def test_explain(clients: dict[str, TestClient], releases: dict[str, Loaded], kind: str, method: str) -> None:
    loaded = releases[kind]
    done = clients[kind].post(f"{EXPLAIN}?method={method}", json=example(loaded))
    assert done.status_code == 200, done.text
    answer = done.json()
    assert answer["method"] == method
    assert len(answer["names"]) == len(answer["values"])
    if method == "shapley":
        assert math.isclose(sum(answer["values"]), answer["score"] - answer["baseline"], abs_tol=1e-4)


def test_what_cannot_be_explained(clients: dict[str, TestClient]) -> None:
    done = clients["noise"].post(EXPLAIN, json={"noise": [0.0] * 4})
    assert (done.status_code, done.json()) == (404, {"error": "this model does not explain its answers"})
    done = clients[PLAIN].post(f"{EXPLAIN}?method=magic", json=plain_record())
    assert (done.status_code, done.json()) == (422, {"error": "method is 'magic': expected shapley or occlusion"})


FAULTS: list[tuple[str, bytes, int, str]] = [
    ("tabular", b"{", 400, "the body is not JSON (EOF while parsing an object at line 1 column 1)"),
    ("tabular", b"", 400, "the body is not JSON"),
    ("tabular", b"\xff\xfe", 400, "the body is not JSON"),
    ("tabular", b"[" * 100_000, 400, "the body is not JSON (recursion limit exceeded"),
    ("tabular", b'{"class": "\\ud800"}', 400, "the body is not JSON"),
    ("tabular", b"[]", 422, "expected an object, but a list came"),
    ("tabular", b"{}", 422, "the record is empty: expected at least one of the age, income"),
    ("tabular", b'{"the age": "old"}', 422, "'the age': expected a number, but 'old' came"),
    ("tabular", b'{"the age": "30"}', 422, "'the age': expected a number, but '30' came"),
    ("tabular", b'{"the age": NaN}', 422, "'the age': expected a finite number, but nan came"),
    ("tabular", b'{"the age": Infinity}', 422, "'the age': expected a finite number, but inf came"),
    ("tabular", b'{"the age": 1e999}', 422, "'the age': expected a finite number, but inf came"),
    ("tabular", b'{"the age": 1e39}', 422, "'the age': expected a finite number, but 1e+39 came"),
    ("tabular", b'{"the age": [1]}', 422, "'the age': expected a number, but a list came"),
    ("tabular", b'{"the agee": 1}', 422, "'the agee' is no field of this model: did you mean 'the age'?"),
    ("tabular", b'{"class": {"a": 1}}', 422, "'class': expected a text, but an object came"),
    ("image", b'{"image": ""}', 422, "'image': expected a text that is not empty, but '' came"),
    ("image", b'{"image": "no base 64"}', 422, "the record has an image that is not Base64 text"),
    ("image", b'{"image": "AAAA"}', 422, "an image of 3 bytes does not decode"),
    ("image", b'{"image": 3}', 422, "'image': expected a text, but 3 came"),
    ("image", b"{}", 422, "'image' is missing"),
    ("text", b'{"text": null}', 422, "'text': expected a text, but null came"),
    ("series", b'{"load": [], "day": "2026-01-05"}', 422, "'load': expected at least 1, but 0 came"),
    ("series", b'{"load": [1, "x"], "day": "2026-01-05"}', 422, "'load', place 2: expected a number, but 'x' came"),
    ("series", b'{"load": [1, NaN], "day": "2026-01-05"}', 422, "'load', place 2: expected a finite number"),
    ("series", b'{"load": [1], "day": "soon"}', 422, "'day': expected a date or time such as 2026-01-05"),
    ("series", b'{"load": [1]}', 422, "'day' is missing"),
    ("noise", b'{"noise": [1, 2]}', 422, "'noise': expected at least 4, but 2 came"),
    ("noise", b'{"noise": [1, 2, 3, -Infinity]}', 422, "'noise', place 4: expected a finite number"),
]


@pytest.mark.parametrize(("kind", "body", "status", "sentence"), FAULTS, ids=range(len(FAULTS)))
@pytest.mark.parametrize("path", [PREDICT, EXPLAIN])
def test_faults_are_one_sentence(
    clients: dict[str, TestClient], kind: str, body: bytes, status: int, sentence: str, path: str
) -> None:
    if (kind, path) == ("noise", EXPLAIN):
        pytest.skip("makes samples")
    done = clients[kind].post(path, content=body, headers={"content-type": "application/json"})
    assert done.status_code == status
    assert list(done.json()) == ["error"]
    assert done.json()["error"].startswith(sentence)
    assert "\n" not in done.json()["error"]
    assert len(done.json()["error"]) < 250


def test_many_names_the_record(clients: dict[str, TestClient]) -> None:
    for body, sentence in (
        ('{"records": [{"the age": 30}, {"the age": "x"}]}', "record number 2, 'the age': expected a number"),
        ('{"records": [{"the age": 30}, {}]}', "record number 2: the record is empty"),
        ('{"records": []}', "'records': expected at least 1, but 0 came"),
        ('{"rows": []}', "'records' is missing"),
    ):
        done = clients["tabular"].post(MANY, content=body)
        assert done.status_code == 422
        assert done.json()["error"].startswith(sentence)


def test_values_out_of_range_are_answered_with_warnings(clients: dict[str, TestClient]) -> None:
    done = clients["tabular"].post(PREDICT, json={"the age": 300, "class": "Paris"})
    assert done.status_code == 200
    assert done.json()["warnings"] == [
        "the age is 300, outside of the training records' 18 to 90.",
        "class is 'Paris', which no training record has.",
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"the age": 30, "income €/a": 5, "class": "Oslo"},
        {"the age": 18.0, "income €/a": None},
        {"the age": 90, "class": None},
        {"the age": 30.1234567, "class": "Rome"},
        {"the age": True, "class": "Oslo"},
        {"the age": 91},
        {"class": "Oslo"},
        {"the age": 30, "class": ""},
        {"the age": 30, "class": "Bergen"},
        {"the age": 30, "class": 7},
        {"the age": 30, "class": True},
    ],
)
def test_the_short_way_answers_as_the_general_one(releases: dict[str, Loaded], record: dict[str, Any]) -> None:
    loaded = releases["tabular"]
    predictor = loaded.predictor
    (expected,) = predictor.told(predictor.score(predictor.table([record])))
    assert predictor.told(loaded.score([record])) == [expected]
    found = loaded.one(record)
    assert found is not None
    assert found[0] == expected
    assert loaded.one(record | {"class": "Paris"}) != found


def test_an_image_may_come_as_it_is(clients: dict[str, TestClient]) -> None:
    client, file = clients["image"], grey(200)
    expected = plain(client.post(PREDICT, json={"image": base64.b64encode(file).decode()}).json())
    raw = client.post(PREDICT, content=file, headers={"content-type": "image/png"})
    form = client.post(PREDICT, files={"image": ("shoe.png", file, "image/png")})
    address = client.post(PREDICT, json={"image": f"data:image/png;base64,{base64.b64encode(file).decode()}"})
    for done in (raw, form, address):
        assert done.status_code == 200, done.text
        assert plain(done.json()) == expected


def test_forms_that_hold_no_image(clients: dict[str, TestClient]) -> None:
    client = clients["image"]
    for done, status, sentence in (
        (client.post(PREDICT, files={"picture": b"x"}), 422, "the form has no file 'image'"),
        (client.post(PREDICT, data={"image": "x"}, files={"other": b"x"}), 422, "the form has no file 'image'"),
        (
            client.post(PREDICT, files=[("image", b"x"), ("image", b"y")]),
            400,
            "the form is not readable (Too many files",
        ),
        (client.post(PREDICT, files={"image": b"x"}), 422, "an image of 1 bytes does not decode"),
        (
            client.post(PREDICT, content=b"x", headers={"content-type": "multipart/form-data"}),
            400,
            "the form is not readable (Missing boundary in multipart)",
        ),
        (
            client.post(PREDICT, content=b"x", headers={"content-type": "multipart/form-data; boundary=a"}),
            400,
            "the form is not readable",
        ),
    ):
        assert done.status_code == status, done.text
        assert done.json()["error"].startswith(sentence)


def test_other_content_types_are_415(clients: dict[str, TestClient]) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "image/png", "application/xml"):
        done = clients[PLAIN].post(PREDICT, content=json.dumps(plain_record()), headers={"content-type": kind})
        assert (done.status_code, done.json()) == (415, {"error": "expected a body of application/json"})
    done = clients[PLAIN].post(PREDICT, content=b"x", headers={"content-encoding": "gzip"})
    assert done.status_code == 415
    done = clients[PLAIN].post(PREDICT, content=json.dumps(plain_record()))
    assert done.status_code == 200


def test_bombs_are_no_images(clients: dict[str, TestClient]) -> None:
    small = png(np.zeros((1, 1), np.uint8))
    # A header that says 30,000 x 30,000 pixels, and 8,000 x 8,000 ones that are really there.
    header = small[12:16] + (30_000).to_bytes(4, "big") * 2 + small[24:29]
    lying = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    stream = io.BytesIO()
    Image.new("1", (8000, 8000)).save(stream, "PNG")
    assert len(stream.getvalue()) < 20_000
    for bomb in (lying, stream.getvalue()):
        done = clients["image"].post(PREDICT, content=bomb, headers={"content-type": "image/png"})
        assert done.status_code == 422, done.text
        assert "scale it down first" in done.json()["error"]


def test_addresses_that_are_none(clients: dict[str, TestClient]) -> None:
    client = clients[PLAIN]
    for path in ("/nothing", "/v1", "/v1/predict/", "/v1/../etc/passwd", "/page/../../app.py", "/page/%2e%2e%2fapp.py"):
        done = client.get(path)
        assert done.status_code == 404, path
        assert done.json() == {"error": "there is nothing at this address: see /openapi.json for what there is"}
    done = client.get(PREDICT)
    assert done.status_code == 405
    assert done.headers["allow"] == "POST"
    assert "error" in done.json()


def test_a_canary_answers_who_asks_for_it(releases: dict[str, Loaded], tmp_path: Path) -> None:
    other = Loaded.open(tiny_bundle(PLAIN, tmp_path / "other", bias=9.0), "v2.0.0")
    slots = Slots(releases[PLAIN])
    slots.offer(Candidate(other, "canary", 0.0))
    with client_of(slots, tmp_path) as client:
        assert client.post(PREDICT, json=plain_record()).json()["model_version"] == "v1.0.0"
        done = client.post(PREDICT, json=plain_record(), headers={"x-lightloop-release": "canary"})
        assert done.headers["x-model-version"] == done.json()["model_version"] == "v2.0.0"
        slots.swap(other)
        assert client.post(PREDICT, json=plain_record()).json()["model_version"] == "v2.0.0"
    assert slots.tallies[other.digest].requests == 2


def test_a_shadow_is_compared_and_does_not_answer(releases: dict[str, Loaded], tmp_path: Path) -> None:
    other = Loaded.open(tiny_bundle(PLAIN, tmp_path / "other", bias=90.0), "v2.0.0")
    slots = Slots(releases[PLAIN])
    slots.offer(Candidate(other, "shadow", 1.0))
    with client_of(slots, tmp_path) as client:
        for _ in range(5):
            assert client.post(PREDICT, json=plain_record()).json()["label"] == LABELS[PLAIN][0]
    end = time.monotonic() + 10
    while slots.tallies[other.digest].comparisons < 5 and time.monotonic() < end:
        time.sleep(0.01)
    assert (slots.tallies[other.digest].comparisons, slots.tallies[other.digest].differences) == (5, 5)


def test_no_finite_answer_is_the_records_fault(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases["series"], tmp_path) as client:
        done = client.post(PREDICT, json={"load": [3.4e38] * 4, "day": "2026-01-05"})
    assert done.status_code == 422
    assert done.json()["error"].startswith("the model has no finite answer to this record")


def test_batching_gives_the_same_answers(releases: dict[str, Loaded], tmp_path: Path) -> None:
    app = build_app(Slots(releases["tabular"]), ServeConfig(batching=True, logs="none"), tmp_path)
    ages = [*range(18, 48), "x", 3.3e38]

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            return await asyncio.gather(*(client.post(PREDICT, json={"the age": age}) for age in ages))

    answers = asyncio.run(ask())
    assert [done.status_code for done in answers] == [200] * 30 + [422, 200]
    with client_of(releases["tabular"], tmp_path) as client:
        for age, done in zip(ages[:30], answers, strict=False):
            expected = client.post(PREDICT, json={"the age": age}).json()
            np.testing.assert_allclose(done.json()["probability"], expected["probability"], atol=1e-6)


def test_a_data_url_of_the_wrong_kind(clients: dict[str, TestClient]) -> None:
    done = clients["image"].post(PREDICT, json={"image": "data:text/html;base64,PGI+"})
    assert done.status_code == 422
    assert image_record().keys() == {"image"}
