"""Feedback: kept once, on the disk, for predictions that this model's service gave."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from http_world import client_of, example
from s3_world import bucket, objects
from tiny_bundles import LABELS, NAME, PLAIN, plain_record

from lightloop.monitoring.window import read_window
from lightloop.service import feedback
from lightloop.service.faults import RequestError
from lightloop.service.feedback import Store
from lightloop.service.ids import given_at, prediction_id
from lightloop.service.loaded import Loaded

FEEDBACK, PREDICT = "/v1/feedback", "/v1/predict"
FIRST, SECOND = LABELS[PLAIN]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def test_a_label_is_kept_once(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases[PLAIN], tmp_path, feedback="state/feedback") as client:
        identity = client.post(PREDICT, json=plain_record()).json()["prediction_id"]
        body = {"prediction_id": identity, "label": SECOND}
        done = client.post(FEEDBACK, json=body)
        assert (done.status_code, done.json()) == (200, {"prediction_id": identity, "stored": True})
        again = client.post(FEEDBACK, json=body)
        assert (again.status_code, again.json()["stored"]) == (200, False)
        other = client.post(FEEDBACK, json=body | {"label": FIRST})
        assert other.status_code == 409
        assert other.json()["error"].startswith("there is another answer to this prediction already")
    (line,) = lines(tmp_path / "state/feedback")
    assert (line["prediction_id"], line["label"], line["version"]) == (identity, SECOND, "v1.0.0")
    given = given_at(identity, NAME)
    assert given is not None
    day = datetime.fromtimestamp(given, UTC).date().isoformat()
    assert [file.name for file in (tmp_path / "state/feedback").glob("*.jsonl")] == [f"{day}.jsonl"]
    assert abs(datetime.fromisoformat(line["received"]).timestamp() - time.time()) < 60


def test_numbers_are_kept_too(releases: dict[str, Loaded], tmp_path: Path) -> None:
    loaded = releases["series"]
    with client_of(loaded, tmp_path, feedback="kept") as client:
        identity = client.post(PREDICT, json=example(loaded)).json()["prediction_id"]
        done = client.post(FEEDBACK, json={"prediction_id": identity, "values": [1.5, None]})
        assert done.status_code == 200
        short = client.post(FEEDBACK, json={"prediction_id": prediction_id("tiny-series"), "values": [1.5]})
        assert (short.status_code, short.json()) == (422, {"error": "1 values came: this model answers 2"})
    assert lines(tmp_path / "kept")[0]["values"] == [1.5, None]


def test_what_is_no_feedback(releases: dict[str, Loaded], tmp_path: Path) -> None:
    known = prediction_id(NAME)
    with client_of(releases[PLAIN], tmp_path, feedback="kept") as client:
        for body, status, sentence in (
            (b"{", 400, "the body is not JSON"),
            (b"[]", 422, "expected an object, but a list came"),
            (b'{"label": "x"}', 422, "'prediction_id' is missing"),
            ({"prediction_id": known}, 422, "expected 'label', and nothing else beside the prediction_id"),
            ({"prediction_id": known, "values": [1.0]}, 422, "expected 'label', and nothing else"),
            ({"prediction_id": known, "label": SECOND, "values": [1.0]}, 422, "expected 'label', and nothing else"),
            (
                {"prediction_id": known, "label": "lang"},
                422,
                f"'lang' is no class of this model: expected one of {FIRST}, {SECOND}",
            ),
            (
                {"prediction_id": known, "lable": SECOND},
                422,
                "'lable' is no field of this model: did you mean 'label'?",
            ),
            ({"prediction_id": known + "0", "label": SECOND}, 422, "'prediction_id': expected"),
            ({"prediction_id": "0" * 36, "label": SECOND}, 404, f"no prediction of {NAME} has this id"),
            ({"prediction_id": prediction_id("other"), "label": SECOND}, 404, f"no prediction of {NAME} has this id"),
            ({"prediction_id": "../../../../../../../etc/passwd12345", "label": SECOND}, 404, "no prediction of"),
            (
                {"prediction_id": prediction_id(NAME, time.time() + 9999), "label": SECOND},
                404,
                "no prediction of",
            ),
        ):
            content = body if isinstance(body, bytes) else json.dumps(body)
            done = client.post(FEEDBACK, content=content, headers={"content-type": "application/json"})
            assert done.status_code == status, (body, done.text)
            assert done.json()["error"].startswith(sentence), (body, done.text)
    assert not (tmp_path / "kept").exists()


def test_none_is_taken_where_there_is_no_folder(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases[PLAIN], tmp_path, feedback=None) as client:
        done = client.post(FEEDBACK, json={"prediction_id": prediction_id(NAME), "label": SECOND})
    assert done.status_code == 404
    assert "serve.feedback" in done.json()["error"]
    with client_of(releases["noise"], tmp_path, feedback="kept") as client:
        done = client.post(FEEDBACK, json={"prediction_id": prediction_id("tiny-noise"), "values": [1.0]})
    assert done.status_code == 404


def test_a_folder_that_takes_nothing(releases: dict[str, Loaded], tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with client_of(releases[PLAIN], tmp_path, feedback="kept") as client:
        done = client.post(FEEDBACK, json={"prediction_id": prediction_id(NAME), "label": SECOND})
    assert done.status_code == 503
    assert done.json()["error"].startswith("feedback can't be kept")


def test_half_a_line_of_a_crash_spoils_no_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.keep({"prediction_id": "a", "label": "x"}, "2026-01-05")
    path = tmp_path / "2026-01-05.jsonl"
    with path.open("a") as file:
        file.write('{"prediction_id": "b", "la')
    assert store.keep({"prediction_id": "b", "label": "y"}, "2026-01-05")
    assert not store.keep({"prediction_id": "b", "label": "y"}, "2026-01-05")
    with pytest.raises(RequestError, match="there is another answer"):
        store.keep({"prediction_id": "b", "label": "z"}, "2026-01-05")
    good = [line for line in path.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["label"] for line in good] == ["x", "y"]


def test_in_s3_a_worker_has_objects_of_some_lines_which_monitoring_reads(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "LINES", 2)
    with bucket(monkeypatch) as address:
        place = f"{address}/labels"
        with client_of(releases[PLAIN], tmp_path, feedback=place) as client:
            told = [client.post(PREDICT, json=plain_record(number)).json()["prediction_id"] for number in range(3)]
            for identity in told:
                done = client.post(FEEDBACK, json={"prediction_id": identity, "label": SECOND})
                assert (done.status_code, done.json()["stored"]) == (200, True)
            again = client.post(FEEDBACK, json={"prediction_id": told[0], "label": SECOND})
            assert (again.status_code, again.json()["stored"]) == (200, False)
            other = client.post(FEEDBACK, json={"prediction_id": told[0], "label": FIRST})
            assert other.status_code == 409
            client.post(PREDICT, json=plain_record(3))
        given = given_at(told[0], NAME)
        assert given is not None
        day = datetime.fromtimestamp(given, UTC)
        assert len(objects(address)) == 2, "with two lines and with one"
        assert {name[:17] for name in objects(address)} == {f"labels/{day.date().isoformat()}"}
        assert not list(tmp_path.rglob("*.jsonl")), "nothing of it lies on this machine"
        hour = timedelta(hours=1)
        found = read_window(str(tmp_path / ".lightloop/log"), place, day - hour, day + hour).predictions
        truths = dict(zip(found["prediction_id"].to_pylist(), found["truth"].to_pylist(), strict=True))
        assert {identity for identity, truth in truths.items() if truth == SECOND} == set(told)
        assert len(truths) == 4


def test_a_bucket_that_takes_nothing(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"prediction_id": prediction_id(NAME), "label": SECOND}
    with (
        bucket(monkeypatch),
        client_of(releases[PLAIN], tmp_path, feedback="s3://nobodys-bucket/labels") as client,
    ):
        done = client.post(FEEDBACK, json=known)
    assert done.status_code == 503
    assert done.json() == {"error": "feedback can't be kept (S3 does not take it): try again later"}


def test_many_at_once_lose_nothing_and_one_answer_stands(tmp_path: Path) -> None:
    def keep(number: int) -> bool | int:
        try:
            line = {"prediction_id": f"id-{number % 20}", "label": str(number // 20)}
            return Store(tmp_path).keep(line, "2026-01-05")
        except RequestError as error:
            return error.status

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(keep, range(60)))
    assert found.count(True) == 20
    assert found.count(409) == 40
    kept = lines(tmp_path)
    assert sorted(line["prediction_id"] for line in kept) == sorted(f"id-{number}" for number in range(20))
