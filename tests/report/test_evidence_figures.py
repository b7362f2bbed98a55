"""Any evidence file becomes figures and tables, whatever it is called."""

from pathlib import Path

import pytest

from lightloop.errors import LightloopError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.report.evidence_figures import MOST_ROWS, read_figures, rows_in


def test_files_of_one_name_in_two_folders_are_both_there(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for path, ece in ((project.evaluation / "calibration.json", 0.1), (tmp_path / "artifacts/calibration.json", 0.2)):
        write_json(path, {"applies": True, "ece": {"value": ece, "low": None, "high": 0.3, "bias": 0.01}})
    numbers, tables = read_figures(project)
    assert numbers["calibration/ece"] == 0.1
    assert numbers["artifacts/calibration/ece"] == 0.2
    assert numbers["calibration/ece/bias"] == 0.01
    assert numbers["calibration/ece/low"] is None
    assert "calibration/applies" not in numbers
    assert tables == {}


def test_what_the_run_holds_in_another_form_is_left_out(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write_json(project.metrics, {"n": 5})
    write_json(project.gate, {"verdict": "accepted"})
    write_json(project.audit / "labels.json", {"applies": False, "why": "nothing is classified", "rows": [{"id": "a"}]})
    assert read_figures(project) == ({}, {})


def test_tables_are_bounded_and_lists_become_words() -> None:
    [(name, rows)] = rows_in([{"id": n, "of": {"by": [1, 2]}} for n in range(MOST_ROWS + 5)], "data_map")
    assert name == "data_map"
    assert len(rows) == MOST_ROWS
    assert rows[3] == {"id": 3, "of/by": "1, 2"}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.audit.mkdir(parents=True)
    (project.audit / "labels.json").write_text("{")
    with pytest.raises(LightloopError, match=r"labels\.json is not valid JSON"):
        read_figures(project)


def test_a_table_in_the_rows_of_a_table_says_whose_rows_they_are() -> None:
    content = {
        "concepts": [
            {"name": "footwear", "n": 5, "classes": [{"class": "bag", "p": 0.5}, {"class": "boot", "p": 0.01}]},
            {"name": "sleeves", "n": 6, "classes": [{"class": "bag", "p": 0.2}]},
        ]
    }

    found = dict(rows_in(content, "concepts"))

    assert found["concepts"] == [{"name": "footwear", "n": 5}, {"name": "sleeves", "n": 6}]
    assert [tuple(row.values()) for row in found["concepts/concepts/classes"]] == [
        ("footwear", "bag", 0.5),
        ("footwear", "boot", 0.01),
        ("sleeves", "bag", 0.2),
    ]
