"""DVC's commands, run by a process that has imported it: they are what the command line is, and end with us."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lightloop.errors import LightloopError
from lightloop.release.dvc import run_dvc

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each command is a process of its own")
LASTING = "stages:\n  lasting:\n    cmd: touch begun && sleep 60\n"
ASKED = """
import sys
from pathlib import Path
from lightloop.release.dvc import run_dvc
run_dvc(Path(sys.argv[1]), "version")
run_dvc(Path(sys.argv[1]), "repro")
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    assert run_dvc(root, "init", "--quiet").returncode == 0
    return root


def command_line(root: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def servers(of: psutil.Process) -> list[psutil.Process]:
    return [one for one in of.children() if "lightloop.release.dvc" in one.cmdline()]


@pytest.mark.parametrize(
    "words",
    [("config", "core.analytics"), ("remote", "list"), ("status", "--json"), ("config", "no.such"), ("no-such",), ()],
    ids=" ".join,
)
def test_a_command_ends_and_prints_as_on_the_command_line(repository: Path, words: tuple[str, ...]) -> None:
    run_dvc(repository, "config", "core.analytics", "false")
    done = run_dvc(repository, *words)
    assert (done.returncode, done.stdout) == command_line(repository, *words)


def test_each_command_has_its_own_folder_and_environment(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "config").write_text("[core]\n    remote = far\n")
    assert run_dvc(repository, "config", "core.remote").stdout == ""
    told = {"DVC_GLOBAL_CONFIG_DIR": str(tmp_path)}
    assert run_dvc(repository, "config", "core.remote", environment=told).stdout.strip() == "far"
    assert run_dvc(repository, "config", "core.remote").stdout == "", "the next one is not told"
    assert "not inside of a DVC repository" in run_dvc(tmp_path, "status").stderr


def test_one_process_answers_all_commands_of_many_threads(repository: Path) -> None:
    found: list[str] = []

    def ask(number: int) -> None:
        run_dvc(repository, "remote", "add", f"place{number}", f"/far/{number}")
        found.append(run_dvc(repository, "config", f"remote.place{number}.url").stdout.strip())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"/far/{number}" for number in range(4)]
    assert len(servers(psutil.Process())) == 1


def test_a_command_that_is_killed_says_so_and_the_next_one_runs(repository: Path) -> None:
    (repository / "dvc.yaml").write_text(LASTING)
    codes: list[int] = []
    asking = threading.Thread(target=lambda: codes.append(run_dvc(repository, "repro").returncode))
    asking.start()
    until((repository / "begun").exists)
    (server,) = servers(psutil.Process())
    forks = server.children(recursive=True)
    for fork in forks:
        fork.kill()
    asking.join(30)
    assert codes == [-signal.SIGKILL]
    assert run_dvc(repository, "version").returncode == 0


def test_where_the_server_is_killed_one_command_says_so_and_the_next_one_runs(repository: Path) -> None:
    (repository / "dvc.yaml").write_text(LASTING)
    errors: list[str] = []

    def ask() -> None:
        with pytest.raises(LightloopError, match="was killed") as told:
            run_dvc(repository, "repro")
        errors.append(str(told.value))

    asking = threading.Thread(target=ask)
    asking.start()
    until((repository / "begun").exists)
    (server,) = servers(psutil.Process())
    forks = server.children(recursive=True)
    server.kill()
    asking.join(30)
    assert len(errors) == 1
    assert run_dvc(repository, "version").returncode == 0
    for fork in forks:
        if fork.is_running():
            fork.kill()  # what the stage had started


def test_a_command_ends_with_who_asked(repository: Path) -> None:
    (repository / "dvc.yaml").write_text(LASTING)
    asked = subprocess.Popen([sys.executable, "-c", ASKED, str(repository)], env=os.environ)
    until((repository / "begun").exists)
    (server,) = servers(psutil.Process(asked.pid))
    (command,) = server.children()
    stage = command.children(recursive=True)
    asked.kill()
    asked.wait()
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in (server, command)))
    for process in stage:
        if process.is_running():
            process.kill()


def test_a_fork_has_a_server_of_its_own(repository: Path) -> None:
    run_dvc(repository, "version")
    process = os.fork()
    if process == 0:
        os._exit(run_dvc(repository, "version").returncode + 10)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 10
    assert run_dvc(repository, "version").returncode == 0
