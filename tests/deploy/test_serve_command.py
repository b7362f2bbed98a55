"""`lightloop serve` as a person types it: outside a project, wrong, and following what comes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from loop_world import PROGRAMS, command, wait_until
from services import add_golden, make_served, stop_all
from tiny_bundles import plain_record

from lightloop.project import Project
from lightloop.release.registry import promote


@contextmanager
def served(root: Path, *words: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """`lightloop serve` in a folder, and its address."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["lightloop", "serve", *words],
        cwd=root,
        env=os.environ | {"PATH": path, "LIGHTLOOP_SERVE_LOGS": "none", "LIGHTLOOP_SERVE_PORT": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found is not None, line + process.stdout.read()
        wait_until(lambda: version_at(found.group(), process) is not None, 30)
        yield process, found.group()
    finally:
        stop_all(process)
        assert process.stdout is not None
        process.stdout.close()


def version_at(address: str, process: "subprocess.Popen[str] | None" = None) -> str | None:
    assert process is None or process.poll() is None, process
    try:
        return str(httpx.post(f"{address}/v1/predict", json=plain_record(), timeout=5).json()["model_version"])
    except httpx.HTTPError:
        return None


def test_wrong_words_are_one_sentence_and_start_nothing(tmp_path: Path) -> None:
    for words, sentence in (
        ([], "there is no project here"),
        (["--bundle", "none"], "none is no folder"),
        (["--bundle", ".", "serve.wrokers=1"], "did you mean serve.workers?"),
        (["--bundle", "."], "hashes.json"),
    ):
        done = command(tmp_path, "lightloop", "serve", "serve.port=0", *words)
        assert done.returncode in (1, 2)
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_the_processes_of_a_service_never_load_what_trains() -> None:
    script = (
        "import sys, lightloop.deploy.process, lightloop.service.processes.worker\n"
        "import lightloop.service.processes.children as c\n"
        "import importlib; [importlib.import_module(name) for name in c.SHARED]\n"
        "heavy = {'torch', 'pytorch_lightning', 'sklearn', 'pandas', 'scipy', 'matplotlib', 'dvc', 'gto', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_the_parent_imports_what_workers_share_and_starts_no_thread_of_ours(tmp_path: Path) -> None:
    script = (
        "import os, sys, pathlib, threading\n"
        "from lightloop.service.processes.children import preload\n"
        "from lightloop.service.processes.state import ServiceFolder\n"
        "os.environ['OPENBLAS_NUM_THREADS'] = '1'\n"
        "preload(ServiceFolder(pathlib.Path(sys.argv[1])))\n"
        "tasks = pathlib.Path('/proc/self/task').iterdir()\n"
        "names = {(task / 'comm').read_text().strip() for task in tasks if task.name != str(os.getpid())}\n"
        "print('onnxruntime' in sys.modules, threading.active_count(), names <= {'jemalloc_bg_thd'})"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1", "True"]


@pytest.mark.slow
def test_outside_a_project_variables_and_a_bundle_say_all(tmp_path: Path) -> None:
    bundle = make_served(tmp_path / "bundle", 1)
    with served(tmp_path, "--bundle", "bundle", LIGHTLOOP_SERVE_WORKERS="1") as (process, address):
        assert version_at(address) == bundle.digest[:12]
        taken = command(
            tmp_path, "lightloop", "serve", "--bundle", "bundle", f"serve.port={address.rpartition(':')[2]}"
        )
        assert taken.returncode == 2
        assert "can't listen on" in taken.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    wrong = command(tmp_path, "lightloop", "serve", "--bundle", "bundle", "serve.port=0", f"serve.digest={'0' * 64}")
    assert wrong.returncode == 1
    assert "serve.digest says 000000000000" in wrong.stderr


@pytest.mark.slow
def test_it_follows_a_bundle_in_a_folder_and_refuses_a_bad_one(tmp_path: Path) -> None:
    one = make_served(tmp_path / "bundle", 1)
    words = ("--bundle", "bundle", "serve.follow=true", "serve.workers=1", "serve.watch=0.1")
    with served(tmp_path, *words) as (process, address):
        assert version_at(address) == one.digest[:12]
        # Other answers than its golden records say: loaded, not served.
        shutil.rmtree(tmp_path / "bundle")
        make_served(tmp_path / "bundle", 2)
        add_golden(tmp_path / "bundle", wrong=True)
        time.sleep(4)
        assert version_at(address) == one.digest[:12]
        shutil.rmtree(tmp_path / "bundle")
        three = make_served(tmp_path / "bundle", 3)
        wait_until(lambda: version_at(address, process) == three.digest[:12], 20)
        # Ctrl-C in a terminal reaches all processes at once.
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in out
        assert "not followed" in out or "refused" in out, "what became of the bad one is told"


@pytest.mark.slow
def test_it_follows_what_comes_into_production(world: Project) -> None:
    with served(world.root, "serve.follow=true", "serve.workers=1", "serve.watch=0.1") as (process, address):
        assert version_at(address) == "v0.1.0"
        time.sleep(1.1)  # two tags of the same second can't be told apart
        promote(world, stage="production", version="v0.2.0", force=True)
        wait_until(lambda: version_at(address, process) == "v0.2.0", 30)
