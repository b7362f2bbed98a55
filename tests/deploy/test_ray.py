"""The Ray Serve application, really run on a local cluster of two nodes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tiny_bundles import tiny_bundle

from lightloop.config.serve import ServeConfig
from lightloop.deploy.released import by_path
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.service.settings import settings_of
from lightloop.serving.golden import read_golden
from lightloop.serving.manifest import verify_bundle
from lightloop.serving.predictor import Predictor

# Ray's own use of pydantic, at its import.
pytestmark = pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")
# In a process of its own: Ray leaves threads and settings behind, and its processes must end with it.
CLUSTER = """
import json, logging, os, sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from lightloop.deploy.ray import application
from lightloop.deploy.released import by_path
from lightloop.service.settings import settings_of

folder, port = Path(sys.argv[1]), sys.argv[2]
quiet = {"include_dashboard": False, "object_store_memory": 100_000_000}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **quiet})
try:
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    RAYLETS = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    from ray import serve

    settings = settings_of(None, [f"serve.port={port}", "serve.cluster.cpu=0.9", "serve.logs=none"], {})
    served = by_path(folder)
    serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
    # Both replicas must be up before anything is asked.
    serve.run(application(folder, served.digest, "v1.2.3", settings), name="tiny", route_prefix="/")
    print("READY", flush=True)
    sys.stdin.readline()

    import psutil

    # All nodes are on this machine; each has a raylet, the parent of its workers.
    # Others come and go meanwhile: of those that are gone there is no command line.
    listed = psutil.process_iter(["cmdline"])
    found = [one for one in listed if "ServeReplica" in " ".join((one.info["cmdline"] or [])[:2])]
    ours = [one for one in found if one.ppid() in RAYLETS]
    maps = [[one.path for one in process.memory_maps()] for process in ours]
    print(json.dumps({
        "nodes": len({one.ppid() for one in ours}),
        "replicas": len(ours),
        "torch": sorted({path for paths in maps for path in paths if "torch" in path}),
        "onnxruntime": sum(any("onnxruntime" in path for path in paths) for paths in maps),
    }), flush=True)
    serve.shutdown()
finally:
    ray.shutdown()
    cluster.shutdown()
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle("tabular", tmp_path / "bundle")


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def cluster(bundle: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_ENABLE_TASK_EVENTS": "0"}
    words = [sys.executable, "-c", CLUSTER, str(bundle), str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "READY\n", line + process.stdout.read() + (tmp_path / "log").read_text()
            yield process, f"http://127.0.0.1:{port}"
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Let it end by itself; whatever Ray left running of it is killed."""
    import psutil

    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    try:
        process.communicate("\n", timeout=60)
    except (subprocess.TimeoutExpired, ValueError, OSError):
        process.kill()
        process.wait(10)
    for pid in family:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()


@pytest.mark.slow
def test_two_machines_answer_as_the_predictor_does(cluster: tuple[subprocess.Popen[str], str], bundle: Path) -> None:
    process, address = cluster
    predictor, records = Predictor.load(bundle), list(read_golden(bundle).records)
    expected = predictor.predict(records)

    with httpx.Client(base_url=address, timeout=30) as client:
        about = client.get("/v1/metadata").raise_for_status().json()
        assert (about["version"], about["digest"]) == ("v1.2.3", predictor.digest)
        for _ in range(10):
            for record, wanted in zip(records, expected, strict=True):
                answer: dict[str, Any] = client.post("/v1/predict", json=record).raise_for_status().json()
                assert answer["label"] == wanted.label
                assert list(answer["probabilities"].values()) == pytest.approx(list(wanted.probabilities), abs=1e-6)
                assert answer["model_version"] == "v1.2.3"
        assert client.get("/health/ready").status_code == 200
        assert client.get("/").status_code == 200
        refused = client.post("/v1/predict", content=b'{"x": NaN}', headers={"content-type": "application/json"})
        assert 400 <= refused.status_code < 500
        assert refused.json()["error"]

    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    import json

    told = json.loads(process.stdout.readline())
    assert told["replicas"] == told["onnxruntime"] == 2
    assert told["nodes"] == 2, "a replica on each of the two nodes"
    assert told["torch"] == []


def test_a_replica_refuses_a_bundle_that_changed_on_its_way(bundle: Path) -> None:
    from lightloop.deploy.ray import Replica
    from lightloop.errors import LightloopError

    files = {file.relative_to(bundle).as_posix(): file.read_bytes() for file in bundle.rglob("*") if file.is_file()}
    settings = ServeConfig().model_dump(mode="json")
    Replica(files, verify_bundle(bundle), None, settings)
    with pytest.raises(LightloopError, match=r"model\.onnx is changed in the bundle"):
        Replica(files | {"model.onnx": files["model.onnx"] + b"x"}, verify_bundle(bundle), None, settings)
    with pytest.raises(LightloopError, match=r"the bundle that came has the digest [0-9a-f]{64}: expected ab"):
        Replica(files, "ab", None, settings)


def test_what_is_rendered_is_what_serve_deploy_takes(bundle: Path, tmp_path: Path) -> None:
    from ray.serve.schema import ServeDeploySchema

    from lightloop.deploy.ray import build, deploy

    settings = settings_of(None, ["serve.port=9999", "serve.cluster.replicas=3"], {})
    deploy(Project(tmp_path), settings, by_path(bundle), render=tmp_path / "out")

    content = yaml.safe_load((tmp_path / "out" / "serve.yaml").read_text())
    ServeDeploySchema.model_validate(content)
    (application,) = content["applications"]
    assert verify_bundle(Path(application["args"]["bundle"])) == application["args"]["digest"]
    deployment = build(application["args"])._bound_deployment
    assert deployment._deployment_config.autoscaling_config.min_replicas == 3


def test_without_a_cluster_there_is_one_sentence(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightloop.deploy.ray import deploy

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UsageError, match="no Ray cluster answers at this machine: `ray start --head` starts one"):
        deploy(Project(tmp_path), ServeConfig(), by_path(bundle), render=None)
