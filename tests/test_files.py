"""Whole or not at all."""

import os
import subprocess
import sys

import pytest

from lightloop.errors import LightloopError
from lightloop.files import file_size, read_json, replacing, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    path = tmp_path / "out"
    for content in ("one", "two"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [entry.name for entry in path.iterdir()] == ["two"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert file_size(path) == 3


WRITER = """
import os, signal, sys
from pathlib import Path
from lightloop.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    path = tmp_path / "a[1].txt"
    assert subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a[1].txt.")
    living = tmp_path / f".a[1].txt.{os.getpid()}-x"
    living.mkdir()
    write_text(path, "whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [living.name, "a[1].txt"]


def test_an_unchanged_text_is_not_written(tmp_path):
    path = tmp_path / "a.txt"
    assert write_text(path, "x")
    before = path.stat().st_mtime_ns
    assert not write_text(path, "x")
    assert path.stat().st_mtime_ns == before


def test_json_holds_no_nan(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"accuracy": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_reading_says_what_to_do(tmp_path):
    with pytest.raises(LightloopError, match=r"a\.json is missing: run `lightloop run`"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(LightloopError, match="is not valid JSON"):
        read_json(tmp_path / "a.json")
