"""Files of a source below `data/`: linked where that is safe, copied where it is not, and never changed."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from adoption_world import customers
from registry_world import dvc, git

from lightloop.adoption import placing as module
from lightloop.adoption.guess import make_guess
from lightloop.adoption.placing import Placed, link_or_copy, links_are_safe
from lightloop.adoption.source import open_source
from lightloop.project import Project


def test_a_link_takes_no_room_and_a_copy_stands_in_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = tmp_path / "a.bin"
    source.write_bytes(b"x" * 10)
    assert link_or_copy(source, tmp_path / "data/one/a.bin", may_link=True)
    assert (tmp_path / "data/one/a.bin").stat().st_ino == source.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert not link_or_copy(source, tmp_path / "data/two/a.bin", may_link=True)
    monkeypatch.undo()
    assert not link_or_copy(source, tmp_path / "data/three/a.bin", may_link=False)
    for name in ("two", "three"):
        copy = tmp_path / "data" / name / "a.bin"
        assert copy.read_bytes() == source.read_bytes()
        assert copy.stat().st_ino != source.stat().st_ino


def test_nothing_is_written_over_a_link(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    link_or_copy(tmp_path / "a", tmp_path / "data/one", may_link=True)
    with pytest.raises(FileExistsError, match="one stands there already"):
        link_or_copy(tmp_path / "b", tmp_path / "data/one", may_link=True)
    assert (tmp_path / "a").read_text() == "a"


def placed_of(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None = None) -> Placed:
    """What is placed of a source into `tmp_path / "placed"`."""
    monkeypatch.setattr(module, "links_are_safe", lambda _: True)
    source = open_source([path])
    return module.place(Project(tmp_path), source, make_guess(source, target=target), tmp_path / "placed", frozenset())


def test_files_of_folders_below_a_class_keep_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`x/1.txt` and `x__1.txt` would have one name."""
    for label in ("up", "down"):
        (tmp_path / "source" / label / "x").mkdir(parents=True)
        for place in (*range(8), "x/1", "x__1"):
            (tmp_path / "source" / label / f"{place}.txt").write_text(f"{label}, what stands in {place} of it")
    before = sorted(path.read_text() for path in (tmp_path / "source").rglob("*.txt"))
    assert placed_of(tmp_path, tmp_path / "source", monkeypatch).records == {"train": 20}
    for folder in ("source", "placed"):
        assert sorted(path.read_text() for path in (tmp_path / folder).rglob("*.txt")) == before


def test_what_is_left_out_of_a_table_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frame = customers(100)
    frame["bleibt"] = ["ja"] * 50 + ["nein"] * 43 + ["weg"] * 4 + ["neu"] * 2 + [None]
    frame.to_csv(tmp_path / "a.csv", index=False)
    placed = placed_of(tmp_path, tmp_path / "a.csv", monkeypatch, "bleibt")
    # A training record without a class is an unlabelled one.
    assert (placed.classes, placed.records) == (("ja", "nein"), {"train": 94})
    assert placed.left_out == {"of classes with too few records (neu, weg)": 6}
    frame["Größe (Monate)"] = frame["Größe (Monate)"].where(frame.index > 9)
    frame.to_csv(tmp_path / "b.csv", index=False)
    shutil.rmtree(tmp_path / "placed")
    placed = placed_of(tmp_path, tmp_path / "b.csv", monkeypatch, "Größe (Monate)")
    assert (placed.records, placed.left_out) == ({"train": 90}, {"without a target": 10})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hardlink", "reflink,copy", None])
def test_a_cache_of_hard_links_would_change_the_source(tmp_path: Path, kind: str | None):
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    if kind:
        dvc(tmp_path, "config", "cache.type", kind)
    safe = links_are_safe(Project(tmp_path))
    assert safe == (kind != "hardlink")
    source, data = tmp_path / "source.bin", tmp_path / "data"
    source.write_bytes(b"x" * 10)
    source.chmod(0o640)
    data.mkdir()
    link_or_copy(source, data / "source.bin", may_link=safe)
    dvc(tmp_path, "add", "--quiet", "data")
    assert source.stat().st_mode & 0o777 == 0o640
    assert source.stat().st_nlink == 1, "DVC put a copy of its own into the workspace"


def test_copies_go_from_the_training_file_and_contradictions_from_all():
    train = pa.table({"text": ["a", "b", "b", "c", "d"], "label": ["x", "x", "x", "x", "y"]})
    test = pa.table({"text": ["a", "d", "e"], "label": ["x", "x", "y"]})
    found = {"train": train, "test": test}
    placed = Placed()
    module._drop_copies(found, "text", "label", placed)
    assert found["train"]["text"].to_pylist() == ["b", "c"]
    assert found["test"]["text"].to_pylist() == ["a", "e"]
    assert placed.left_out == Counter({"copies": 2, "of one content under two labels": 2})
