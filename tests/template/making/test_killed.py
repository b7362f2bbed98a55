"""Killed before any file operation, a clone is as it was or becomes the project; nothing is lost on the way."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from template_world import commit, git, make_template, write

from lightloop.template.making.answers import make_answers
from lightloop.template.making.start import SCRATCH, finish_started, start
from lightloop.template.record import RECORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ANSWERS = {"name": "Churn at Acme", "author": "Acme Ltd", "year": 2026}
# A program that ends itself as the kernel would, before the file operation of a number; or counts them.
KILLING = """
import os, runpy, signal, sys
limit, counted, moment, program, *words = sys.argv[1:]
done = 0

def before(event, arguments):
    global done
    if event == "open":
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR) and arguments[0] != counted
        if not writes:
            return
    elif event == "subprocess.Popen":
        if moment and any(moment in str(word) for word in arguments[1]):
            os.kill(os.getpid(), signal.SIGKILL)
    elif event not in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.symlink", "os.link"):
        return
    done += 1
    if event == "os.rename" and str(arguments[1]).endswith("template-init-done"):
        print("all in place before", done, flush=True)
    if done == int(limit):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(before)
sys.argv = [program, *words]
runpy.run_path(program, run_name="__main__")
print("operations", done, flush=True)
"""
MAKING = f"""
import sys
from pathlib import Path
from lightloop.template.making.answers import make_answers
from lightloop.template.making.start import start
start(Path(sys.argv[1]), make_answers({ANSWERS!r}))
"""


def run(program: Path, *words: str, limit: int = 0, moment: str = "") -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, killed before the operation `limit`, or before it starts `moment`."""
    given = [sys.executable, "-B", "-c", KILLING, str(limit), "", moment, str(program), *words]
    return subprocess.run(given, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str], what: str) -> int:
    """A number that the program printed."""
    assert done.returncode == 0, done.stderr
    return next(int(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith(what))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the template, with a commit that no remote holds, and files that git does not know."""
    folder = tmp_path_factory.mktemp("killed")
    template = make_template(folder / "lightloop")
    git(folder, "clone", "-q", str(template), "clone")
    commit(folder / "clone", "mine alone", {"src/lightloop/mine.py": "X = 1\n", ".gitignore": "/data\n/.lightloop/\n"})
    write(folder / "clone", {"data/mine.csv": "1", ".lightloop/runs.jsonl": "{}\n"})
    return folder / "clone"


@pytest.fixture(scope="module")
def making(clone: Path) -> Path:
    """The program that makes the project."""
    path = clone.parent / "making.py"
    path.write_text(MAKING)
    return path


@pytest.fixture
def ready(clone: Path, making: Path) -> Path:
    """Everything is made beside the clone's files and none has changed its place: it was killed at that moment."""
    root = copied(clone, clone.parent / "ready")
    assert run(making, str(root), moment="swap.py").returncode == -signal.SIGKILL
    assert (root / SCRATCH / "ready").exists()
    assert git(root, "status", "--porcelain") == ""
    return root


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target


def content(root: Path) -> dict[str, bytes]:
    """Every file of the project with what it says; of `.git`, what its commits are."""
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts[:1]]
    said = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    said["git status"] = git(root, "status", "--porcelain").encode()
    said["git log"] = git(root, "log", "--format=%H").encode()
    return said


def test_killed_while_files_change_places_the_rest_is_done_by_running_it_again(ready: Path, clone: Path):
    head = git(clone, "rev-parse", "HEAD").strip()
    whole = copied(ready, clone.parent / "whole")
    done = run(whole / SCRATCH / "swap.py", str(whole / SCRATCH))
    operations, in_place = told(done, "operations"), told(done, "all in place")
    expected = content(whole)
    assert expected["git status"] == b""
    assert {"src/churn_at_acme/mine.py", "data/mine.csv", ".churn-at-acme/runs.jsonl", RECORD} <= set(expected)
    assert operations > in_place > 60
    # What comes after the last move only clears away: some moments of it are enough.
    for number in [*range(1, in_place + 2), *range(in_place + 2, operations + 1, 25)]:
        root = copied(ready, clone.parent / "killed")
        assert run(root / SCRATCH / "swap.py", str(root / SCRATCH), limit=number).returncode == -signal.SIGKILL
        finish_started(root)
        assert content(root) == expected, number
        assert git(root, "--git-dir=.git/before-init", "cat-file", "-t", head) == "commit\n", number
        assert not (root / SCRATCH).exists(), number
        shutil.rmtree(root)


def test_killed_before_that_it_is_the_clone_and_can_be_made_anew(clone: Path, making: Path):
    before = content(clone)
    whole = copied(clone, clone.parent / "made")
    operations = told(run(making, str(whole)), "operations")
    assert operations > 50
    for number in sorted({1, 2, 3, 4, *range(5, operations, operations // 5), operations}):
        root = copied(clone, clone.parent / "early")
        assert run(making, str(root), limit=number).returncode == -signal.SIGKILL, number
        if not (root / SCRATCH / "ready").exists():
            assert {name: said for name, said in content(root).items() if not name.startswith(SCRATCH)} == before
        if not finish_started(root):
            start(root, make_answers(ANSWERS))
        assert git(root, "status", "--porcelain") == "", number
        assert set(content(root)) == set(content(whole)), number
        shutil.rmtree(root)
