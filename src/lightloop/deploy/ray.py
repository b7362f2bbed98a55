"""`lightloop deploy --target ray`: the same service on the machines of a Ray cluster, by Ray Serve.

Each replica gets the bundle's files through Ray's own store and writes them into a folder of its own, so that the
machines need no disk in common; they need Lightloop installed, without torch.
"""

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from lightloop.config.serve import ServeConfig
from lightloop.deploy.order import TEMPLATES_AT, Order
from lightloop.deploy.rendering import rendering
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.service.processes.state import Served

if TYPE_CHECKING:
    pass

SOURCE: Final = "lightloop.deploy.ray:build"
ADDRESS: Final = "RAY_ADDRESS"
BUSY: Final = 4  # requests in hand at a replica at which another one is started


class Replica:
    """A replica: its bundle, verified, and the service's own application."""

    def __init__(self, files: dict[str, bytes], digest: str, version: str | None, settings: dict[str, Any]) -> None:
        """Open the bundle.

        Raises:
            LightloopError: the files are not the bundle of that digest, or it does not answer as it did when it was
                released.
        """
        from lightloop.service.loaded import Loaded

        self._settings = ServeConfig.model_validate(settings)
        # An open bundle needs its files no more, and a replica that is killed would leave them behind.
        with tempfile.TemporaryDirectory(prefix="lightloop-") as scratch:
            folder = Path(scratch) / "bundle"
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            loaded = Loaded.open(folder, version, self._settings.threads, most=self._settings.max_records)
        if loaded.digest != digest:
            raise LightloopError(f"the bundle that came has the digest {loaded.digest}: expected {digest}")
        self._loaded: Loaded = loaded

    def __serve_build_asgi_app__(self) -> Any:
        from lightloop.service.app import build_app
        from lightloop.service.slots import Slots

        return build_app(Slots(self._loaded), self._settings)


def application(bundle: Path, digest: str, version: str | None, settings: ServeConfig) -> Any:
    """The Ray Serve application of a bundle, for `ray.serve.run`.

    Args:
        bundle: folder of the bundle, on this machine.
        digest: that it must have.
        version: of the release.
        settings: of the service. Workers and addresses are Ray's affair.
    """
    serve = _serve()
    cluster = settings.cluster
    deployment = serve.deployment(
        name="model",
        ray_actor_options={"num_cpus": cluster.cpu},
        autoscaling_config={
            "min_replicas": cluster.replicas,
            "max_replicas": cluster.most,
            "target_ongoing_requests": BUSY,
        },
        max_ongoing_requests=settings.queue,
        graceful_shutdown_timeout_s=settings.drain,
        health_check_period_s=5,
    )(serve.ingress()(Replica))
    files = {
        file.relative_to(bundle).as_posix(): file.read_bytes() for file in sorted(bundle.rglob("*")) if file.is_file()
    }
    return deployment.bind(files, digest, version, settings.model_dump(mode="json"))


def build(arguments: dict[str, Any]) -> Any:
    """The application as `serve deploy CONFIG.yaml` asks for it: `bundle`, `digest`, `version`, `settings`."""
    settings = ServeConfig.model_validate(arguments.get("settings", {}))
    return application(Path(arguments["bundle"]), arguments["digest"], arguments.get("version"), settings)


def deploy(project: Project, settings: ServeConfig, served: Served, *, render: Path | None) -> None:
    """Run the service on the cluster that `RAY_ADDRESS` names, or that runs on this machine.

    Ray starts the new replicas beside the old ones, and stops the old ones when the new ones are healthy.

    Args:
        project: of the release.
        settings: of the service.
        served: the bundle.
        render: folder to write for `serve deploy`; then nothing is started.

    Raises:
        UsageError: Ray is not installed, or there is no cluster.
        LightloopError: the replicas do not become healthy.
    """
    order = Order.of(project, settings, served)
    if render is not None:
        write_application(order, render)
        print(f"written: {render}")
        print(f"next, on the cluster's head: serve deploy {render / 'serve.yaml'}")
        return
    serve = _serve()
    import ray

    try:
        ray.init(address=os.environ.get(ADDRESS, "auto"), log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError:
        raise UsageError(
            f"no Ray cluster answers at {os.environ.get(ADDRESS, 'this machine')}: `ray start --head` starts one, "
            f"or {ADDRESS} names it"
        ) from None
    try:
        serve.start(http_options={"host": settings.host, "port": settings.port, "location": "EveryNode"})
        run = application(Path(served.folder), served.digest, served.version, settings)
        serve.run(run, name=order.label, route_prefix="/")
    except RuntimeError as error:
        words = " ".join(str(error).split())[:300]
        raise LightloopError(f"Ray did not take the release ({words}): `serve status` says more") from None
    finally:
        ray.shutdown()
    print(f"{order.tag} answers on port {settings.port} of each machine of the cluster")


def write_application(order: Order, folder: Path) -> None:
    """Write `serve.yaml`, which `serve deploy` and KubeRay take, and the bundle."""
    import shutil

    with rendering(folder, order.project.root / TEMPLATES_AT) as temporary:
        shutil.copytree(order.served.folder, temporary / "bundle")
        content = {
            "http_options": {"host": order.settings.host, "port": order.settings.port},
            "applications": [
                {
                    "name": order.label,
                    "route_prefix": "/",
                    "import_path": SOURCE,
                    "args": {
                        # Where the head node finds it.
                        "bundle": str(folder.resolve() / "bundle"),
                        "digest": order.served.digest,
                        "version": order.served.version,
                        "settings": order.settings.model_dump(mode="json"),
                    },
                }
            ],
        }
        (temporary / "serve.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _serve() -> Any:
    # Ray counts its users unless it is told not to before it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        from ray import serve
    except ImportError:
        raise UsageError("Ray is not installed: `pip install 'lightloop[ray]'` brings it") from None
    return serve
