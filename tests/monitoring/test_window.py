"""A window of the log: each prediction once, in its order, with the truth that came since."""

import json
import random
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lightloop.errors import LightloopError, UsageError
from lightloop.monitoring.window import Window, read_window
from lightloop.serving.log import EDGES, REQUEST, write_log
from lightloop.serving.logfiles import LogFiles, Part

START = datetime(2026, 1, 5, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(number: int, **more: Any) -> dict[str, Any]:
    time = START + number * HOUR / 4
    known = {"prediction_id": f"{number:036d}", "time": time, "version": "v1", "label": "good"}
    return {**known, "input": {"age": float(number)}, **more}


def request(time: datetime, **more: Any) -> dict[str, Any]:
    usual = {"version": "v1", "route": "/v1/predict", "status": 200, "count": 1, "seconds": 0.1}
    return {"time": time, **usual, "buckets": [1] + [0] * len(EDGES), **more}


def whole(folder: Path, feedback: Path | None = None, **more: Any) -> Window:
    return read_window(str(folder), str(feedback) if feedback else None, START, START + timedelta(days=2), **more)


def tell(folder: Path, day: date, *lines: dict[str, Any] | str) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"{day}.jsonl").open("a") as file:
        file.writelines((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)


def test_a_window_begins_at_its_start_and_ends_before_its_end_in_any_zone(tmp_path: Path) -> None:
    rows = [row(number) for number in range(20)]
    random.Random(0).shuffle(rows)
    write_log(tmp_path, rows, [request(START + number * HOUR) for number in range(5)])
    east = timezone(timedelta(hours=9))
    window = read_window(str(tmp_path), None, (START + HOUR).astimezone(east), (START + 3 * HOUR).astimezone(east))
    assert window.records["age"].to_pylist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
    assert window.predictions["prediction_id"].to_pylist() == [f"{number:036d}" for number in range(4, 12)]
    assert window.requests["time"].to_pylist() == [START + HOUR, START + 2 * HOUR]
    assert window.start == START + HOUR
    assert window.start.tzinfo is UTC


def test_nothing_is_no_fault(tmp_path: Path) -> None:
    window = whole(tmp_path / "nowhere", tmp_path / "nothing")
    assert len(window.predictions) == len(window.requests) == 0
    assert window.predictions.schema.field("truth_values").type == pa.list_(pa.float64())
    assert window.requests.schema == REQUEST


def test_the_truth_is_joined_whenever_it_came_and_the_first_stands(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [row(number) for number in range(12)])
    feedback = tmp_path / "feedback"
    late = {"prediction_id": f"{3:036d}", "label": "bad", "received": "2026-06-01T00:00:00+00:00", "version": "v7"}
    tell(feedback, START.date(), late, {**late, "label": "good", "received": "2026-06-02T00:00:00+00:00"})
    tell(feedback, START.date(), '{"prediction_id": "00', "[]", "17", '{"prediction_id": 3}')
    tell(feedback, START.date(), {"prediction_id": "of another log", "label": "bad", "received": ""})
    tell(feedback, START.date() + timedelta(days=1), {"prediction_id": f"{9:036d}", "label": "good", "received": "x"})
    window = whole(tmp_path / "log", feedback)
    truths = dict(
        zip(window.predictions["prediction_id"].to_pylist(), window.predictions["truth"].to_pylist(), strict=True)
    )
    assert {key: value for key, value in truths.items() if value} == {f"{3:036d}": "bad", f"{9:036d}": "good"}
    assert len(window.predictions) == 12


def test_the_truth_of_numbers_may_have_gaps(tmp_path: Path) -> None:
    write_log(tmp_path / "log", [row(0, label=None, values=[1.0, 2.0]), row(1, label=None, values=[3.0, 4.0])])
    tell(tmp_path / "feedback", START.date(), {"prediction_id": f"{1:036d}", "values": [3.5, None], "received": ""})
    window = whole(tmp_path / "log", tmp_path / "feedback")
    assert window.predictions["truth_values"].to_pylist() == [None, [3.5, None]]
    assert window.predictions["values"].to_pylist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_row_that_was_written_twice_is_there_once(tmp_path: Path) -> None:
    rows, requests = [row(number) for number in range(6)], [request(START), request(START)]
    write_log(tmp_path, rows, requests, writer="one")
    again = [{**one, "worker": "one", "sequence": number} for number, one in enumerate(requests)]
    write_log(tmp_path, [*rows[2:], row(7)], [*again, request(START, worker="two", sequence=0)], writer="two")
    window = whole(tmp_path)
    assert window.records["age"].to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0]
    assert window.requests["worker"].to_pylist() == ["one", "one", "two"]


