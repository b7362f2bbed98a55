"""Seconds from `lightloop adopt` to the first score, and to the end, for each modality, on the data that are shipped.

    python benchmarks/adopting.py [only=table,pictures]

In a fresh clone that borrows this environment. The data sets are written as people have them: CSV files and folders of
class folders.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from _common import read_words
from run_times import ROOT, timed

DATA = ROOT / "data"


# of feature: tabular
def table(folder: Path) -> tuple[Path, str | None]:
    path = folder / "applications.csv"
    pq.read_table(DATA / "loans/loans.parquet").to_pandas().to_csv(path, index=False)
    return path, "approve"


def numbers(folder: Path) -> tuple[Path, str | None]:
    path = folder / "homes.csv"
    frame = pq.read_table(DATA / "loans/loans.parquet").to_pandas()
    frame.to_csv(path, index=False)
    return path, "price"


# end


# of feature: image
def pictures(folder: Path) -> tuple[Path, str | None]:
    rows = pq.read_table(DATA / "fashion/train.parquet").to_pylist()
    for place, row in enumerate(rows):
        target = folder / "clothes" / row["label"] / f"{place:05d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        image = row["image"]
        target.write_bytes(image["bytes"] if isinstance(image, dict) else image)
    return folder / "clothes", None


# end


# of feature: text
def texts(folder: Path) -> tuple[Path, str | None]:
    for place, row in enumerate(pq.read_table(DATA / "spam/spam.parquet").to_pylist()):
        target = folder / "messages" / row["label"] / f"{place:05d}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(row["text"], encoding="utf-8")
    return folder / "messages", None


# end


# of feature: series
def series(folder: Path) -> tuple[Path, str | None]:
    path = folder / "carbon.csv"
    pq.read_table(DATA / "co2/co2.parquet").to_pandas().to_csv(path, index=False)
    return path, "co2"


# end


SOURCES: dict[str, Callable[[Path], tuple[Path, str | None]]] = {
    # of feature: tabular
    "table": table,
    "numbers": numbers,
    # end
    # of feature: image
    "pictures": pictures,
    # end
    # of feature: text
    "texts": texts,
    # end
    # of feature: series
    "series": series,
    # end
}


def main() -> None:
    words = read_words(sys.argv[1:], "only")
    wanted = words.own.get("only", ",".join(SOURCES)).split(",")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "lightloop"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        subprocess.run(["dvc", "pull", "--quiet", "data.dvc"], cwd=clone, check=True)
        for name in wanted:
            path, target = SOURCES[name](Path(folder))
            asked = ["--target", target] if target else []
            seconds, output = timed(clone, "lightloop", "adopt", str(path), *asked, "--yes")
            first = re.search(r"first score.* after (\d+) s: (\d+) epochs on ([\d,]+) records", output)
            if first is None:
                sys.exit(f"{name}: no score: {output}")
            rows = output[output.index("on the validation part") :].splitlines()[:6]
            print(
                f"{name}: first score after {first[1]} s, done after {seconds:.0f} s; {first[2]} epochs on {first[3]}"
            )
            print("\n".join(f"    {row}" for row in rows if row.strip()), flush=True)


if __name__ == "__main__":
    main()
