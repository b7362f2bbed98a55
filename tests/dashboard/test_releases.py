"""Releases in W&B: aliases follow the git tags, in the project and in the registry."""

import subprocess
from pathlib import Path

import pytest
from judged import judge, make_judged
from wandb_server import Wandb
from wandb_world import assert_key_is_nowhere, environment, lightloop, python

from lightloop.config.compose import write_params
from lightloop.config.schema import Config
from lightloop.project import Project

pytestmark = pytest.mark.slow

LOG = """
import sys
from pathlib import Path
from lightloop.config.compose import read_params
from lightloop.project import Project
from lightloop.report.evidence_log import log_evidence
project = Project(Path(sys.argv[1]))
log_evidence(read_params(project), project)
"""
REGISTRY = "acme-org/wandb-registry-model/fashion-model"
ONE, TWO = "11" * 32, "22" * 32


def git(project: Project, *words: str) -> None:
    subprocess.run(["git", *words], cwd=project.root, check=True, capture_output=True)


def make_version(project: Project, version: str, digest: str, given: dict[str, str] | None) -> None:
    """Another bundle, judged and registered as GTO does it; with `given` its evidence goes to W&B."""
    from gto import api

    (project.bundle / "model.onnx").write_text(digest)
    judge(project, digest, [{"name": "parity", "passed": True, "message": "equal"}])
    if given is not None:
        done = python(project, LOG, given)
        assert (done.returncode, done.stderr) == (0, "")
    git(project, "add", "-A")
    git(project, "commit", "-qm", version)
    api.register(str(project.root), "model", "HEAD", version=version, message=version)


@pytest.fixture
def world(config: Config, project: Project) -> Project:
    make_judged(config, project)
    write_params(project, config)
    (project.root / ".gitignore").write_text("/wandb/\n/.lightloop/\n/data\n")
    git(project, "init", "-q")
    return project


def test_aliases_follow_promotion_and_rollback(world: Project, tmp_path: Path) -> None:
    with Wandb() as server:
        given = environment(server.url, tmp_path)
        state = server.state

        def aliases() -> dict[str, set[str]]:
            named = {"v0.1.0", "v0.2.0", "production", "staging", "candidate"}
            return {artifact.metadata["digest"]: artifact.aliases & named for artifact in state.committed("model")}

        def run(*words: str) -> None:
            done = lightloop(world, given, *words)
            assert (done.returncode, done.stderr) == (0, "")

        make_version(world, "v0.1.0", ONE, given)
        run("promote", "--version", "v0.1.0")
        assert aliases() == {ONE: {"candidate", "v0.1.0", "production"}}
        make_version(world, "v0.2.0", TWO, given)
        run("promote", "--version", "v0.2.0", "--force")
        assert aliases() == {ONE: {"v0.1.0"}, TWO: {"candidate", "v0.2.0", "production"}}
        first, second = (artifact.id for artifact in state.committed("model"))
        assert state.links[REGISTRY]["production"] == second
        run("rollback")
        assert aliases() == {ONE: {"v0.1.0", "production"}, TWO: {"candidate", "v0.2.0"}}
        expected = {"v0.1.0": first, "v0.2.0": second, "production": first, "latest": first}
        assert state.links == {REGISTRY: expected}
        # Done again from the tags alone.
        for artifact in state.committed("model"):
            artifact.aliases -= {"v0.1.0", "production"}
        run("sync")
        assert aliases() == {ONE: {"v0.1.0", "production"}, TWO: {"candidate", "v0.2.0"}}
        assert state.unknown == []
    assert_key_is_nowhere(tmp_path)


def test_without_an_organization_the_aliases_of_the_project_stand(world: Project, tmp_path: Path) -> None:
    with Wandb(organization=False) as server:
        given = environment(server.url, tmp_path)
        make_version(world, "v0.1.0", ONE, given)
        done = lightloop(world, given, "promote", "--version", "v0.1.0")
        assert done.returncode == 0
        assert done.stderr.startswith("W&B has no registry for this (")
        assert done.stderr.count("\n") == 1
        [model] = server.state.committed("model")
        assert {"v0.1.0", "production"} <= model.aliases
        assert server.state.links == {}


def test_the_tag_stands_whatever_wandb_does(world: Project, tmp_path: Path) -> None:
    with Wandb() as server:
        make_version(world, "v0.1.0", ONE, None)
        done = lightloop(
            world, environment(server.url, tmp_path), "promote", "--version", "v0.1.0", "--stage", "staging"
        )
        assert done.returncode == 0
        assert done.stderr == ("W&B does not have the bundle of v0.1.0 (its evidence was not sent from this project)\n")
    done = lightloop(world, environment(server.url, tmp_path), "promote", "--version", "v0.1.0")
    assert done.returncode == 0
    assert "promoted v0.1.0 to production" in done.stdout
    assert done.stderr.startswith("W&B does not know it yet (W&B is not reachable at ")
    assert done.stderr.endswith("`lightloop sync` tells it later\n")
    offline = lightloop(world, environment(server.url, tmp_path, WANDB_API_KEY=""), "promote", "--version", "v0.1.0")
    assert offline.returncode == 2
    assert offline.stderr == "lightloop: v0.1.0 stands in production already: nothing is to be done\n"
