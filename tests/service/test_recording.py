"""The log of a service: every answer and every request in it, and no answer that waits or fails for its sake."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from http_world import INPUTS, RECORDS, client_of, example
from tiny_bundles import KINDS, NAME, PLAIN, plain_record, tiny_bundle

from lightloop.config.serve import LogConfig
from lightloop.monitoring.window import Window, read_window
from lightloop.service import keeping, metrics, recording
from lightloop.service.edge import PRIVATE
from lightloop.service.keeping import Keeper
from lightloop.service.loaded import Loaded
from lightloop.service.recording import Recorder
from lightloop.service.slots import Candidate, Slots
from lightloop.serving.log import drawn, write_log
from lightloop.serving.logfiles import LogFiles, Part
from lightloop.serving.logged import Answer, Rows
from lightloop.serving.records import to_table

PREDICT, MANY = "/v1/predict", "/v1/predict/many"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "GATHER", 0.01)


def log_of(root: Path, feedback: str | None = None, **more: Any) -> Window:
    now = datetime.now(UTC)
    told = str(root / feedback) if feedback else None
    return read_window(str(root / ".lightloop/log"), told, now - timedelta(days=2), now + timedelta(days=1), **more)


def dropped(why: str) -> float:
    return float(metrics.LOG_DROPPED.labels(why)._value.get())


def eventually(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def recorded(window: Window) -> dict[str, str]:
    """The records of the log as text, in which a gap in a series is the same as another, by their predictions' ids."""
    ids = window.predictions["prediction_id"].to_pylist()
    return dict(zip(ids, map(str, window.records.to_pylist()), strict=True))


def written(loaded: Loaded, record: dict[str, Any]) -> str:
    """A record as the log has it, as text."""
    return str(to_table(loaded.predictor.manifest, [record]).to_pylist()[0])


# Records are logged as they were sent.
WHOLE: dict[str, Any] = {}
# of feature: image
WHOLE["images"] = True
# end


class Lines:
    """A logger that keeps its warnings."""

    def __init__(self) -> None:
        self.warned: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.warned.append((event, facts))


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_to_ask_are_logged_with_what_was_answered(
    releases: dict[str, Loaded], tmp_path: Path, kind: str
) -> None:
    loaded = releases[kind]
    records = [dict(one) for one in loaded.models.examples]
    with client_of(loaded, tmp_path, log=WHOLE) as client:
        one = client.post(PREDICT, json=records[0]).json()
        many = client.post(MANY, json={"records": records}, headers={"sec-fetch-site": "same-origin"}).json()
        assert client.get("/v1/metadata").status_code == 200
    window = log_of(tmp_path)
    answers = [one, *many["predictions"]]
    rows = {row["prediction_id"]: row for row in window.predictions.to_pylist()}
    asked = dict(zip(window.predictions["prediction_id"].to_pylist(), window.records.to_pylist(), strict=True))
    assert rows.keys() == {answer["prediction_id"] for answer in answers}
    expected = to_table(loaded.predictor.manifest, [records[0], *records]).to_pylist()
    for answer, record in zip(answers, expected, strict=True):
        row = rows[answer["prediction_id"]]
        assert str(asked[answer["prediction_id"]]) == str(record)
        assert row["label"] == answer.get("label")
        assert row["values"] == (pytest.approx(answer["values"]) if "values" in answer else None)
        assert row["warnings"] == len(answer["warnings"])
        assert (row["version"], row["digest"], row["slot"]) == (loaded.version, loaded.digest, "current")
        assert row["seconds"] > 0
    assert [rows[one["prediction_id"]][name] for name in ("route", "page")] == [PREDICT, False]
    assert [rows[answers[1]["prediction_id"]][name] for name in ("route", "page")] == [MANY, True]


def test_an_inference_request_is_logged_and_its_ids_take_feedback(releases: dict[str, Loaded], tmp_path: Path) -> None:
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path, log=WHOLE) as client:
        answer = client.post(f"/v2/models/{NAME}/infer", json={"inputs": INPUTS[PLAIN]}).json()
        first, second = answer["parameters"]["prediction_ids"]
        told = {"prediction_id": second, "label": loaded.predictor.classes[0]}
        assert client.post("/v1/feedback", json=told).json()["stored"]
    window = log_of(tmp_path, ".lightloop/feedback")
    found = recorded(window)
    assert found == {first: written(loaded, RECORDS[PLAIN][0]), second: written(loaded, RECORDS[PLAIN][1])}
    truths = dict(zip(found, window.predictions["truth"].to_pylist(), strict=True))
    assert truths == {first: None, second: loaded.predictor.classes[0]}


def test_answers_that_were_batched_are_logged(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases["image"], tmp_path, batching=True) as client:
        assert client.post(PREDICT, json=example(releases["image"])).status_code == 200
    assert log_of(tmp_path).records.to_pylist()[0]["brightness"] is not None


