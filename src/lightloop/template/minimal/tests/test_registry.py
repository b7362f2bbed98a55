"""Versions and stages, in a git repository of its own."""

import subprocess
from pathlib import Path

import pytest
from lightloop.errors import RefusedError, UsageError
from lightloop.files import write_json
from lightloop.template.minimal.loop import registry
from lightloop.template.minimal.loop.gate import digest
from lightloop.template.minimal.loop.paths import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository with a judged bundle and a DVC remote beside it."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.invalid")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    project = Project(tmp_path / "project")
    project.root.mkdir()
    (project.root / ".gto").write_text("stages: [staging, production]\n", encoding="utf-8")
    # What the loop writes and git ignores is there as well.
    (project.root / ".gitignore").write_text("/reports\n/artifacts/champion\n", encoding="utf-8")
    (project.root / "reports").mkdir()
    (project.root / "dvc.yaml").write_text(
        "artifacts: {model: {path: artifacts/bundle, type: model}}\n", encoding="utf-8"
    )
    for words in ("git init -q -b main", "dvc init -q", f"dvc remote add -d -q here {tmp_path / 'remote'}"):
        subprocess.run(words.split(), cwd=project.root, check=True)
    judged(project, "one")
    return project


def judged(project: Project, content: str, verdict: str = "accepted") -> None:
    """A bundle and the gate's word on it, committed but for the verdict."""
    project.bundle.mkdir(parents=True, exist_ok=True)
    (project.bundle / "model.onnx").write_text(content, encoding="utf-8")
    subprocess.run(["dvc", "add", "-q", "artifacts/bundle"], cwd=project.root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=project.root, check=True)
    subprocess.run(["git", "commit", "-qm", content], cwd=project.root, check=True)
    check = {"name": "comparison", "passed": verdict == "accepted", "message": "it is what it is"}
    champion = {"version": None, "digest": None}
    write_json(
        project.gate,
        {"verdict": verdict, "champion": champion, "bundle_digest": digest(project.bundle), "checks": [check]},
    )


def test_a_version_is_registered_promoted_fetched_and_taken_back(project: Project) -> None:
    assert registry.champion(project)["version"] is None
    first = registry.register(project)
    registry.promote(project, first)
    assert registry.champion(project)["digest"] == digest(project.bundle)
    judged(project, "two")
    second = registry.register(project)
    registry.promote(project)
    assert [one["stages"] for one in registry.releases(project)] == ["production", ""]
    registry.promote(project, first)
    assert registry.champion(project)["version"] == first != second
    assert (project.champion_bundle / "model.onnx").read_text(encoding="utf-8") == "one"


def test_what_the_gate_refused_is_not_registered(project: Project) -> None:
    judged(project, "worse", verdict="refused")
    with pytest.raises(RefusedError, match="it is what it is"):
        registry.register(project)


def test_what_was_not_judged_or_not_committed_is_not_registered(project: Project) -> None:
    (project.root / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match=r"notes\.txt is changed and not committed"):
        registry.register(project)
    (project.bundle / "model.onnx").write_text("another", encoding="utf-8")
    with pytest.raises(UsageError, match="judged another bundle"):
        registry.register(project)


def test_unknown_versions_and_stages_are_one_sentence(project: Project) -> None:
    first = registry.register(project)
    with pytest.raises(UsageError, match=r"no version v9\.9\.9: there are v0\.0\.1"):
        registry.promote(project, "v9.9.9")
    with pytest.raises(UsageError, match="was not promoted"):
        registry.promote(project, first, "moon")
