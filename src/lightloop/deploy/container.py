"""`lightloop deploy --target container`: the folder that an image is built in, the image, and the service in it."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from lightloop.config.serve import ServeConfig
from lightloop.deploy.order import TEMPLATES_AT, Order
from lightloop.deploy.rendering import rendering
from lightloop.deploy.variables import KEYS_AT, LOG_KEY, variables
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project
from lightloop.release.sbom import write_sbom
from lightloop.service.processes.state import Served

ENGINES: Final = ("docker", "podman")
# Templates of the project, which people may change.
TEMPLATES: Final = ("Dockerfile", ".dockerignore", "compose.yaml", "requirements.lock", "slim.sh")
PATIENCE: Final = 60.0  # seconds that the service may take to answer
INSIDE: Final = 8000
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared with, not listened on
TMP: Final = "/tmp:size=64m,mode=1777"  # noqa: S108 - in the container


def deploy(project: Project, settings: ServeConfig, served: Served, *, render: Path | None) -> None:
    """Write the build context; build and run it unless it is only to be rendered.

    Args:
        project: with the templates, in `deploy/`.
        settings: of the service.
        served: the bundle.
        render: folder to write; then nothing is built.

    Raises:
        UsageError: no engine runs on this machine; the context is written all the same.
        LightloopError: the image does not build, or the service in it does not become ready; the one that ran before
            runs again then.
    """
    order = Order.of(project, settings, served)
    folder = render or project.scratch / "deploy" / "container"
    write_context(order, folder)
    if render is not None:
        print(f"written: {folder}")
        print(f"next: docker build -t {order.image} {folder}, or docker compose up --build --wait in it")
        return
    engine = _engine(folder)
    _run(engine, "build", "--tag", order.image, str(folder))
    address = _start(engine, order)
    print(f"{order.image} runs as {_container(order)} and answers at {address}")


def write_context(order: Order, folder: Path) -> None:
    """Write what `docker build` needs: templates, code, bundle, SBOM. The same release gives the same bytes.

    Raises:
        UsageError: a template is missing.
    """
    source = order.project.root
    with rendering(folder, source / TEMPLATES_AT) as context:
        for name in TEMPLATES:
            template = source / TEMPLATES_AT / name
            if not template.is_file():
                raise UsageError(f"deploy/{name} is missing in {source}: take it from the project template")
            shutil.copy(template, context / name)
        (context / "compose.yaml").write_text(_compose(order, (context / "compose.yaml").read_text("utf-8")), "utf-8")
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(Path(__file__).parents[1], context / "src" / "lightloop", ignore=ignored)
        shutil.copytree(order.served.folder, context / "bundle")
        write_sbom(order.project, context / "bundle", context / "sbom.json")
        for file in context.rglob("*"):
            # Read by a user without a name in the image, whoever wrote it here.
            file.chmod(0o755 if file.is_dir() else 0o644)


def _compose(order: Order, template: str) -> str:
    """The compose file with the settings of this release."""
    content: dict[str, Any] = yaml.safe_load(template)
    service = content["services"]["model"]
    service["image"] = f"${{IMAGE:-{order.image}}}"
    # What people wrote into the template stays, unless the settings say it.
    service["environment"] = service.get("environment", {}) | variables(order.settings, order.served)
    service["ports"] = [f"${{ADDRESS:-127.0.0.1}}:${{PORT:-{order.settings.port or INSIDE}}}:{INSIDE}"]
    service["mem_limit"] = f"{order.settings.cluster.memory}m"
    service["cpus"] = order.settings.cluster.cpu
    service["stop_grace_period"] = f"{int(order.settings.drain) + 10}s"
    if order.settings.log.hashes:
        service["environment"][LOG_KEY] = f"${{{LOG_KEY}:?the key of the log}}"
    if order.settings.keys is not None:
        service["secrets"] = [{"source": "keys", "target": KEYS_AT}]
        content["secrets"] = {"keys": {"file": "${KEYS:-./keys.json}"}}
    return yaml.safe_dump(content, sort_keys=False)


def _engine(folder: Path) -> str:
    for engine in ENGINES:
        if shutil.which(engine):
            asked = subprocess.run([engine, "info"], capture_output=True, text=True, check=False)
            if asked.returncode == 0:
                return engine
            raise UsageError(
                f"{engine} is here, but its engine does not answer: start it, or build {folder} on another machine"
            )
    raise UsageError(f"neither docker nor podman is on this machine: install one, or build {folder} on another machine")


def _container(order: Order) -> str:
    return f"lightloop-{order.label}"


def _start(engine: str, order: Order) -> str:
    """Start the container in the place of the one that runs; when it is not ready in time, that one runs again."""
    name, before = _container(order), f"{_container(order)}-before"
    settings = order.settings
    environment = [
        part for key, text in variables(settings, order.served).items() for part in ("--env", f"{key}={text}")
    ]
    secrets = []
    if settings.keys is not None:
        keys = (order.project.root / settings.keys).resolve()
        if not keys.is_file():
            raise UsageError(f"serve.keys is {settings.keys}, but there is no such file: `lightloop keys add` makes it")
        secrets = ["--volume", f"{keys}:{KEYS_AT}:ro"]
    if settings.log.hashes:
        if not os.environ.get(LOG_KEY):
            raise UsageError(f"serve.log.redaction is hash, but {LOG_KEY} has no key for the container: set it here")
        secrets += ["--env", LOG_KEY]  # by its name alone: others see the words of a command
    replaced = _quietly(engine, "inspect", name) == 0
    if replaced:
        # The port has one owner: the old one stops, and is kept until the new one answers.
        _quietly(engine, "rm", "--force", before)
        _run(engine, "stop", "--time", str(int(settings.drain) + 10), name)
        _run(engine, "rename", name, before)
    try:
        _run(
            engine, "run", "--detach", "--name", name, "--restart", "unless-stopped", "--init",
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--tmpfs", TMP, "--volume", f"{name}-state:/var/lib/lightloop",
            "--memory", f"{settings.cluster.memory}m", "--cpus", str(settings.cluster.cpu), "--pids-limit", "128",
            "--stop-timeout", str(int(settings.drain) + 10),
            "--publish", f"{settings.host}:{settings.port}:{INSIDE}", *environment, *secrets, order.image,
        )  # fmt: skip
        address = _address(engine, order)
        _wait(f"{address}/health/ready", order)
    except LightloopError:
        _quietly(engine, "rm", "--force", name)
        if replaced:
            _run(engine, "rename", before, name)
            _run(engine, "start", name)
        raise
    if replaced:
        _quietly(engine, "rm", "--force", before)
    return address


def _address(engine: str, order: Order) -> str:
    asked = json.loads(_run(engine, "inspect", _container(order)))[0]["NetworkSettings"]["Ports"]
    host = "127.0.0.1" if order.settings.host == EVERYWHERE else order.settings.host
    return f"http://{host}:{asked[f'{INSIDE}/tcp'][0]['HostPort']}"


def _wait(address: str, order: Order) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if httpx.get(address, timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise LightloopError(
        f"the service in {order.image} was not ready after {PATIENCE:g} s: nothing was changed; "
        f"`docker run --rm {order.image}` shows why"
    )


def _run(engine: str, *arguments: str) -> str:
    done = subprocess.run([engine, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise LightloopError(f"`{engine} {arguments[0]}` failed: {words}")
    return done.stdout


def _quietly(engine: str, *arguments: str) -> int:
    return subprocess.run([engine, *arguments], capture_output=True, check=False).returncode
