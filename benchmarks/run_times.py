"""Seconds that a person waits: `make run` in a fresh clone for the first and the second time, each stage, `--help`.

    python benchmarks/run_times.py

The clone borrows this environment, so that installation is not timed.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
REFUSED = 3


def timed(folder: Path, *words: str, refused: bool = False) -> tuple[float, str]:
    """Seconds and output of a command; its exit code must be 0, or 3 where the gate may refuse.

    What runs is the code in `folder`.
    """
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(folder / "src")}
    started = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode and not (refused and done.returncode == REFUSED):
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def main() -> None:
    helps = [timed(ROOT, "lightloop", "--help")[0] for _ in range(7)]
    print(f"lightloop --help        {statistics.median(helps):6.2f} s   (median of {len(helps)})")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "lightloop"
        timed(ROOT, "git", "clone", "--quiet", str(ROOT), str(clone))
        (clone / ".venv").symlink_to(ROOT / ".venv")
        make = ("make", "--old-file=.venv/.ready", "run")
        first, output = timed(clone, *make)
        second, again = timed(clone, *make)
        size = sum(path.stat().st_size for path in clone.rglob("*") if path.is_file() and ".venv" not in path.parts)
    stages = next(line for line in output.splitlines() if line.startswith("stages run"))
    if "none: everything was up to date" not in again:
        sys.exit("the second run ran stages again")
    print(f"make run, first time    {first:6.1f} s   {stages.removeprefix('stages run').strip()}")
    print(f"make run, second time   {second:6.1f} s   no stage run")
    print(f"disk of the clone       {size / 1e6:6.0f} MB  after both, without the environment")


if __name__ == "__main__":
    main()
