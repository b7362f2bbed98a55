"""The manifests fit Kubernetes' own schemas, and ask for what a service on a cluster should ask for."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lightloop.config.serve import ServeConfig
from lightloop.deploy.kubernetes import deploy, manifests, write_manifests
from lightloop.deploy.order import Order
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.service.processes.state import Served
from lightloop.service.settings import settings_of

VERSIONS = ("1.30", "1.34", kubernetes_validate.latest_version().rsplit(".", 1)[0])
SERVED = Served(folder="/bundle", version="v1.2.3", digest="ab" * 32)


def order(*overrides: str, name: str = "Loans") -> Order:
    return Order(Project(Path("/nowhere")), settings_of(None, overrides, {}), SERVED, name)


def kinds(*overrides: str) -> dict[str, dict[str, Any]]:
    return {content["kind"]: content for content in manifests(order(*overrides)).values()}


ALL = ("serve.keys=keys.json", "serve.traces=http://collector:4318", "serve.cluster.cpu=0.5", "serve.workers=4")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overrides", [(), ALL], ids=["plain", "all"])
def test_they_fit_the_schemas_strictly(version: str, overrides: tuple[str, ...]):
    found = kinds(*overrides)
    assert set(found) == {
        "ServiceAccount", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy",
    }  # fmt: skip
    for content in found.values():
        kubernetes_validate.validate(content, version, strict=True)


def test_a_wrong_manifest_does_not_fit():
    broken = kinds()["Deployment"]
    broken["spec"]["template"]["spec"]["containers"][0]["readinessProbes"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinessProbes"):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_no_pod_stops_before_another_one_answers():
    spec = kinds("serve.drain=40")["Deployment"]["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert spec["minReadySeconds"] > 0
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["startupProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    # The service drains after it has left the lists of proxies, and is not killed before it is done.
    assert pod["terminationGracePeriodSeconds"] > 40 + container["lifecycle"]["preStop"]["sleep"]["seconds"]
    # The autoscaler owns the number of pods.
    assert "replicas" not in spec


def test_pods_are_restricted():
    """The demands of the Pod Security Standard `restricted`, and a root file system that can't be written."""
    pod = kinds(*ALL)["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all(set(volume) - {"name"} <= {"emptyDir", "secret"} for volume in pod["volumes"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert not container["image"].endswith(":latest")


def test_each_pod_asks_for_what_it_needs():
    (container,) = kinds("serve.cluster.cpu=0.5", "serve.cluster.memory=600")["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "300Mi"}
    assert container["resources"]["limits"] == {"memory": "600Mi"}
    told = {one["name"]: one["value"] for one in container["env"]}
    assert told["LIGHTLOOP_SERVE_WORKERS"] == "1"
    assert told["LIGHTLOOP_SERVE_DIGEST"] == SERVED.digest
    assert all(isinstance(text, str) for text in told.values())


def test_everything_is_about_the_same_pods():
    found = kinds()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        # A new version is selected like the old one.
        assert "app.kubernetes.io/version" not in selector
    (port,) = found["Service"]["spec"]["ports"]
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert port["targetPort"] == container["ports"][0]["name"]
    (rule,) = found["NetworkPolicy"]["spec"]["ingress"]
    assert rule["ports"][0]["port"] == container["ports"][0]["containerPort"]
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
    assert target == found["Deployment"]["metadata"]["name"] == "lightloop-loans"


@pytest.mark.parametrize(
    ("overrides", "ports"),
    [
        ((), set()),
        (("serve.log.folder=logs",), set()),
        (("serve.traces=http://collector:4318",), {53, 4317, 4318}),
        (("serve.log.folder=s3://bucket/log",), {53, 443}),
        (("serve.log.folder=null", "serve.feedback=s3://bucket/feedback"), {53, 443}),
        (("serve.log.folder=s3://bucket/log", "serve.traces=http://collector:4318"), {53, 443, 4317, 4318}),
    ],
)
def test_nothing_goes_out_but_traces_and_the_log(overrides: tuple[str, ...], ports: set[int]):
    rules = kinds(*overrides)["NetworkPolicy"]["spec"]["egress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == ports


def test_the_key_of_the_log_comes_from_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIGHTLOOP_LOG_KEY", "never written to a file")
    write_manifests(order("serve.log.redaction=hash"), tmp_path / "out")
    assert not any("never written" in file.read_text() for file in (tmp_path / "out").iterdir())
    (container,) = kinds("serve.log.redaction=hash")["Deployment"]["spec"]["template"]["spec"]["containers"]
    (told,) = [one for one in container["env"] if one["name"] == "LIGHTLOOP_LOG_KEY"]
    assert told["valueFrom"] == {"secretKeyRef": {"name": "lightloop-loans-log", "key": "key"}}
    kubernetes_validate.validate(kinds("serve.log.redaction=hash")["Deployment"], VERSIONS[-1], strict=True)
    for needless in ("serve.log.redaction=drop", "serve.log.folder=null"):
        (container,) = kinds(needless)["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert "LIGHTLOOP_LOG_KEY" not in {one["name"] for one in container["env"]}


def test_the_autoscaler_has_the_configured_bounds():
    spec = kinds("serve.cluster.replicas=3", "serve.cluster.most=5")["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 5)
    with pytest.raises(UsageError, match=r"serve\.cluster\.most is 1: expected at least serve\.cluster\.replicas=2"):
        kinds("serve.cluster.most=1")


def test_keys_come_from_a_secret_and_stand_in_no_file(tmp_path: Path):
    write_manifests(order("serve.keys=keys.json"), tmp_path / "out")

    pod = kinds("serve.keys=keys.json")["Deployment"]["spec"]["template"]["spec"]
    volume = next(one for one in pod["volumes"] if one["name"] == "keys")
    assert volume["secret"]["secretName"] == "lightloop-loans-keys"  # pragma: allowlist secret
    assert not any("kind: Secret" in file.read_text() for file in (tmp_path / "out").iterdir())


def test_the_same_settings_give_the_same_bytes_and_kustomize_takes_them(tmp_path: Path):
    for name in ("one", "two"):
        write_manifests(order(), tmp_path / name)
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    listed = yaml.safe_load(one["kustomization.yaml"])["resources"]
    assert {*listed, "kustomization.yaml"} == set(one)
    if shutil.which("kubectl"):
        built = subprocess.run(["kubectl", "kustomize", tmp_path / "one"], capture_output=True, text=True, check=True)
        assert len(list(yaml.safe_load_all(built.stdout))) == len(listed)


KUBECTL = """#!/bin/sh
echo "$@" >> {log}
case "$1 $2" in
  "rollout status") echo "timed out waiting" >&2; exit {status} ;;
esac
"""


@pytest.mark.parametrize("status", [0, 1])
def test_a_release_that_does_not_become_ready_is_undone(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "kubectl").write_text(KUBECTL.format(log=tmp_path / "log", status=status))
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("lightloop.deploy.order.read_manifest", lambda _: type("Named", (), {"name": "loans"}))
    project = Project(tmp_path / "project")
    if status:
        with pytest.raises(LightloopError, match="the new pods did not become ready"):
            deploy(project, ServeConfig(), SERVED, render=None)
    else:
        deploy(project, ServeConfig(), SERVED, render=None)
        assert "v1.2.3 answers as service/lightloop-loans" in capsys.readouterr().out

    asked = [" ".join(line.split()[:2]) for line in (tmp_path / "log").read_text().splitlines()]
    assert asked == ["apply -k", "rollout status", *(["rollout undo"] if status else [])]
    (tmp_path / "kubectl").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"kubectl is not on this machine: install it, or apply \S+ from another one"):
        deploy(project, ServeConfig(), SERVED, render=None)
