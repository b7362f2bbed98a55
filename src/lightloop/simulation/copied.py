"""The copy of the project that is simulated in: the user's own project, registry and service are never touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lightloop import clock
from lightloop.config.compose import compose_config, write_params
from lightloop.config.tabular import TabularSpec
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.repository import dvc, git
from lightloop.simulation.plan import Plan
from lightloop.simulation.records import halves

# Made by the loop or by people for people: no stage of the copy reads it.
LEFT = {".github", ".ci", "artifacts", "benchmarks", "data", "docs", "reports", "storage", "tests"}
LEFT_FILES = {"data.dvc", "dvc.lock", "params.yaml"}
NAME, MAIL = "Lightloop simulation", "simulation@localhost"
# A day's retraining is small: what is decided by a few hundred records is decided by wide margins.
SECRETS = ("AWS_", "GITHUB_", "GIT_", "LIGHTLOOP_", "WANDB_", "DVC_")


class Copy:
    """A project of its own, with its registry, its service and its clock.

    Attributes:
        project: the copy.
        spec: its data set.
        stream: the records that are left for traffic.
    """

    def __init__(self, project: Project, spec: TabularSpec, stream: pd.DataFrame, port: int) -> None:
        self.project = project
        self.spec = spec
        self.stream = stream
        self.port = port
        self._clock = project.root / ".lightloop" / "clock"

    @classmethod
    def make(cls, source: Project, folder: Path, plan: Plan, port: int) -> "Copy":
        """Copy what git knows of a project, without its data, results and releases.

        Args:
            source: the user's.
            folder: that must be empty or not be there.
            plan: says experiment and seed.
            port: of the service.

        Raises:
            UsageError: the folder is in use, or the experiment is no table of two classes.
        """
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: name a folder that is")
        config = compose_config(source, [f"experiment={plan.experiment}"])
        spec = config.data
        if not isinstance(spec, TabularSpec) or len(spec.classes) != 2:
            raise UsageError(f"experiment={plan.experiment} is no table of two classes: say one such as loans-fast")
        _pull(source, spec)
        for name in git(source.root, "ls-files", "-z", "-co", "--exclude-standard").split("\0"):
            if not name or name.partition("/")[0] in LEFT or name in LEFT_FILES or not (source.root / name).is_file():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.root / name, folder / name)
        project = Project(folder)
        history, stream = halves(pd.read_parquet(source.root / spec.path / spec.files["train"]), plan.seed)
        (folder / spec.path).mkdir(parents=True)
        history.to_parquet(folder / spec.path / spec.files["train"])
        write_params(project, config)
        made = cls(project, spec, stream, port)
        made._start()
        return made

    def _start(self) -> None:
        """A repository with a remote of its own: whatever remote the user has, nothing goes there."""
        root = self.project.root
        (root / ".dvc").mkdir(exist_ok=True)
        (root / ".dvc" / "config").write_text(
            "[core]\n    analytics = false\n    check_update = false\n    remote = embedded\n"
            "['remote \"embedded\"']\n    url = ../storage\n"
        )
        (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
        self.turn(0.0)
        git(root, "init", "-q", "-b", "main")
        for key, value in (
            ("user.name", NAME),
            ("user.email", MAIL),
            ("commit.gpgsign", "false"),
            ("tag.gpgsign", "false"),
        ):
            git(root, "config", key, value)
        dvc(root, "add", "--quiet", "data")
        self.commit("the project as it is, with the first part of its records")

    def turn(self, days: float) -> None:
        """Set the clock."""
        from lightloop.simulation.plan import START, WINDOW

        self._clock.parent.mkdir(parents=True, exist_ok=True)
        clock.turn(self._clock, START + days * WINDOW)

    def commit(self, message: str) -> None:
        """Commit everything."""
        git(self.project.root, "add", "-A")
        if git(self.project.root, "status", "--porcelain"):
            git(self.project.root, "commit", "-qm", message)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of Lightloop in the copy, on the clock of the simulation."""
        return subprocess.run(
            [sys.executable, "-m", "lightloop", *words],
            cwd=self.project.root,
            env=self.environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def must(self, *words: str) -> str:
        """What a command prints.

        Raises:
            LightloopError: it failed; with its own last words.
        """
        done = self.run(*words)
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
            why = last[0].removeprefix("lightloop: ") if last else f"exit code {done.returncode}"
            raise LightloopError(f"`lightloop {words[0]}` failed in the simulation: {why}")
        return done.stdout

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """That of the commands: nothing that names the user's accounts, remotes, log or service."""
        kept = {name: value for name, value in given.items() if not name.startswith(SECRETS)}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', '')}"
        when = self._clock.read_text() if self._clock.exists() else "0"
        date = f"{float(when):.0f} +0000"
        return kept | {
            "PATH": programs,
            "WANDB_MODE": "disabled",
            clock.VARIABLE: str(self._clock),
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
            "LIGHTLOOP_SERVE_PORT": str(self.port),
            "LIGHTLOOP_SERVE_HOST": "127.0.0.1",
            "LIGHTLOOP_SERVE_WORKERS": "1",
            "LIGHTLOOP_SERVE_KEYS": "null",
            "LIGHTLOOP_SERVE_FEEDBACK": ".lightloop/feedback",
            "LIGHTLOOP_SERVE_LOG_FOLDER": ".lightloop/log",
            "LIGHTLOOP_SERVE_LOG_SECONDS": "0.5",
        }


def _pull(source: Project, spec: TabularSpec) -> None:
    if not (source.root / spec.path / spec.files["train"]).exists():
        dvc(source.root, "pull", "--quiet", "data.dvc")
