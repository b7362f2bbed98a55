"""What the stages of a run say to the run that started them, through DVC, which hands over no exit codes."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lightloop.errors import LightloopError
from lightloop.project import Project

# The environment variable that tells a stage where the journal of its run is.
JOURNAL = "LIGHTLOOP_JOURNAL"


@dataclass(frozen=True)
class Journal:
    """Lines `start STAGE`, `done STAGE SECONDS` and `failed STAGE EXIT_CODE`, in the order in which they happened."""

    path: Path

    @classmethod
    def start(cls, project: Project) -> "Journal":
        """An empty journal for a new run."""
        path = project.scratch / "journal"
        path.parent.mkdir(exist_ok=True)
        path.write_text("", encoding="utf-8")
        return cls(path)

    def write(self, *words: object) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(" ".join(str(word) for word in words) + "\n")

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage that was run, in order."""
        return {stage: float(value) for event, stage, value in self._lines() if event == "done"}

    def failure(self) -> tuple[str, int | None] | None:
        """The stage that failed, with its exit code, or with None when it was killed; None when no stage failed."""
        running: str | None = None
        for event, stage, value in self._lines():
            if event == "failed":
                return stage, int(value)
            running = stage if event == "start" else None
        return (running, None) if running else None

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        for line in self.path.read_text(encoding="utf-8").splitlines():
            event, stage, *value = line.split()
            yield event, stage, value[0] if value else ""


@contextmanager
def recorded(stage: str) -> Iterator[None]:
    """Say on the terminal, and in the run's journal when there is one, that a stage starts, and how it ends."""
    journal = Journal(Path(os.environ[JOURNAL])) if JOURNAL in os.environ else None
    print(f"{stage} ...", flush=True)
    started = time.monotonic()
    if journal:
        journal.write("start", stage)
    try:
        yield
    except BaseException as error:
        if journal:
            journal.write("failed", stage, error.exit_code if isinstance(error, LightloopError) else 1)
        raise
    seconds = time.monotonic() - started
    print(f"{stage} done in {seconds:.1f} s", flush=True)
    if journal:
        journal.write("done", stage, f"{seconds:.1f}")


def die_with_parent() -> None:
    """Let this process end when the one that started it is gone.

    DVC leaves a stage running when DVC itself is killed; the orphan would write outputs into the next run. Linux only.
    """
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
