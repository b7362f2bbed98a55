"""Processor time a request of the service and of plain FastAPI with ONNX Runtime, in one process, without a network.

    python benchmarks/request_cost.py BUNDLE [requests=1920] [rounds=10] [at_once=1,8,64]

The applications are called as uvicorn calls them, with the same body, in turns, so many requests at once. Ours has
everything on, as in load.py; `process` counts its threads too, which write lines and make rows of the log. The least of
all rounds, which other work on the machine changes little: for a whole server under load see load.py.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from lightloop.service.keys import add_key

PEERS = Path(__file__).resolve().parent / "peers"
WARM = 200  # requests before anything is measured


class Asked:
    """A request whose body has come with its head, as uvicorn has it."""

    more_body = False

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._body, "more_body": False}


async def ask(app: Any, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """One request, which must be answered by 200."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "root_path": "",
        "method": "POST",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "query_string": b"",
        "headers": list(headers),
        "state": {},
    }
    await app(scope, Asked(body).receive, send)
    assert sent[0]["status"] == 200, sent


def apps_of(bundle: Path, scratch: Path) -> tuple[dict[str, Any], str]:
    """The applications by name, and a key to ours."""
    os.environ |= {"BUNDLE": str(bundle), "PROMETHEUS_MULTIPROC_DIR": str(scratch)}
    sys.path.insert(0, str(PEERS))
    import plain

    from lightloop.config.serve import LogConfig, ServeConfig
    from lightloop.service.app import build_app
    from lightloop.service.loaded import Loaded
    from lightloop.service.slots import Slots

    def ours(novelty: bool, log: str | None) -> Any:
        settings = ServeConfig(keys="keys.json", feedback="labels", novelty=novelty, log=LogConfig(folder=log))
        return build_app(Slots(Loaded.open(bundle, novelty=novelty)), settings, scratch)

    _, key = add_key(scratch / "keys.json", "benchmark")
    found = {"plain": plain.app, "ours": ours(True, "log"), "ours, no novelty": ours(False, "log")}
    return found | {"ours, no novelty, no log": ours(False, None)}, key


def compare(apps: dict[str, Any], asked: Callable[[Any], Any], at_once: int, count: int, rounds: int) -> None:
    """Print a line an application, so many requests at once, `count` of them a round."""
    loop = uvloop.new_event_loop()

    async def turn(app: Any, requests: int) -> None:
        for _ in range(max(1, requests // at_once)):
            if at_once == 1:
                await asked(app)
            else:
                await asyncio.gather(*(asked(app) for _ in range(at_once)))

    for name, app in apps.items():
        if name != "plain":
            app.work.alone = lambda: at_once == 1  # as a worker tells it
        loop.run_until_complete(turn(app, WARM))
    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name, app in apps.items():
            thread, process = time.thread_time(), time.process_time()
            loop.run_until_complete(turn(app, count))
            thread, process = time.thread_time() - thread, time.process_time() - process
            spent[name].append((1e6 * thread / count, 1e6 * process / count))
    least = {name: [min(column) for column in zip(*one, strict=True)] for name, one in spent.items()}
    for name, (thread, process) in least.items():
        ratio = f"{least['plain'][0] / thread:.2f}, {least['plain'][1] / process:.2f}"
        print(f"{at_once:>8}  {name:<26}{thread:>8.0f}{process:>9.0f}{ratio:>12}")


def main(words: list[str]) -> None:
    """Measure and print."""
    options = dict(word.split("=", 1) for word in words if "=" in word)
    bundle = Path(next(word for word in words if "=" not in word)).resolve()
    rounds, requests = int(options.get("rounds", "10")), int(options.get("requests", "1920"))
    # Its lines go nowhere, but are made.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    with tempfile.TemporaryDirectory() as name:
        apps, key = apps_of(bundle, Path(name))
        body = json.dumps(json.loads((bundle / "golden.json").read_text())["records"][0]).encode()
        headers = [
            (b"host", b"127.0.0.1:8000"),
            (b"x-api-key", key.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        print(f"{bundle}: microseconds of the processor a request, least of {rounds} rounds")
        print(f"{'at once':>8}  {'application':<26}{'thread':>8}{'process':>9}{'plain / it':>12}")
        for at_once in map(int, options.get("at_once", "1,8,64").split(",")):
            compare(
                apps,
                lambda app: ask(app, body, headers),
                at_once,
                max(1, requests // rounds // at_once) * at_once,
                rounds,
            )
    sys.stdout.flush()
    os._exit(0)  # the logs' threads need not be waited for


if __name__ == "__main__":
    main(sys.argv[1:])
