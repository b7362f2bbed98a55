"""The description of the service: the bundle's own names, types, ranges and examples, and it is true."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from http_world import client_of
from tiny_bundles import KINDS, NAME, PLAIN, tiny_bundle

from lightloop.service.loaded import Loaded
from lightloop.service.slots import Slots

PATHS = {
    "/v1/predict",
    "/v1/predict/many",
    "/v1/explain",
    "/v1/feedback",
    "/v1/metadata",
    "/v1/card",
    "/metrics",
    "/health/live",
    "/health/ready",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{name}",
    "/v2/models/{name}/ready",
    "/v2/models/{name}/infer",
    "/v2/models/{name}/versions/{version}",
    "/v2/models/{name}/versions/{version}/ready",
    "/v2/models/{name}/versions/{version}/infer",
}


def check(document: dict[str, Any], name: str, content: Any) -> None:
    """`content` is as the document says that `name` is."""
    schema = document["components"]["schemas"][name]
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(content)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_as_described(releases: dict[str, Loaded], tmp_path: Path, kind: str) -> None:
    loaded = releases[kind]
    with client_of(loaded, tmp_path) as client:
        document = client.get("/openapi.json").json()
        assert document["paths"].keys() == PATHS
        assert document["info"]["title"] == f"tiny-{kind}"
        assert document["info"]["version"] == "v1.0.0"
        for record in loaded.models.examples:
            check(document, "Record", record)
            check(document, "Prediction", client.post("/v1/predict", json=record).json())
            if kind != "noise":
                check(document, "Explanation", client.post("/v1/explain", json=record).json())
        many = {"records": list(loaded.models.examples)}
        check(document, "Records", many)
        check(document, "Predictions", client.post("/v1/predict/many", json=many).json())
        check(document, "Error", client.post("/v1/predict", json=[]).json())
        assert document["components"]["schemas"]["Record"]["examples"] == list(loaded.models.examples)
        assert client.get("/v1/metadata").json()["input"]["examples"] == list(loaded.models.examples)


def test_names_ranges_and_categories_of_a_table(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases["tabular"], tmp_path) as client:
        record = client.get("/openapi.json").json()["components"]["schemas"]["Record"]
    assert list(record["properties"]) == ["the age", "income €/a", "class"]
    assert record["additionalProperties"] is False
    age, town = record["properties"]["the age"], record["properties"]["class"]
    assert (age["type"], age["x-range"], age["title"]) == (["number", "null"], [18, 90], "the age")
    assert "18 to 90 in the training records" in age["description"]
    assert (town["x-values"], town["examples"]) == (["Oslo", "Rome"], ["Oslo", "Rome"])
    assert "x-range" not in town


def test_another_release_is_described_anew(releases: dict[str, Loaded], tmp_path: Path) -> None:
    slots = Slots(releases["text"])
    other = Loaded.open(tiny_bundle("tabular", tmp_path / "other"), "v2.0.0")
    with client_of(slots, tmp_path) as client:
        assert "text" in client.get("/openapi.json").json()["components"]["schemas"]["Record"]["properties"]
        slots.swap(other)
        document = client.get("/openapi.json").json()
    assert document["info"] == {**document["info"], "title": "tiny-tabular", "version": "v2.0.0"}
    assert "the age" in document["components"]["schemas"]["Record"]["properties"]


def test_nothing_is_loaded_from_the_web(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases[PLAIN], tmp_path) as client:
        assert client.get("/docs").status_code == 404
        assert client.get("/redoc").status_code == 404
        assert "http" not in json.dumps(client.get("/openapi.json").json()["paths"])


def test_a_card_and_metrics_of_the_release(tmp_path: Path) -> None:
    folder = tiny_bundle(PLAIN, tmp_path / "bundle", golden=False)
    about = {"metrics": {"accuracy": 0.9}, "card": "# The card"}
    with client_of(Loaded.open(folder, "v3.0.0", about=about), tmp_path) as client:
        assert client.get("/v1/card").text == "# The card"
        found = client.get("/v1/metadata").json()
        assert found["metrics"] == {"accuracy": 0.9}
        assert found["lacks"] == ["golden records", "novelty"]
    with client_of(Loaded.open(folder, "v3.0.0"), tmp_path) as client:
        done = client.get("/v1/card")
        assert done.headers["content-type"] == "text/markdown; charset=utf-8"
        assert done.text.startswith(f"# {NAME} v3.0.0\n")
        assert "This bundle lacks: golden records, novelty." in done.text
