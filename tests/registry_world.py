"""A small repository with a real pipeline of two stages, real bundles, and an embedded DVC remote."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from tiny_bundles import PLAIN, tiny_bundle

from lightloop.project import Project
from lightloop.serving.manifest import GRAPH, HASHES, MANIFEST, WEIGHTS, hash_files, verify_bundle

PIPELINE = """\
stages:
  export:
    cmd: cp -r source artifacts/bundle
    deps: [source, data]
    outs: [artifacts/bundle]
  gate:
    cmd: cp verdict.json artifacts/gate.json
    deps: [artifacts/bundle, verdict.json]
    metrics:
      - artifacts/gate.json: {cache: false}
"""
DVC_CONFIG = """\
[core]
    analytics = false
    check_update = false
    remote = embedded
['remote "embedded"']
    url = ../storage
    verify = true
"""


def run(root: Path, *command: str) -> str:
    """Run a command that must succeed."""
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def git(root: Path, *arguments: str) -> str:
    return run(root, "git", *arguments)


def dvc(root: Path, *arguments: str) -> str:
    return run(root, sys.executable, "-m", "dvc", *arguments)


def tags(root: Path) -> list[str]:
    """Names of all tags."""
    return git(root, "tag", "--list").split()


# of feature: image
def write_linear_bundle(folder: Path, weight_DK: np.ndarray, bias_K: np.ndarray, classes: list[str]) -> None:
    """A real bundle of grey 28x28 images whose network is one linear layer on levels from 0 to 1."""
    shape = [1, 28, 28]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["float", "levels"], ["scaled"]),
            helper.make_node("Flatten", ["scaled"], ["flat"], axis=1),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "linear",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", *shape])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", len(classes)])
            for name in ("logits", "probabilities")
        ],
        [
            numpy_helper.from_array(np.float32(255), "levels"),
            numpy_helper.from_array(weight_DK.astype(np.float32), "weight"),
            numpy_helper.from_array(bias_K.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / GRAPH)
    save_file({"weight": weight_DK.astype(np.float32), "bias": bias_K.astype(np.float32)}, folder / WEIGHTS)
    manifest = {
        "format": 1,
        "name": "linear",
        "modality": "image",
        "problem": "classification",
        "classes": classes,
        "answer": "probabilities",
        "input": {"kind": "image", "channels": 1, "size": [28, 28]},
        "outputs": [
            {"name": name, "dtype": "float32", "shape": [None, len(classes)]} for name in ("logits", "probabilities")
        ],
        "parameters": int(weight_DK.size + bias_K.size),
        "data_version": None,
        "opset": 20,
        "libraries": {},
        "config": {},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / HASHES).write_text(json.dumps(hash_files(folder)))


# end
def write_other_bundle(folder: Path, seed: int) -> None:
    """A bundle that answers otherwise for each seed."""
    tiny_bundle(PLAIN, folder, bias=seed, golden=False)


def verdict(digest: str, *, champion: dict[str, Any] | None = None, accepted: bool = True) -> dict[str, Any]:
    """A `gate.json`."""
    return {
        "verdict": "accepted" if accepted else "refused",
        "champion": champion,
        "bundle_digest": digest,
        "checks": [
            {
                "name": "baseline",
                "passed": accepted,
                "figures": {"metric": "accuracy", "value": 0.1, "low": 0.05, "high": 0.15},
                "threshold": 0.0,
                "source": "rule",
                "message": "Accuracy is 0.1 better than the baseline's" if accepted else "Accuracy is far too low",
            }
        ],
    }


def make_model(project: Project, seed: int, **judged: Any) -> None:
    """A new bundle and verdict, as `lightloop run` leaves them: made by DVC, not committed."""
    root = project.root
    shutil.rmtree(root / "source", ignore_errors=True)
    write_other_bundle(root / "source", seed)
    (root / "verdict.json").write_text(json.dumps(verdict(verify_bundle(root / "source"), **judged)))
    project.metrics.parent.mkdir(parents=True, exist_ok=True)
    estimate = {"value": 0.9 + seed / 1000, "low": 0.88, "high": 0.92}
    project.metrics.write_text(json.dumps({"metrics": {"accuracy": estimate}}))
    git(root, "add", "source", "verdict.json")
    git(root, "commit", "-qm", f"model {seed}")
    dvc(root, "repro", "--quiet")


def replace_bundle(project: Project) -> None:
    """Another judged bundle, by hand."""
    shutil.rmtree(project.bundle)
    write_other_bundle(project.bundle, 7)
    project.gate.write_text(json.dumps(verdict(verify_bundle(project.bundle))))


def make_world(root: Path) -> Project:
    """A repository with a first accepted model that is not committed and not registered."""
    project = Project(root)
    (root / "data").mkdir(parents=True)
    (root / "data" / "records.txt").write_text("1\n2\n")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gto").write_text("stages: [staging, production]\n")
    (root / ".gitignore").write_text("/data\n")
    (root / ".gitattributes").write_text("storage/** -text -diff\n")
    git(root, "init", "-q", "-b", "main")
    dvc(root, "init", "--quiet")
    (root / ".dvc" / "config").write_text(DVC_CONFIG)
    dvc(root, "add", "--quiet", "data")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    make_model(project, 1)
    return project


def clone(project: Project, target: Path, *options: str) -> Project:
    """A clone as others make it."""
    run(target.parent, "git", "clone", "-q", *options, f"file://{project.root}", str(target))
    return Project(target)
