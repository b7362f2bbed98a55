"""The Open Inference Protocol: metadata, tensors in JSON and as bytes, and what is refused."""

import json
import struct
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from http_world import INPUTS, RECORDS, client_of, tensor
from starlette.testclient import TestClient
from tiny_bundles import KINDS, NAME, PLAIN

from lightloop.service.loaded import Loaded

Clients = dict[str, TestClient]


@pytest.fixture(scope="module")
def clients(releases: dict[str, Loaded], tmp_path_factory: pytest.TempPathFactory) -> Any:
    with ExitStack() as stack:
        root = tmp_path_factory.mktemp("root")
        yield {kind: stack.enter_context(client_of(one, root, max_records=50)) for kind, one in releases.items()}


def infer(client: TestClient, kind: str, **body: Any) -> Any:
    return client.post(f"/v2/models/tiny-{kind}/infer", json=body)


def arrays(answer: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in answer["outputs"]}


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_the_plain_interface(clients: Clients, kind: str) -> None:
    done = infer(clients[kind], kind, id="r1", inputs=INPUTS[kind])
    assert done.status_code == 200, done.text
    answer = done.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (f"tiny-{kind}", "v1.0.0", "r1")
    found = arrays(answer)
    plain = clients[kind].post("/v1/predict/many", json={"records": RECORDS[kind]}).json()["predictions"]
    if kind == "noise":
        assert found["image"].tolist() == [[[[0, 100], [200, 255]]], [[[100, 100], [100, 100]]]]
    elif kind == "series":
        np.testing.assert_allclose(found["prediction"], [one["values"] for one in plain], atol=1e-6)
        np.testing.assert_allclose(found["intervals"], [one["intervals"] for one in plain], atol=1e-6)
    else:
        expected = [list(one["probabilities"].values()) for one in plain]
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
        assert found["label"].tolist() == [one["label"] for one in plain]
        assert found["abstains"].tolist() == [one["abstains"] for one in plain]


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_says_what_infer_takes_and_gives(clients: Clients, kind: str) -> None:
    about = clients[kind].get(f"/v2/models/tiny-{kind}").json()
    assert (about["name"], about["versions"], about["platform"]) == (f"tiny-{kind}", ["v1.0.0"], "onnx_onnxruntime")
    names = {one["name"]: one["datatype"] for one in about["inputs"]}
    assert all(names[one["name"]] == one["datatype"] for one in INPUTS[kind])
    outputs = infer(clients[kind], kind, inputs=INPUTS[kind]).json()["outputs"]
    assert [
        {"name": one["name"], "datatype": one["datatype"], "shape": [-1, *one["shape"][1:]]} for one in outputs
    ] == [{name: one[name] for name in ("name", "datatype", "shape")} for one in about["outputs"]]
    assert clients[kind].get(f"/v2/models/tiny-{kind}/versions/v1.0.0").json() == about
    assert clients[kind].get(f"/v2/models/tiny-{kind}/ready").json()["ready"] is True
    assert clients[kind].get("/v2").json()["name"] == "lightloop"


def test_what_the_graph_itself_takes(clients: Clients) -> None:
    pixels = [tensor("image", "UINT8", [60] * 24 + [200] * 24, 2, 1, 4, 6)]
    raw = arrays(infer(clients["image"], "image", inputs=INPUTS["image"]).json())
    np.testing.assert_allclose(
        arrays(infer(clients["image"], "image", inputs=pixels).json())["probabilities"], raw["probabilities"], atol=1e-6
    )
    ids = [tensor("ids", "INT64", [2, 3, 4, 5, 6, 2, 0, 0, 0, 0], 2, 5)]
    found = arrays(infer(clients["text"], "text", inputs=ids).json())
    assert found["label"].tolist() == ["long", "short"]
    steps = [tensor("series", "FP32", [1, 2, 3, 4], 1, 4, 1)]
    assert arrays(infer(clients["series"], "series", inputs=steps).json())["prediction"].tolist() == [[2.5, 3.5]]


def test_outputs_that_are_asked_for(clients: Clients) -> None:
    done = infer(clients[PLAIN], PLAIN, inputs=INPUTS[PLAIN], outputs=[{"name": "label"}])
    assert [one["name"] for one in done.json()["outputs"]] == ["label"]


def test_the_binary_extension(clients: Clients) -> None:
    ages = np.array([20, np.nan], "<f4").tobytes()
    towns = b"".join(struct.pack("<I", len(town)) + town for town in (b"Oslo", b"Rome"))
    head = {
        "inputs": [
            {"name": "the age", "datatype": "FP32", "shape": [2, 1], "parameters": {"binary_data_size": len(ages)}},
            {"name": "class", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(towns)}},
        ],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}],
    }
    text = json.dumps(head).encode()
    headers = {"inference-header-content-length": str(len(text)), "content-type": "application/octet-stream"}
    address = "/v2/models/tiny-tabular/infer"
    done = clients["tabular"].post(address, content=text + ages + towns, headers=headers)
    assert done.status_code == 200, done.text
    length = int(done.headers["inference-header-content-length"])
    answer = json.loads(done.content[:length])
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert answer["outputs"][1]["data"] == ["no", "no"]
    plain = clients["tabular"].post(
        "/v1/predict/many", json={"records": [{"the age": 20, "class": "Oslo"}, {"class": "Rome"}]}
    )
    expected = [list(one["probabilities"].values()) for one in plain.json()["predictions"]]
    np.testing.assert_allclose(np.frombuffer(done.content[length:], "<f4").reshape(2, 2), expected, atol=1e-6)
    for content, length_said in ((text + ages, len(text)), (text + ages + towns + b"x", len(text)), (text, 10**9)):
        said = headers | {"inference-header-content-length": str(length_said)}
        assert clients["tabular"].post(address, content=content, headers=said).status_code in (400, 422)


