"""Nothing is left but git and the DVC remote: a fresh machine serves the production release with two commands."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from loop_world import PROGRAMS, wait_until
from registry_world import dvc, git, make_world, run
from services import make_release
from tiny_bundles import plain_record

from lightloop.release.registry import promote, register
from lightloop.serving.manifest import verify_bundle

pytestmark = pytest.mark.slow


def test_two_commands_on_a_fresh_machine(tmp_path: Path) -> None:
    # The remote of git is a bare repository, that of DVC a folder elsewhere: as on two servers.
    bare, remote, machine = (tmp_path / name for name in ("origin.git", "remote", "machine"))
    work = make_world(tmp_path / "work")
    (work.root / "configs").mkdir()
    (work.root / "configs" / "nothing.yaml").write_text("")
    (work.root / ".gitignore").write_text("/data\n/.lightloop/\n/storage\n")
    dvc(work.root, "remote", "modify", "embedded", "url", str(remote))
    git(work.root, "add", "-A")
    git(work.root, "commit", "-qm", "remote")
    make_release(work, 2)
    register(work, commit=True)
    promote(work, stage="production")
    digest = verify_bundle(work.bundle)
    make_release(work, 3, champion={"version": "v0.1.0"})
    register(work, commit=True)
    run(tmp_path, "git", "init", "-q", "--bare", "-b", "main", str(bare))
    git(work.root, "push", "-q", "--follow-tags", str(bare), "main")
    shutil.rmtree(work.root)
    machine.mkdir()

    # One: the clone.
    run(machine, "git", "clone", "-q", bare.as_uri(), "model")
    root = machine / "model"
    # Two: the service.
    process = subprocess.Popen(
        ["lightloop", "serve", "serve.port=0", "serve.workers=1", "serve.logs=none"],
        cwd=root,
        env=os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"v0\.1\.0 is served at (http://\S+) by 1 worker;", line)
        assert found is not None, line + process.stdout.read()
        address = found.group(1)
        wait_until(lambda: _ready(address), 30)
        answer = httpx.post(f"{address}/v1/predict", json=plain_record(3), timeout=10).json()
        assert answer["model_version"] == "v0.1.0"
        about = httpx.get(f"{address}/v1/metadata", timeout=10).json()
        assert about["digest"] == digest
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "every request that was accepted is answered" in out


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
