"""Files of a source below `data/`: linked where that is safe, copied where it is not, and never changed."""

import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from registry_world import dvc, git

from lightloop.adoption import placing as module
from lightloop.adoption.placing import Placed, link_or_copy, links_are_safe
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
