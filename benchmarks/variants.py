"""How large a project is without this or that: files, lines and packages of each variant of the template.

    python benchmarks/variants.py                      # each feature that can be left out, all of them, minimal
    python benchmarks/variants.py wandb github,sweeps  # these: features with commas between them; `minimal`

Every project is without what makes projects (`made` is one that lacks nothing else). Lines are those of every text file
that git holds, without locks and data.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lean_trees import copied

from lightloop.template.minimal.small import make_small
from lightloop.template.slim import read_features, slim
from lightloop.template.slim.lock import pinned
from lightloop.template.slim.tree import walk

MAKING = "making"


def size(root: Path) -> tuple[int, int, int, int]:
    """Files, lines of all, lines of the package, and packages in the lock."""
    files = lines = code = 0
    for name in walk(root):
        files += 1
        if name.endswith(".lock"):
            continue
        try:
            count = (root / name).read_text(encoding="utf-8").count("\n")
        except UnicodeDecodeError:
            continue
        lines += count
        code += count if name.startswith("src/") and name.endswith(".py") else 0
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    return files, lines, code, len(pinned(lock))


def measure(variant: str) -> None:
    """Print a row of the table."""
    with tempfile.TemporaryDirectory() as scratch:
        root = copied(Path(scratch) / "project")
        began = time.perf_counter()
        if variant == "minimal":
            make_small(root)
        elif variant != "whole":
            done = slim(root, [*variant.split(","), MAKING] if variant != "made" else [MAKING])
            assert not done.unsolved, done.unsolved
        files, lines, code, packages = size(root)
        spent = time.perf_counter() - began
    what = "" if variant in ("whole", "made", "minimal") else "without "
    print(
        f"| {what}{variant.replace(',', ', ')} | {files:,} | {lines:,} | {code:,} | {packages} | {spent:.0f} |",
        flush=True,
    )


def main() -> None:
    features = read_features()
    # Of kinds of data only one is left out at a time.
    together = [name for name in features.offered if not any(name in group for group in features.one_of)]
    wanted = sys.argv[1:] or ["whole", "made", *features.offered, ",".join(together), "minimal"]
    print("| variant | files | lines | of them code of the package | packages in the lock | seconds |")
    print("|---|---|---|---|---|---|")
    for variant in wanted:
        measure(variant)


if __name__ == "__main__":
    main()