def test_files_that_became_one_are_counted_once_while_they_are_still_there(tmp_path: Path) -> None:
    write_log(tmp_path, [], [request(START)], writer="a")
    files = LogFiles(tmp_path)
    table = files.read("requests", START.date(), Part("a", 1, 1))
    files.write("requests", START.date(), Part("a", 1, 2), pa.concat_tables([table, table]))
    assert len(files.parts("requests", START.date())) == 1


def test_what_a_shadow_answered_is_no_answer_unless_asked_for(tmp_path: Path) -> None:
    write_log(tmp_path, [row(0), row(0, slot="shadow", label="bad"), row(1, slot="canary")])
    assert whole(tmp_path).predictions["slot"].to_pylist() == ["current", "canary"]
    assert whole(tmp_path, slots=("shadow",)).predictions["label"].to_pylist() == ["bad"]


def test_releases_with_other_columns_stand_in_one_table(tmp_path: Path) -> None:
    write_log(tmp_path, [row(0), row(3, input=None)], writer="a")
    write_log(tmp_path, [row(1, version="v2", input={"town": "Rome", "age": 4.5})], writer="b")
    write_log(tmp_path, [row(2, version="v3", input={"age": "old"})], writer="c")
    write_log(tmp_path, [row(4, version="v4", input={"age": [1.0, 2.0]})], writer="d")
    write_log(tmp_path, [row(5, input=None)], writer="e")
    window = whole(tmp_path)
    assert window.predictions["version"].to_pylist() == ["v1", "v2", "v3", "v1", "v4", "v1"]
    assert window.records["town"].to_pylist() == [None, "Rome", None, None, None, None]
    assert window.records["age"].to_pylist() == ["0", "4.5", "old", None, "[1.0, 2.0]", None]
    assert window.records.column_names.count("") == 0


def test_a_damaged_file_is_left_out_and_named(tmp_path: Path) -> None:
    write_log(tmp_path, [row(0)], writer="a")
    folder = tmp_path / "predictions" / f"day={START.date()}"
    whole_file = (folder / "a-00000001-00000001.parquet").read_bytes()
    (folder / "b-00000001-00000001.parquet").write_bytes(whole_file[: len(whole_file) // 2])
    (folder / "c-00000001-00000001.parquet").write_bytes(b"")
    window = whole(tmp_path)
    assert len(window.predictions) == 1
    assert [Path(one).name[0] for one in window.damaged] == ["b", "c"]


def test_files_that_are_joined_while_they_are_read_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path, [row(0)], writer="a")
    files = LogFiles(tmp_path)
    day = START.date()
    files.write("predictions", day, Part("a", 2, 2), files.read("predictions", day, Part("a", 1, 1)))
    listed = LogFiles.parts
    replaced = []

    def joined_meanwhile(self: LogFiles, kind: str, day: date) -> list[Part]:
        found = listed(self, kind, day)
        if kind == "predictions" and not replaced:
            replaced.append(True)
            files.write(kind, day, Part("a", 1, 2), files.read(kind, day, Part("a", 1, 1)))
            files.remove(kind, day, found)
        return found

    monkeypatch.setattr(LogFiles, "parts", joined_meanwhile)
    assert len(whole(tmp_path).predictions) == 1
    assert replaced


def test_a_window_that_is_none_is_refused(tmp_path: Path) -> None:
    for start, end in ((START, START), (START, START - HOUR), (START.replace(tzinfo=None), START)):
        with pytest.raises(UsageError, match="expected two times with a zone, one after the other"):
            read_window(str(tmp_path), None, start, end)
    (tmp_path / "predictions").write_text("a file where a folder should be")
    with pytest.raises(LightloopError, match="can't be read"):
        whole(tmp_path)
