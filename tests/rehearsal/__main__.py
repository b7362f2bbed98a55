"""The loop on GitHub, on this machine: `make rehearse`, `make rehearse-long`."""

import argparse
import signal
import sys
import tempfile
import time
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
    "long": scenarios.long,
}


def main() -> int:
    """Rehearse, and say how it went. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    parser.add_argument("story", choices=[*STORIES, "mutations"], nargs="?", default="short")
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


if __name__ == "__main__":
    sys.exit(main())
