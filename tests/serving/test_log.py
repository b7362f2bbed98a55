"""The files of the log: there whole or not at all, and read once however often they were joined."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lightloop.serving.log import EDGES, bucket, by_day, drawn
from lightloop.serving.logfiles import LogFiles, Part, valid

DAY = date(2026, 1, 5)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


def test_a_sample_has_its_share_is_the_same_everywhere_and_independent_of_others() -> None:
    ids = [f"{number:036d}" for number in range(4000)]
    first = [drawn(one, 0.3) for one in ids]
    assert first == [drawn(one, 0.3) for one in ids]
    assert sum(first) / len(ids) == pytest.approx(0.3, abs=0.03)
    other = [drawn(one, 0.3, "test") for one in ids]
    both = sum(one and two for one, two in zip(first, other, strict=True)) / len(ids)
    assert both == pytest.approx(0.09, abs=0.02)
    # A larger share holds the smaller one.
    assert all(drawn(one, 0.5) for one, inside in zip(ids, first, strict=True) if inside)


def test_a_request_is_counted_at_the_first_edge_that_it_does_not_exceed() -> None:
    for seconds in (0.0, EDGES[0], 0.00051, 0.01, EDGES[-1], EDGES[-1] + 1):
        place = bucket(seconds)
        assert place == len(EDGES) or seconds <= EDGES[place]
        assert place == 0 or seconds > EDGES[place - 1]


def test_what_another_file_spans_is_not_read_whichever_of_them_were_removed() -> None:
    small = [Part("a", number, number) for number in range(1, 20)]
    whole, beyond = Part("a", 1, 16), Part("a", 1, 18)
    assert valid([*small, whole]) == [whole, *small[16:]]
    assert valid([*small[3:], whole, beyond]) == [beyond, small[18]]
    assert valid([*small[:2], Part("b", 1, 2)]) == [*small[:2], Part("b", 1, 2)]


def test_rows_go_to_their_days() -> None:
    start = datetime(2026, 1, 5, 23, 59, 59, 999_000, tzinfo=UTC)
    times = pa.array([start, start + timedelta(milliseconds=1), start], pa.timestamp("ms", tz="UTC"))
    found = {day.isoformat(): len(rows) for day, rows in by_day(pa.table({"time": times}))}
    assert found == {"2026-01-05": 2, "2026-01-06": 1}


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    files = LogFiles(tmp_path)
    part = Part("ab", 1, 1)
    files.write("predictions", DAY, part, pa.table({"a": [1]}))
    folder = tmp_path / "predictions" / f"day={DAY}"
    (folder / ".ab-00000002-00000002.parquet.half").write_bytes(b"PAR1")
    (folder / "notes.txt").write_text("of a person")
    assert files.parts("predictions", DAY) == [part]
    assert files.read("predictions", DAY, part)["a"].to_pylist() == [1]


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = LogFiles(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write("predictions", DAY, Part("ab", 1, 1), pa.table({"a": [1]}))
    assert list((tmp_path / "predictions" / f"day={DAY}").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is locked for root")
def test_a_locked_folder_is_an_error_of_the_system(locked: Path) -> None:
    with pytest.raises(OSError, match="Permission denied"):
        LogFiles(locked).write("predictions", DAY, Part("ab", 1, 1), pa.table({"a": [1]}))


def test_old_days_are_forgotten_and_no_others(tmp_path: Path) -> None:
    files = LogFiles(tmp_path)
    for number in range(4):
        for kind in ("predictions", "requests"):
            files.write(kind, DAY + timedelta(days=number), Part("ab", 1, 1), pa.table({"a": [1]}))
    (tmp_path / "predictions" / "of a person").mkdir()
    assert files.forget(DAY + timedelta(days=2)) == 4
    assert files.days("predictions") == files.days("requests") == [DAY + timedelta(days=number) for number in (2, 3)]
    assert (tmp_path / "predictions" / "of a person").exists()