REFUSED: list[tuple[str, Any, int, str]] = [
    ("text", {}, 422, "'inputs' is missing"),
    ("text", {"inputs": []}, 422, "'inputs': expected at least 1, but 0 came"),
    ("text", {"inputs": [tensor("txt", "BYTES", ["a"])]}, 422, "input 'txt' is none of this model's: expected text"),
    ("text", {"inputs": [tensor("text", "FP32", [1.0])]}, 422, ""),
    ("text", {"inputs": [tensor("text", "BYTES", [1])]}, 422, "input 'text' is BYTES: expected texts in its data"),
    (
        "text",
        {"inputs": [tensor("text", "BYTES", ["a"], 2)]},
        422,
        "input 'text' has 1 values, but its shape [2] needs 2",
    ),
    ("text", {"inputs": [tensor("text", "BYTES", ["a"], 2**31, 2**31, 2**31)]}, 422, "input 'text' has 1 values"),
    ("text", {"inputs": [tensor("text", "BYTES", [], 0)]}, 422, "0 records came: expected 1 to 50"),
    ("text", {"inputs": [tensor("text", "BYTES", ["a"] * 51)]}, 422, "51 records came: expected 1 to 50"),
    ("text", {"inputs": [tensor("text", "BYTES", ["a"])] * 2}, 422, "input 'text' came twice"),
    ("text", {"inputs": [tensor("text", "COMPLEX", ["a"])]}, 422, "'inputs', place 1: expected"),
    (
        "text",
        {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1]}]},
        422,
        "input 'text' has neither data nor",
    ),
    ("text", {"inputs": [tensor("ids", "INT64", [9999], 1, 1)]}, 422, "input 'ids': expected at most 8 ids of 0 to"),
    ("text", {"inputs": [tensor("ids", "INT64", [-1], 1, 1)]}, 422, "input 'ids': expected at most 8 ids of 0 to"),
    ("text", {"inputs": [tensor("ids", "INT64", [1] * 9, 1, 9)]}, 422, "input 'ids': expected at most 8 ids of 0 to"),
    ("text", {"inputs": INPUTS["text"], "outputs": [{"name": "x"}]}, 422, "output 'x' is none of this model's: it has"),
    (
        "image",
        {"inputs": [tensor("image", "UINT8", [256] * 24, 1, 1, 4, 6)]},
        422,
        "input 'image' has a value that UINT8",
    ),
    (
        "image",
        {"inputs": [tensor("image", "UINT8", [1] * 4, 1, 1, 2, 2)]},
        422,
        "input 'image' has the shape [1, 1, 2, 2]",
    ),
    ("image", {"inputs": [tensor("image", "BYTES", ["?"])]}, 422, "input 'image' is not Base64 text"),
    ("tabular", {"inputs": [tensor("the age", "FP32", ["x"])]}, 422, "input 'the age' is FP32: expected such values"),
    ("tabular", {"inputs": [tensor("the age", "FP32", [True])]}, 422, "input 'the age' is FP32: expected such values"),
    (
        "tabular",
        {"inputs": [tensor("the age", "FP32", [1e39])]},
        422,
        "input 'the age' has a value that FP32 can't hold",
    ),
    ("tabular", {"inputs": [tensor("the age", "INT64", [2**63])]}, 422, "input 'the age' has a value that INT64 can't"),
    ("tabular", {"inputs": [tensor("the age", "FP32", [1, 2], 1, 2)]}, 422, "input 'the age' has the shape [1, 2]"),
    (
        "tabular",
        {"inputs": [tensor("the age", "FP32", [1, 2]), tensor("class", "BYTES", ["a"])]},
        422,
        "inputs have different numbers of records ([1, 2])",
    ),
    ("series", {"inputs": [INPUTS["series"][0]]}, 422, "input 'day' is missing"),
]


@pytest.mark.parametrize(("kind", "body", "status", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_request(clients: Clients, kind: str, body: Any, status: int, sentence: str) -> None:
    done = infer(clients[kind], kind, **body)
    assert done.status_code == status, done.text
    assert list(done.json()) == ["error"]
    assert done.json()["error"].startswith(sentence)


def test_infinities_are_refused_in_any_form(clients: Clients) -> None:
    client, address = clients["tabular"], "/v2/models/tiny-tabular/infer"
    for word in ("NaN", "Infinity", "1e999"):
        body = json.dumps({"inputs": [tensor("the age", "FP32", [0.5])]}).replace("0.5", word)
        done = client.post(address, content=body, headers={"content-type": "application/json"})
        assert done.status_code == 422, done.text


def test_other_models_and_versions(clients: Clients) -> None:
    done = clients[PLAIN].get("/v2/models/other")
    assert (done.status_code, done.json()) == (
        404,
        {"error": f"there is no model 'other': this service has '{NAME}'"},
    )
    done = clients[PLAIN].post(f"/v2/models/{NAME}/versions/v9/infer", json={"inputs": INPUTS[PLAIN]})
    assert (done.status_code, done.json()) == (404, {"error": f"version 'v9' of {NAME} is not served: v1.0.0 is"})
    done = clients[PLAIN].post(f"/v2/models/{NAME}/infer", content=b"x", headers={"content-type": "text/plain"})
    assert done.status_code == 415
