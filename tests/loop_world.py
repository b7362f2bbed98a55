"""A small project under git and DVC, as a person would have it, and commands run in it as a person would."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from small_project import REPOSITORY, SMALL, make_project

from lightloop.project import Project

PROGRAMS = Path(sys.executable).parent


def command(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a folder; programs of our environment come first."""
    return subprocess.run(
        words,
        cwd=root,
        env=os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"} | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=1200,
    )


def must(root: Path, *words: str, **environment: str) -> str:
    """What a command that succeeds prints; see `command`."""
    done = command(root, *words, **environment)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def run_small(root: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """`lightloop run`, shortened."""
    return command(root, "lightloop", "run", *SMALL, *overrides)


@contextmanager
def start_small(root: Path, *overrides: str) -> Iterator[subprocess.Popen[str]]:
    """The same in the background, in a process group of its own, of which nothing is left after the block."""
    running = subprocess.Popen(
        ["lightloop", "run", *SMALL, *overrides],
        cwd=root,
        env=os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has Ctrl-C ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no other thread is there
    )
    with running:
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def make_repository(root: Path) -> Project:
    """The small project with its code, committed, its data in the embedded remote."""
    project = make_project(root)
    shutil.copytree(REPOSITORY / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in (".gitignore", ".gitattributes", ".dvcignore"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(REPOSITORY / ".dvc" / name, root / ".dvc" / name)
    must(root, "git", "init", "-q", "-b", "main")
    must(root, "dvc", "add", "-q", "data")
    must(root, "dvc", "push", "-q", "data.dvc")
    commit_all(root, "start")
    return project


def commit_all(root: Path, message: str) -> None:
    must(root, "git", "add", "-A")
    must(root, "git", "commit", "-qm", message)


def clone(source: Path, target: Path, *options: str) -> Project:
    must(source.parent, "git", "clone", "-q", *options, source.as_uri(), str(target))
    return Project(target)


def whole_clone(root: Path) -> Project:
    """This repository as it stands, committed or not, without what runs left behind; it borrows this environment."""
    must(root.parent, "git", "clone", "-q", str(REPOSITORY), str(root))
    for changed in must(REPOSITORY, "git", "ls-files", "--modified", "--others", "--exclude-standard").split("\n"):
        results = changed.startswith("artifacts/") or changed in ("dvc.lock", "params.yaml")
        if changed and not results and (REPOSITORY / changed).is_file():
            (root / changed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / changed, root / changed)
    if must(root, "git", "status", "--porcelain"):
        commit_all(root, "what is not committed yet")
    must(root, "ln", "-s", str(REPOSITORY / ".venv"), ".venv")
    (root / ".git" / "info" / "exclude").write_text(".venv\n")
    return Project(root)


def make_would(line: str) -> str:
    """What a `make ...` would do in the repository."""
    return must(REPOSITORY, "make", "--dry-run", "--old-file=.venv/.ready", *shlex.split(line)[1:])


def to_serve() -> tuple[str, dict[str, str]]:
    """A free port, and the environment in which our programs come first and serve there, by one worker."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return port, os.environ | {"PATH": path, "LIGHTLOOP_SERVE_PORT": port, "LIGHTLOOP_SERVE_WORKERS": "1"}


@contextmanager
def meanwhile(do: Callable[[], object], every: float = 0.01) -> Iterator[None]:
    """Have something done again and again, in another thread, until the block ends."""
    done = threading.Event()

    def go_on() -> None:
        while not done.is_set():
            do()
            done.wait(every)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def wait_until(condition: Callable[[], bool], seconds: float = 300, every: float = 0.05) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(every)


def processes_in(root: Path) -> list[int]:
    """The processes whose working folder is below `root` (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink().is_relative_to(root):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def evidence(project: Project) -> dict[str, bytes]:
    """The content of everything that the stages wrote."""
    folders = [project.root / "artifacts", project.reports]
    files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    # The page over runs tells when they were, and is no output.
    skip = ("champion", ".gitignore", "runs.html")
    return {
        project.relative(path): path.read_bytes() for path in files if not any(word in path.as_posix() for word in skip)
    }
