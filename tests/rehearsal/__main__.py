"""The loop on GitHub, on this machine: `make rehearse`, `make rehearse-long`."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from rehearsal import mutations, scenarios
from rehearsal.world import UnexpectedError, processor_seconds, world

STORIES = {
    "short": scenarios.short,
    "refused": scenarios.refused,
    "given-back": scenarios.given_back,
    "drift": scenarios.drift,
    "rolled-back": scenarios.rolled_back,
    "image": scenarios.image,
    "faults": scenarios.faults,
    "cloud": scenarios.cloud,
}
LONG = ("faults", "cloud")  # side by side: most of a story is one process after the other, and machines have two cores


def main() -> int:
    """Rehearse, and say how it went. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    parser.add_argument("story", choices=[*STORIES, "long", "mutations"], nargs="?", default="short")
    parser.add_argument("--keep", type=Path, help="a new folder, which stays, with logs of all runs")
    parser.add_argument("--cache", type=Path, help="a folder for what DVC makes: the very same is not trained again")
    parser.add_argument("--only", nargs="+", default=[], help="mutations whose name holds one of these")
    chosen = parser.parse_args()
    # A job that is ended from outside cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        root = (chosen.keep or Path(folder) / "world").resolve()
        cache = chosen.cache and chosen.cache.resolve()
        if chosen.story == "mutations":
            return mutations.main(root, chosen.only, cache)
        if chosen.story == "long":
            return side_by_side(root, cache, keep=chosen.keep is not None)
        return rehearse(chosen.story, root, cache, keep=chosen.keep is not None)


def rehearse(story: str, root: Path, cache: Path | None, *, keep: bool) -> int:
    begun = time.monotonic()
    try:
        with world(root, scenarios.settings(), keep=keep, cache=cache) as made:
            made.say(f"left out, since they run the tests that this is one of: {', '.join(sorted(scenarios.LEFT_OUT))}")
            STORIES[story](made)
    except UnexpectedError as error:
        print(f"\nNOT AS IT MUST BE: {error}", file=sys.stderr)
        return 1
    seconds, runs, checked = time.monotonic() - begun, len(made.forge.runs), made.checked
    print(f"{story}: {runs} runs, {checked} checks, {seconds:.0f} s ({processor_seconds():.0f} s of processor)")
    return 0


def side_by_side(root: Path, cache: Path | None, *, keep: bool) -> int:
    """Rehearse the stories of the long one at the same time, each in a process of its own; the first fault ends all."""
    begun = time.monotonic()
    root.mkdir(parents=True)
    told = ["--cache", str(cache)] if cache else []
    alone = {"OMP_NUM_THREADS": "1"} | os.environ  # each has a core, and no more
    with ThreadPoolExecutor(len(LONG)) as pool, ExitStack() as stack:
        running = []
        for name in LONG:
            words = [sys.executable, "-m", "rehearsal", name, *told, *(["--keep", str(root / name)] if keep else [])]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=alone, text=True)
            stack.callback(_ended, process)
            running.append((process, pool.submit(_tell, name, process)))
        while any(process.poll() is None for process, _ in running):
            if any(process.poll() for process, _ in running):
                break
            time.sleep(0.2)
    if failed := [name for name, (process, _) in zip(LONG, running, strict=True) if process.returncode == 1]:
        print(f"long: {' and '.join(failed)} failed", file=sys.stderr)
    if any(process.returncode for process, _ in running):
        return 1
    last = [told.result() for _, told in running]
    counts = [sum(int(found) for found in re.findall(rf"(\d+) {what}", " ".join(last))) for what in ("runs", "checks")]
    seconds, used = time.monotonic() - begun, processor_seconds()
    print(f"long: {counts[0]} runs, {counts[1]} checks, {seconds:.0f} s ({used:.0f} s of processor)")
    return 0


def _tell(name: str, process: "subprocess.Popen[str]") -> str:
    """Print what a story says, until it ends. Returns its last line."""
    line = ""
    assert process.stdout is not None
    for line in process.stdout:
        print(f"{name:8}{line}", end="", flush=True)
    return line


def _ended(process: "subprocess.Popen[str]") -> None:
    """End a story as a person would, so that it cleans up."""
    process.terminate()
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
