"""`lightloop deploy --target container`: the folder that an image is built in, the image, and the service in it."""

import json
import os
import shutil
import subprocess
import time
from importlib.metadata import version
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
PACKAGE: Final = "lightloop"
PATIENCE: Final = 60.0  # seconds that the service may take to answer
INSIDE: Final = 8000
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared with, not listened on
LOCAL: Final = "127.0.0.1"
STATE: Final = "/var/lib/lightloop"
STATE_TRIED: Final = f"{STATE}:size=64m,mode=1777"  # of a trial, whose log is nobody's
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
    # Podman's own format has no health check.
    form = ("--format", "docker") if engine == "podman" else ()
    _build(engine, *form, "--tag", order.image, str(folder))
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
        shutil.copytree(Path(__file__).parents[1], context / "src" / PACKAGE, ignore=ignored)
        _write_version(context / "src")
        shutil.copytree(order.served.folder, context / "bundle")
        write_sbom(order.project, context / "bundle", context / "sbom.json")
        for file in context.rglob("*"):
            # Read by a user without a name in the image, whoever wrote it here.
            file.chmod(0o755 if file.is_dir() else 0o644)


def _write_version(folder: Path) -> None:
    """Say which version of the package lies there: it is copied, not installed."""
    about = folder / f"{PACKAGE}-{version(PACKAGE)}.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {version(PACKAGE)}\n", "utf-8")


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
    here = [engine for engine in ENGINES if shutil.which(engine)]
    for engine in here:
        if _quietly(engine, "info") == 0:
            return engine
    if here:
        raise UsageError(
            f"{here[0]} is here, but its engine does not answer: start it, or build {folder} on another machine"
        )
    raise UsageError(f"neither docker nor podman is on this machine: install one, or build {folder} on another machine")


def _container(order: Order) -> str:
    return f"lightloop-{order.label}"


def _start(engine: str, order: Order) -> str:
    """Try the image beside the container that runs; then start it in that one's place. Returns its address.

    The port has one owner: the old one stops before the new one starts, and is kept until that one answers.
    """
    name, before, trial = (f"{_container(order)}{end}" for end in ("", "-before", "-trial"))
    settings, options = order.settings, _options(order)
    _quietly(engine, "rm", "--force", trial)
    try:
        _run(
            engine,
            "run",
            "--detach",
            "--name",
            trial,
            "--tmpfs",
            STATE_TRIED,
            "--publish",
            f"{LOCAL}::{INSIDE}",
            *options,
        )
        _wait(engine, trial, LOCAL)
    finally:
        _quietly(engine, "rm", "--force", trial)
    replaced = _quietly(engine, "inspect", name) == 0
    if replaced:
        _quietly(engine, "rm", "--force", before)
        _run(engine, "stop", "--time", str(int(settings.drain) + 10), name)
        _run(engine, "rename", name, before)
    host = LOCAL if settings.host == EVERYWHERE else settings.host
    try:
        _run(
            engine, "run", "--detach", "--name", name, "--restart", "unless-stopped",
            "--volume", f"{name}-state:{STATE}", "--publish", f"{settings.host}:{settings.port}:{INSIDE}", *options,
        )  # fmt: skip
        address = _wait(engine, name, host)
    except LightloopError:
        _quietly(engine, "rm", "--force", name)
        if replaced:
            _run(engine, "rename", before, name)
            _run(engine, "start", name)
            _wait(engine, name, host)
        raise
    if replaced:
        _quietly(engine, "rm", "--force", before)
    return address


def _options(order: Order) -> list[str]:
    """How the image is run, and which."""
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
    return [
        "--init", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", TMP,
        "--memory", f"{settings.cluster.memory}m", "--cpus", str(settings.cluster.cpu), "--pids-limit", "128",
        "--stop-timeout", str(int(settings.drain) + 10), *environment, *secrets, order.image,
    ]  # fmt: skip


def _wait(engine: str, name: str, host: str) -> str:
    """Wait until a container is ready. Returns its address.

    Raises:
        LightloopError: it is not; with what it said last.
    """
    asked = json.loads(_run(engine, "inspect", name))[0]["NetworkSettings"]["Ports"]
    address = f"http://{host}:{asked[f'{INSIDE}/tcp'][0]['HostPort']}"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and _runs(engine, name):
        try:
            if httpx.get(f"{address}/health/ready", timeout=2).is_success:
                return address
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    ended = "is not ready" if _runs(engine, name) else "ended"
    raise LightloopError(f"the service in the container {ended}: {_last_words(engine, name)}")


def _runs(engine: str, name: str) -> bool:
    return bool(json.loads(_run(engine, "inspect", name))[0]["State"]["Running"])


def _last_words(engine: str, name: str) -> str:
    """What a service said last, in its log."""
    done = subprocess.run([engine, "logs", name], capture_output=True, text=True, check=False)
    said = [line for line in f"{done.stdout}{done.stderr}".splitlines() if line.startswith("lightloop: ")]
    return said[-1].removeprefix("lightloop: ") if said else f"it said nothing in {PATIENCE:g} s"


def _run(engine: str, *arguments: str) -> str:
    done = subprocess.run([engine, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise LightloopError(f"`{engine} {arguments[0]}` failed: {words}")
    return done.stdout


def _build(engine: str, *arguments: str) -> None:
    """Build, and show how far it is: the first time takes minutes."""
    if subprocess.run([engine, "build", *arguments], check=False).returncode:
        raise LightloopError(f"`{engine} build` failed, as it says above: nothing was changed")


def _quietly(engine: str, *arguments: str) -> int:
    return subprocess.run([engine, *arguments], capture_output=True, check=False).returncode
