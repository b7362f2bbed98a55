"""`lightloop deploy --target kubernetes`: manifests of the service, written, or applied by kubectl."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from lightloop.config.serve import ServeConfig
from lightloop.deploy.order import TEMPLATES_AT, Order
from lightloop.deploy.rendering import rendering
from lightloop.deploy.variables import KEYS_AT, LOG_KEY, variables
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.service.processes.state import Served

PORT: Final = 8000
USER: Final = 65532  # `nonroot` of the image
WAIT: Final = "120s"
# An endpoint leaves the lists of proxies some seconds after its pod is told to stop.
LEAVE: Final = 5
CLOUD: Final = "s3://"
HTTPS: Final = 443
Object = dict[str, Any]


def deploy(project: Project, settings: ServeConfig, served: Served, *, render: Path | None) -> None:
    """Write the manifests; apply them and wait until the new pods answer, unless they are only to be rendered.

    A release that does not become ready is taken back by the cluster's own undo; no old pod stops before.

    Args:
        project: where to write, when nothing is named.
        settings: of the service.
        served: the bundle, which the image holds.
        render: folder to write; then nothing is applied.

    Raises:
        UsageError: kubectl is not on this machine; the manifests are written all the same.
        LightloopError: the cluster refuses them, or the release did not become ready.
    """
    order = Order.of(project, settings, served)
    folder = render or project.scratch / "deploy" / "kubernetes"
    write_manifests(order, folder)
    if render is not None:
        print(f"written: {folder}")
        print(
            f"it runs the image {order.image}: `lightloop deploy --target container --render DIR` writes what builds it"
        )
        if settings.keys is not None:
            print(f"its keys: kubectl create secret generic {_name(order)}-keys --from-file=keys.json={settings.keys}")
        if settings.log.hashes:
            print(f'its log: kubectl create secret generic {_name(order)}-log --from-literal="key=${LOG_KEY}"')
        print(f"next: kubectl apply -k {folder}")
        return
    if shutil.which("kubectl") is None:
        raise UsageError(f"kubectl is not on this machine: install it, or apply {folder} from another one")
    try:
        _kubectl("apply", "-k", str(folder))
    except LightloopError as error:
        raise LightloopError(f"{error}: nothing was changed; {folder} has the manifests") from None
    try:
        _kubectl("rollout", "status", f"deployment/{_name(order)}", f"--timeout={WAIT}")
    except LightloopError as error:
        _kubectl("rollout", "undo", f"deployment/{_name(order)}")
        raise LightloopError(f"the new pods did not become ready ({error}): the release before is back") from None
    print(f"{order.tag} answers as service/{_name(order)}")


def write_manifests(order: Order, folder: Path) -> None:
    """Write a file an object, and `kustomization.yaml`. The same release and settings give the same bytes."""
    objects = manifests(order)
    with rendering(folder, order.project.root / TEMPLATES_AT) as temporary:
        for name, content in objects.items():
            (temporary / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": list(objects),
        }
        (temporary / "kustomization.yaml").write_text(yaml.safe_dump(kustomization, sort_keys=False), encoding="utf-8")


def manifests(order: Order) -> dict[str, Object]:
    """The objects by the names of their files."""
    return {
        "service-account.yaml": _object("v1", "ServiceAccount", order) | {"automountServiceAccountToken": False},
        "deployment.yaml": _deployment(order),
        "service.yaml": _object("v1", "Service", order)
        | {
            "spec": {
                "type": "ClusterIP",
                "selector": _selector(order),
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            }
        },
        "autoscaler.yaml": _autoscaler(order),
        "disruption-budget.yaml": _object("policy/v1", "PodDisruptionBudget", order)
        | {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": _selector(order)}}},
        "network-policy.yaml": _network_policy(order),
    }


def _name(order: Order) -> str:
    return f"lightloop-{order.label}"


def _selector(order: Order) -> dict[str, str]:
    return {"app.kubernetes.io/name": "lightloop", "app.kubernetes.io/instance": order.label}


def _object(version: str, kind: str, order: Order) -> Object:
    labels = _selector(order) | {"app.kubernetes.io/managed-by": "lightloop", "app.kubernetes.io/version": order.tag}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": _name(order), "labels": labels}}


def _deployment(order: Order) -> Object:
    settings = order.settings
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, {"name": "state", "emptyDir": {}}]
    if settings.keys is not None:
        secret = {"secretName": f"{_name(order)}-keys", "items": [{"key": "keys.json", "path": "keys.json"}]}
        volumes.append({"name": "keys", "secret": secret | {"defaultMode": 0o440}})
    pod = {
        "serviceAccountName": _name(order),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(settings.drain) + LEAVE + 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # Pods of one model on different machines, where there are some.
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(order)},
            }
        ],
        "containers": [_container(order)],
        "volumes": volumes,
    }
    # Scrapers look at each pod, since each counts for itself.
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(PORT), "prometheus.io/path": "/metrics"}
    about = {"lightloop/digest": order.served.digest}
    return _object("apps/v1", "Deployment", order) | {
        # No `replicas`: the autoscaler owns that number, and an apply would set it back.
        "spec": {
            "selector": {"matchLabels": _selector(order)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": 5,
            "progressDeadlineSeconds": 120,
            "revisionHistoryLimit": 5,
            "template": {
                "metadata": {
                    "labels": _selector(order) | {"app.kubernetes.io/version": order.tag},
                    "annotations": scraped | about,
                },
                "spec": pod,
            },
        }
    }


def _container(order: Order) -> Object:
    settings, cluster = order.settings, order.settings.cluster
    told = variables(settings, order.served)
    mounts: list[Object] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the pod
        {"name": "state", "mountPath": "/var/lib/lightloop"},
    ]
    if settings.keys is not None:
        mounts.append({"name": "keys", "mountPath": str(Path(KEYS_AT).parent), "readOnly": True})
    ready = {"httpGet": {"path": "/health/ready", "port": "http"}, "timeoutSeconds": 2}
    return {
        "name": "model",
        "image": order.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [{"name": name, "value": text} for name, text in sorted(told.items())] + _log_key(order),
        "startupProbe": ready | {"periodSeconds": 2, "failureThreshold": 45},
        "readinessProbe": ready | {"periodSeconds": 3, "failureThreshold": 2},
        "livenessProbe": {
            "httpGet": {"path": "/health/live", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 3,
            "failureThreshold": 3,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE}}},
        "resources": {
            "requests": {"cpu": f"{int(cluster.cpu * 1000)}m", "memory": f"{cluster.memory // 2}Mi"},
            # No limit of the processor: throttling would show as slow answers.
            "limits": {"memory": f"{cluster.memory}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _log_key(order: Order) -> list[Object]:
    """The key of hashed columns of the log, from a secret."""
    if not order.settings.log.hashes:
        return []
    return [{"name": LOG_KEY, "valueFrom": {"secretKeyRef": {"name": f"{_name(order)}-log", "key": "key"}}}]


def _autoscaler(order: Order) -> Object:
    cluster = order.settings.cluster
    busy = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", order) | {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": _name(order)},
            "minReplicas": cluster.replicas,
            "maxReplicas": cluster.most,
            "metrics": [busy],
            # Up at once, down after five quiet minutes.
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        }
    }


def _network_policy(order: Order) -> Object:
    """In: the service's port, from pods of its namespace and of those with the label. Out: the collector and the
    objects of log and feedback, where there are any.
    """
    label = {"matchLabels": {"lightloop/clients": "true"}}
    policy: Object = {
        "podSelector": {"matchLabels": _selector(order)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [{"podSelector": {}}, {"namespaceSelector": label}],
                "ports": [{"port": PORT, "protocol": "TCP"}],
            }
        ],
        "egress": [],
    }
    ports = [4317, 4318] if order.settings.traces is not None else []
    written = (order.settings.log.folder, order.settings.feedback)
    if any(str(folder).startswith(CLOUD) for folder in written):
        ports.append(HTTPS)
    if ports:
        names = {"ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]}
        policy["egress"] = [names, {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}]
    return _object("networking.k8s.io/v1", "NetworkPolicy", order) | {"spec": policy}


def _kubectl(*arguments: str) -> None:
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise LightloopError(f"`kubectl {arguments[0]}` failed: {words}")