def test_requests_are_counted_with_their_faults_and_machines_are_not(
    releases: dict[str, Loaded], tmp_path: Path
) -> None:
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path, log={"share": 0.0}) as client:
        for _ in range(3):
            assert client.post(PREDICT, json=plain_record()).status_code == 200
        assert client.post(PREDICT, json={"txet": "a"}).status_code == 422
        assert client.post(PREDICT, content=b"{", headers={"content-type": "application/json"}).status_code == 400
        assert client.get("/nowhere").status_code == 404
        assert client.get("/health/ready").status_code == 200
        assert client.get("/metrics").status_code == 200
    window = log_of(tmp_path)
    assert len(window.predictions) == 0, "of the answers nothing is kept"
    found: dict[tuple[str, int], int] = {}
    for row in window.requests.to_pylist():
        key = (row["route"], row["status"])
        found[key] = found.get(key, 0) + row["count"]
        assert sum(row["buckets"]) == row["count"]
        assert row["seconds"] > 0
        assert row["version"] == loaded.version
    assert found == {(PREDICT, 200): 3, (PREDICT, 422): 1, (PREDICT, 400): 1, ("other", 404): 1}


def test_the_sample_is_the_one_that_the_ids_decide(releases: dict[str, Loaded], tmp_path: Path) -> None:
    loaded = releases[PLAIN]
    records = {"records": [plain_record(number) for number in range(200)]}
    with client_of(loaded, tmp_path, log=WHOLE | {"share": 0.3}) as client:
        answers = client.post(MANY, json=records).json()["predictions"]
    window = log_of(tmp_path)
    wanted = {
        one["prediction_id"]: written(loaded, record)
        for record, one in zip(records["records"], answers, strict=True)
        if drawn(one["prediction_id"], 0.3)
    }
    found = recorded(window)
    assert found == wanted
    assert 30 < len(found) < 90


def test_what_is_tried_before_people_ask_is_not_logged(releases: dict[str, Loaded], tmp_path: Path) -> None:
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path) as client:
        inner = client.app

        async def private(scope: Any, receive: Any, send: Any) -> None:
            await inner(scope | {"state": {PRIVATE: True}} if scope["type"] == "http" else scope, receive, send)

        client._transport.app = private  # type: ignore[attr-defined]
        assert client.post(PREDICT, json=plain_record()).status_code == 200
        client._transport.app = inner  # type: ignore[attr-defined]
    assert not (tmp_path / ".lightloop/log").exists()


def test_a_canary_and_a_shadow_are_marked(releases: dict[str, Loaded], tmp_path: Path) -> None:
    current = releases["tabular"]
    other = Loaded.open(tiny_bundle("tabular", tmp_path / "other", bias=3.0), "v2.0.0")
    record = example(current)
    for mode, marks in (("canary", ["canary", "current"]), ("shadow", ["current", "current", "shadow", "shadow"])):
        slots, root = Slots(current), tmp_path / mode
        with client_of(slots, root) as client:
            slots.offer(Candidate(other, mode, 1.0 if mode == "shadow" else 0.0))  # type: ignore[arg-type]
            for name in ("canary", "current"):
                assert client.post(PREDICT, json=record, headers={"x-lightloop-release": name}).status_code == 200
            if mode == "shadow":
                eventually(lambda slots=slots: slots.tallies[other.digest].comparisons == 2, "the shadow answers")
                time.sleep(0.05)
        rows = log_of(root, slots=("current", "canary", "shadow")).predictions.to_pylist()
        assert sorted(row["slot"] for row in rows) == marks
        for row in rows:
            assert row["digest"] == (current if row["slot"] == "current" else other).digest
        if mode == "shadow":
            given = {row["prediction_id"]: row for row in rows if row["slot"] == "current"}
            for row in rows:
                if row["slot"] == "shadow":
                    assert row["probabilities"] != given[row["prediction_id"]]["probabilities"]


def test_what_the_queue_has_no_room_for_is_left_out_and_counted(releases: dict[str, Loaded], tmp_path: Path) -> None:
    before = dropped("queue")
    with client_of(releases[PLAIN], tmp_path, log={"queue": 50}) as client:
        for count in (60, 30):
            assert client.post(MANY, json={"records": [plain_record()] * count}).status_code == 200
    assert dropped("queue") - before == 60
    assert len(log_of(tmp_path).predictions) == 30


def test_rows_are_made_before_their_time_when_the_queue_fills(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "GATHER", 60.0)
    records = {"records": [plain_record()] * 30}

    def taken(client: Any) -> bool:
        before = dropped("queue")
        assert client.post(MANY, json=records).status_code == 200
        return dropped("queue") == before

    with client_of(releases[PLAIN], tmp_path, log={"queue": 50, "seconds": 240.0}) as client:
        for _ in range(3):
            eventually(lambda: taken(client), "there is room again long before a minute is over")
    assert len(log_of(tmp_path).predictions) == 90


