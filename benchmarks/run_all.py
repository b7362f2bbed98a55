"""Every benchmark that needs no more than a clone, one after the other: `make bench`, some 40 minutes.

docs/benchmarks.md keeps the figures.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    "run_times.py",
    "switching.py",
    "training.py",
    "throughput.py",
    "served_explanations.py",
    "service.py",
    "compress.py",
    "bootstrap.py",
    "champion_test.py",
    "conformal_coverage.py",
    "label_noise.py",
    "loans.py",
    # of feature: text
    "spam.py",
    # end
    # of feature: series
    "co2.py",
    # end
)


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, HERE / name], check=True)
    print("\nfull_accuracy.py needs the full Fashion-MNIST: python benchmarks/full_accuracy.py FOLDER")


if __name__ == "__main__":
    main()
