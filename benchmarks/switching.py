"""Seconds to go to another experiment and back: the third run finds all results of the first in DVC's run cache.

    python benchmarks/switching.py [first=loans] [second=co2] [OVERRIDES...]

In a fresh clone that borrows this environment: first, second, first again, and the second again. Overrides go to all.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from _common import read_words
from run_times import ROOT, timed


def main() -> None:
    words = read_words(sys.argv[1:], "first", "second")
    first, second = words.own.get("first", "loans"), words.own.get("second", "co2")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "lightloop"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        seen: dict[str, str] = {}
        for name in (first, second, first, second):
            # A refusal of the gate is a result.
            seconds, output = timed(clone, "lightloop", "run", f"experiment={name}", *words.overrides, refused=True)
            stages = next(line for line in output.splitlines() if line.startswith("stages run"))
            metrics = (clone / "artifacts" / "evaluation" / "metrics.json").read_text(encoding="utf-8")
            restored = name in seen
            if restored and ("up to date" not in stages or metrics != seen[name]):
                sys.exit(f"{name} was not restored: {stages}")
            seen[name] = metrics
            print(f"{name:8} {'again' if restored else '':6}{seconds:6.1f} s   {stages}", flush=True)


if __name__ == "__main__":
    main()
