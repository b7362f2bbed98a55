"""A clone in which all 28 hold: this repository's own workflows, configs and tests, and evidence in the true form."""

import json
import shutil
from pathlib import Path
from typing import Any

from registry_world import git

from lightloop.config.compose import compose_config, write_params
from lightloop.project import Project

COPIED = (".github", "configs", "dvc.yaml", ".gitignore", ".gto", "requirements.lock")
LINKED = ("src", "tests")


def check(name: str, *, passed: bool = True) -> dict[str, Any]:
    return {"name": name, "passed": passed, "message": f"{name} is {'well' if passed else 'too bad'}", "warning": False}


def finding(kind: str, value: float = 0.8) -> dict[str, Any]:
    return {"kind": kind, "name": "", "alarm": False, "sentence": f"{kind} is {value}", "value": value}


KINDS = ("schema", "suite", "performance", "estimated_performance", "staleness", "latency")


def evidence(features: list[str]) -> dict[str, Any]:
    """Results by file, in short."""
    expectation = {"name": "x", "column": features[0], "severity": "critical", "success": True}
    leak = {**expectation, "name": "feature_does_not_reveal_the_target"}
    judged = ("data", "parity", "baseline", "latency", "size", "protected", "explanation")
    importance = [{"name": name, "value": 0.2, "low": 0.1, "high": 0.3} for name in features]
    window = {"findings": [finding(kind) for kind in KINDS]}
    return {
        "artifacts/validation/result.json": {"success": True, "checks": [expectation, leak]},
        "artifacts/explanation/global.json": {
            "applies": True,
            "trusted": True,
            "n": 200,
            "noun": "columns",
            "features": importance,
        },
        "artifacts/explanation/result.json": {"records": [{"id": "1"}]},
        "artifacts/gate.json": {
            "verdict": "accepted",
            "bundle_digest": "0",
            "checks": [check(name) for name in judged],
        },
        "artifacts/evaluation/slices.json": {"applies": True, "rows": [{}], "found": {"applies": True, "slices": []}},
        "artifacts/evaluation/fairness.json": {"applies": True, "columns": [{"column": "male"}]},
        "artifacts/comparison.json": {"applies": True},
        "artifacts/parity.json": {"n": 100, "max_difference": 1e-7},
        "artifacts/training/history.json": [{"epoch": 0, "train_loss": 0.5, "validation_loss": 0.6}],
        "artifacts/bundle/golden.json": {"records": [1]},
        "artifacts/bundle/explanation.npz": {},
        "reports/monitoring.json": {"windows": [window]},
    }


def make_clone(root: Path, repository: Project) -> Project:
    """Two accepted versions, the newer one in production."""
    project = Project(root)
    for name in COPIED:
        copy = shutil.copytree if (repository.root / name).is_dir() else shutil.copy
        copy(repository.root / name, root / name)
    for name in LINKED:
        (root / name).symlink_to(repository.root / name)
    config = compose_config(project, ["experiment=loans"])
    write_params(project, config)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    remote = embedded\n")
    stages = {name: {"cmd": f"lightloop {name}"} for name in json.loads(json.dumps(list(_stages(root))))}
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    for name, content in evidence(config.data.features).items():
        write(project, name, content)
    git(root, "init", "-q", "-b", "main")
    with (root / ".gitignore").open("a") as file:
        file.write("/src\n/tests\n/artifacts/bundle\n")
    git(root, "add", "--all")
    git(root, "commit", "-qm", "start")
    for number in (1, 2):
        git(root, "commit", "-qm", f"model {number}", "--allow-empty")
        git(root, "tag", "--annotate", "-m", "registered", f"model@v0.{number}.0")
    git(root, "tag", "--annotate", "-m", "promoted", "model#production#1")
    return project


def _stages(root: Path) -> list[str]:
    import yaml

    return list(yaml.safe_load((root / "dvc.yaml").read_text())["stages"])


def write(project: Project, name: str, content: Any) -> None:
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def change(project: Project, name: str, *keys: Any, to: Any) -> None:
    """Put another value into a JSON file."""
    content = json.loads((project.root / name).read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    write(project, name, content)


def replace(project: Project, name: str, old: str, new: str) -> None:
    """Put another text into a file."""
    text = (project.root / name).read_text()
    assert old in text, f"{name} holds no {old!r}"
    (project.root / name).write_text(text.replace(old, new))


def remove(project: Project, name: str) -> None:
    path = project.root / name
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