def test_answers_that_come_while_rows_are_made_do_not_put_off_the_files(
    releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, numbers = releases[PLAIN], iter(range(2000))
    recorder = Recorder(LogConfig(folder="log", seconds=0.05, days=None), tmp_path)
    prediction, make = loaded.predictor.predict([plain_record()]), Rows.table

    def ask() -> None:
        number = next(numbers, None)
        if number is not None:
            ids = [f"{number:08x}-0000-7000"]
            recorder.add(loaded, ids, [plain_record()], prediction, slot="current", route="/")

    def busy(rows: Rows, answers: Sequence[Answer]) -> pa.RecordBatch:
        ask()  # the next one is there before these are rows: at no moment nothing waits
        return make(rows, answers)

    monkeypatch.setattr(Rows, "table", busy)
    ask()
    eventually(lambda: any((tmp_path / "log").rglob("*.parquet")), "there is a file")
    assert next(numbers, None) is not None, "while answers come still"
    recorder.close()


def test_a_folder_that_takes_nothing_costs_no_answer_and_is_told_once(
    releases: dict[str, Loaded], tmp_path: Path
) -> None:
    lines = Lines()
    (tmp_path / "log").write_text("a file where the folder should be")
    recorder = Recorder(LogConfig(folder="log", seconds=0.05, days=None), tmp_path, lines)
    loaded, failures = releases[PLAIN], float(metrics.LOG_FAILURES._value.get())

    def ask(number: int) -> None:
        prediction = loaded.predictor.predict([plain_record(number)])
        recorder.add(loaded, [f"{number:08x}-0000-7000"], [plain_record(number)], prediction, slot="current", route="/")

    ask(1)
    eventually(lambda: metrics.LOG_FAILURES._value.get() >= failures + 2, "it is tried again")
    assert [event for event, _ in lines.warned] == [
        "the log can't be written: answers wait for a while, then are left out"
    ]
    (tmp_path / "log").unlink()
    ask(2)
    eventually(lambda: len(lines.warned) == 2, "it goes on by itself")
    recorder.close()
    assert lines.warned[1][0] == "the log is written again"
    files = LogFiles(tmp_path / "log")
    rows = [
        files.read("predictions", day, part)
        for day in files.days("predictions")
        for part in files.parts("predictions", day)
    ]
    found = pa.concat_tables(rows).sort_by("prediction_id")["input"].to_pylist()
    assert [str(one) for one in found] == [written(loaded, plain_record(number)) for number in (1, 2)]


def test_rows_that_wait_for_a_dead_disk_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(keeping, "HELD", 5000)
    before = dropped("write")
    keeper = Keeper(LogFiles(tmp_path), None, lambda *_, **__: None)
    batch = pa.RecordBatch.from_pydict({"number": list(range(100))})
    for _ in range(20):
        keeper.keep("release", batch, batch.schema)
    assert keeper.rows * 8 <= 5000
    assert keeper.rows + dropped("write") - before == 2000


def test_a_record_that_can_not_be_a_row_ends_the_log_of_no_other(releases: dict[str, Loaded], tmp_path: Path) -> None:
    lines, loaded, before = Lines(), releases[PLAIN], dropped("row")
    recorder = Recorder(LogConfig(folder="log", days=None), tmp_path, lines)
    predictions = loaded.predictor.predict([plain_record()])
    recorder.add(loaded, ["no id at all"], [None], predictions, slot="current", route="/")
    eventually(lambda: dropped("row") == before + 1, "it is counted")
    recorder.add(loaded, ["00000001-0000-7000"], [plain_record()], predictions, slot="current", route="/")
    recorder.close()
    assert lines.warned[0][1]["rows"] == 1
    assert LogFiles(tmp_path / "log").days("predictions") == [date(1970, 1, 1)]


def test_small_files_become_one_that_holds_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(keeping, "FEW", 3)
    keeper = Keeper(LogFiles(tmp_path), None, lambda *_, **__: None)
    now = datetime(2026, 1, 5, tzinfo=UTC)
    for number in range(20):
        write_log(tmp_path / "source", [{"prediction_id": str(number), "time": now}], writer=f"w{number}")
        table = LogFiles(tmp_path / "source").read("predictions", now.date(), Part(f"w{number}", 1, 1))
        keeper.keep("release", table.combine_chunks().to_batches()[0], table.schema)
        keeper.count({(number, "v1", "/", 200): [1, 0.5, [1]]})
        keeper.flush()
    assert keeper.empty
    files = LogFiles(tmp_path)
    parts = files.parts("predictions", now.date())
    # 20 is 9 and 9, and 2 that are still small.
    assert [(part.first, part.last) for part in parts] == [(1, 9), (10, 18), (19, 19), (20, 20)]
    assert len(list((tmp_path / "predictions" / "day=2026-01-05").iterdir())) == 4
    window = read_window(str(tmp_path), None, now, now + timedelta(days=1))
    assert len(window.predictions) == 20
    assert len(files.parts("requests", date(1970, 1, 1))) == 4


def test_old_days_go_by_themselves(tmp_path: Path) -> None:
    today = datetime.now(UTC)
    for days in (0, 5, 40):
        write_log(tmp_path, [{"prediction_id": "a", "time": today - timedelta(days=days)}])
    keeper = Keeper(LogFiles(tmp_path), 30, lambda *_, **__: None)
    keeper.flush()
    assert len(LogFiles(tmp_path).days("predictions")) == 2
