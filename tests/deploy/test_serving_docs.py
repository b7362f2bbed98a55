"""Every command and program of docs/serving.md is run here, in order, or has a reason why not."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from loop_world import to_serve
from registry_world import dvc, git, make_world, verdict
from small_project import REPOSITORY
from tiny_bundles import tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.deploy.local import running
from lightloop.project import Project
from lightloop.release.registry import promote, register
from lightloop.serving.manifest import verify_bundle

PAGE = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")
PORT = "localhost:8000"
# Not run here, and where else.
REASONS = {
    "lightloop deploy --canary 0.1": "needs minutes of requests: tests/deploy/test_local.py",
    "lightloop deploy --shadow": "needs minutes of requests: tests/deploy/test_local.py",
    "docker compose --project-directory build/image up --build --wait": "no engine: tests/deploy/test_container.py "
    "serves from what the image would hold",
    "kubectl apply -k build/kubernetes": "no cluster: tests/deploy/test_kubernetes.py checks the schemas",
    "serve deploy build/ray/serve.yaml": "no cluster: tests/deploy/test_ray.py runs the application on two nodes",
}


def blocks() -> list[tuple[str, str]]:
    """Language and text of each code block."""
    return re.findall(r"```(sh|python)\n(.*?)```", PAGE, flags=re.DOTALL)


def commands(block: str) -> list[str]:
    return [line for line in (re.sub(r"\s{2,}#.*", "", line).strip() for line in block.splitlines()) if line]


def test_what_is_not_run_stands_in_the_page():
    every = {line for language, block in blocks() if language == "sh" for line in commands(block)}
    assert set(REASONS) < every
    assert [
        why
        for why in REASONS.values()
        if not all((REPOSITORY / one).is_file() for one in re.findall(r"tests/\S+\.py", why))
    ] == []


def test_every_link_and_every_test_that_it_names_is_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if "://" not in link]
    assert len(links) >= 2
    assert [link for link in links if not (REPOSITORY / "docs" / link).exists()] == []
    assert [name for name in re.findall(r"`(tests/[^`]+)`", PAGE) if not (REPOSITORY / name).exists()] == []


def test_its_defaults_are_the_defaults():
    table = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \|", PAGE, flags=re.MULTILINE)
    assert len(table) >= 5
    for name, said in table:
        value = getattr(ServeConfig(), name)
        assert said == ("none" if value == () else f"{value:,.0f}"), name


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """v0.1.0 in production, v0.2.0 registered; templates and settings as the repository has them."""
    project = make_world(tmp_path / "world")
    for name in ("deploy", "configs/serve"):
        shutil.copytree(REPOSITORY / name, project.root / name)
    shutil.copy(REPOSITORY / "requirements.lock", project.root)
    made = ("/data", "/.lightloop/", "about.json", "record.json", "keys.json", "*.jsonl", "*.parquet", "/build")
    (project.root / ".gitignore").write_text("\n".join(made))
    for seed, champion in ((1, None), (2, {"version": "v0.1.0"})):
        source = project.root / "source"
        shutil.rmtree(source)
        tiny_bundle("tabular", source, bias=seed / 10)
        (project.root / "verdict.json").write_text(json.dumps(verdict(verify_bundle(source), champion=champion)))
        dvc(project.root, "repro", "--quiet")
        git(
            project.root, "add", "-Af", "source", "verdict.json", "deploy", "configs", "requirements.lock", ".gitignore"
        )
        git(project.root, "commit", "-qm", f"model {seed}")
        register(project, commit=True)
        if champion is None:
            promote(project, stage="production")
    return project


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(project: Project):
    port, environment = to_serve()
    said = []
    try:
        for language, block in blocks():
            program = block
            if language == "sh":
                lines = [line for line in commands(block) if line not in REASONS]
                program = "set -euo pipefail\n" + "\n".join(lines)
            words = ["bash", "-c", program] if language == "sh" else [sys.executable, "-c", program]
            words[-1] = words[-1].replace(PORT, f"127.0.0.1:{port}")
            done = subprocess.run(
                words, cwd=project.root, env=environment, capture_output=True, text=True, check=False, timeout=300
            )
            assert done.returncode == 0, f"{program}\n{done.stdout}{done.stderr}"
            assert '"error"' not in done.stdout, f"{program}\n{done.stdout}"
            said.append(done.stdout)
    finally:
        subprocess.run(["lightloop", "stop"], cwd=project.root, env=environment, capture_output=True, check=False)
        left = running(project)
    assert left is None
    text = "\n".join(said)
    assert "v0.2.0" in text
    for name in ("image/Dockerfile", "kubernetes/deployment.yaml", "ray/serve.yaml"):
        assert (project.root / "build" / name).is_file()
    assert len(pq.read_table(project.root / "answers.parquet")) == 1
