"""The programs of data.md: from what is shipped, written back as it came, they make it again."""

import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import commands
from small_project import REPOSITORY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (REPOSITORY / "scripts/draw_fashion.py").exists(), reason="a project without the demo's data"
    ),
]

DATA = REPOSITORY / "data"


def made(name: str, folder: Path) -> Path:
    """Run the line of data.md that names a program, where its inputs lie; the folder of what it wrote."""
    line = next(line for line in commands("docs/data.md") if f"scripts/{name}.py" in line)
    words = shlex.split(line)
    words[:2] = [sys.executable, str(REPOSITORY / words[1])]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / words[-1]


def test_every_program_of_the_page_is_run_here_or_beside_its_own_tests() -> None:
    told = [shlex.split(line)[1] for line in commands("docs/data.md") if "scripts/" in line]
    assert told == [f"scripts/{name}.py" for name in ("draw_fashion", "make_loans", "make_spam", "make_co2")]
    assert "make_spam" in (REPOSITORY / "tests/scripts/test_make_spam.py").read_text(encoding="utf-8")


def test_loans(tmp_path: Path) -> None:
    codes = {"lines": 999_999, "term": 999_999, "liq": 1_000_000, "review": 999, "gdlin": 666}
    table = pq.read_table(DATA / "loans/loans.parquet")
    frame = table.to_pandas().drop(columns="id")
    frame["approve"] = (frame["approve"] == "approved").astype(int)
    frame.fillna(codes).to_csv(tmp_path / "loanapp.csv", index=False)

    assert pq.read_table(made("make_loans", tmp_path) / "loans.parquet").equals(table)


def test_co2(tmp_path: Path) -> None:
    table = pq.read_table(DATA / "co2/co2.parquet")
    pd.DataFrame(table.to_pandas()).to_csv(tmp_path / "co2-weekly.csv", index=False)

    assert pq.read_table(made("make_co2", tmp_path) / "co2.parquet").equals(table)


def test_fashion(tmp_path: Path) -> None:
    """Drawn from what was drawn: as many of each class as there are, in another order."""
    for part in ("train", "test"):
        (tmp_path / f"fashion-{part}.parquet").symlink_to(DATA / f"fashion/{part}.parquet")
    folder = made("draw_fashion", tmp_path)
    for part, count in (("train", 12_000), ("test", 2_000)):
        before, after = pq.read_table(DATA / f"fashion/{part}.parquet"), pq.read_table(folder / f"{part}.parquet")
        assert len(after) == count
        assert counted(after) == counted(before)
        assert pictures(after) == pictures(before)


def counted(table: pa.Table) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in table.column("label").value_counts().to_pylist()}


def pictures(table: pa.Table) -> set[bytes]:
    return {row["bytes"] for row in table.column("image").to_pylist()}
