"""Requests a second of the service, beside others that answer with the same graph: same bundle, same record, one run.

    python benchmarks/load.py BUNDLE [seconds=6] [rounds=3] [clients=1,8,64] [only=ours,plain]

Ours runs as `lightloop serve --bundle BUNDLE` with everything on: API keys, limits, metrics, JSON logs, calibrated
answers, novelty, warnings; with one and with two workers. `plain` is FastAPI with ONNX Runtime and nothing else
(peers/plain.py). MLflow's and BentoML's servers take part where MLFLOW_PYTHON and BENTOML_PYTHON name interpreters that
have them. The load is wrk's, with one thread, over loopback. The servers take turns within each round, best of all
rounds; needs a quiet machine, since wrk works on the same cores. Processor time a request, of a server's processes
together, by the kernel's count, is the least of all rounds; other work on the machine changes it little.
"""

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lightloop.service.keys import add_key

PEERS = Path(__file__).resolve().parent / "peers"
SCRIPT = """
wrk.method = "POST"
wrk.body = io.open(os.getenv("BODY")):read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = os.getenv("KEY")
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
PATIENCE = 90.0  # seconds for a server to start
# Seconds between two loads: wrk leaves without its last answers, which keep their places in hand until they are given.
BETWEEN = 0.5


@dataclass(frozen=True)
class Server:
    """A server that takes part.

    Attributes:
        name: in the table.
        words: its command; PORT stands for the port.
        environment: beyond that of this process.
        path: that predicts.
        body: of a request.
        health: path that answers 200 once it runs.
    """

    name: str
    words: tuple[str, ...]
    environment: dict[str, str]
    path: str
    body: Any
    health: str = "/health/live"


@dataclass
class Figures:
    """The best of the rounds.

    Attributes:
        rate: answers a second.
        p50, p99: milliseconds, of the round with the best rate.
        cost: milliseconds of the processor a request, the least of all rounds.
        wrong: answers that were not 2xx, in all rounds.
    """

    rate: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    cost: float = math.inf
    wrong: int = 0


@dataclass
class Table:
    """All figures, by server and number of clients."""

    rows: dict[tuple[str, int], Figures] = field(default_factory=dict)

    def add(self, name: str, clients: int, text: str, spent: float) -> None:
        """Take what wrk printed, and the seconds of the processor that the server took for it."""
        row = self.rows.setdefault((name, clients), Figures())
        rate = float(_found(r"Requests/sec:\s+([\d.]+)", text))
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        row.wrong += int(wrong[1]) if wrong else 0
        row.cost = min(row.cost, 1000 * spent / float(_found(r"(\d+) requests in", text)))
        if rate > row.rate:
            row.rate, row.p50, row.p99 = rate, _milliseconds("50", text), _milliseconds("99", text)

    def show(self, clients: list[int]) -> None:
        """Print one line a server and number of clients, with the ratio to plain and to ours."""
        names = list(dict.fromkeys(name for name, _ in self.rows))
        print(
            f"{'server':<30}{'clients':>8}{'answers/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'/ plain':>9}{'CPU ms':>8}  wrong"
        )
        for name in names:
            for count in clients:
                row = self.rows[name, count]
                plain = self.rows.get(("plain", count))
                ratio = f"{row.rate / plain.rate:.2f}" if plain and plain.rate else ""
                print(f"{name:<30}{count:>8}{row.rate:>11.0f}{row.p50:>9.2f}{row.p99:>9.2f}{ratio:>9}", end="")
                print(f"{row.cost:>8.3f}  {row.wrong}")
        self._ratios(clients)

    def _ratios(self, clients: list[int]) -> None:
        for one, other in (
            ("ours, 2 workers", "ours"),
            ("ours, no novelty, 2 workers", "ours, no novelty"),
            ("plain, 2 workers", "plain"),
            ("ours", "mlflow"),
            ("ours", "bentoml"),
        ):
            found = [
                f"{self.rows[one, count].rate / self.rows[other, count].rate:.2f} at {count}"
                for count in clients
                if (one, count) in self.rows and self.rows.get((other, count), Figures()).rate
            ]
            if found:
                print(f"{one} / {other}: {', '.join(found)}")
        for name in ("ours", "ours, no novelty"):
            if (name, 1) in self.rows and ("plain", 1) in self.rows:
                ratio = self.rows[name, 1].p50 / self.rows["plain", 1].p50
                print(f"p50 at 1 client, {name} / plain: {ratio:.2f}")


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def _milliseconds(share: str, text: str) -> float:
    number, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)\b", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """Of a process and its children, to the nanosecond, of all threads that there are."""
    own = [pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))]
    files = [file for one in own for file in Path(f"/proc/{one}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


@contextmanager
def running(server: Server, scratch: Path) -> Iterator[tuple[int, int]]:
    """A server that answers: its port and its process; it and its children end with the block."""
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in server.words]
    log = scratch / f"{server.name}.log"
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | server.environment
    with log.open("ab") as stream:
        process = subprocess.Popen(
            words, stdout=stream, stderr=stream, env=environment, cwd=scratch, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE
        while not _answers(port, server.health):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{server.name} does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield port, process.pid
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as done:
            return bool(done.status == 200)
    except OSError:
        return False


def load(server: Server, port: int, clients: int, seconds: float, scratch: Path) -> str:
    """What wrk prints about so many clients."""
    body = scratch / f"{server.name}.json"
    body.write_text(json.dumps(server.body))
    (scratch / "ask.lua").write_text(SCRIPT)
    words = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--latency", "-s", str(scratch / "ask.lua")]
    return subprocess.run(
        [*words, f"http://127.0.0.1:{port}{server.path}"],
        env=os.environ | {"BODY": str(body)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def servers(bundle: Path, record: dict[str, Any], scratch: Path) -> Iterator[Server]:
    """All that can take part."""
    ours = (sys.executable, "-m", "lightloop", "serve", "--bundle", str(bundle), "serve.port=PORT")
    ours += (f"serve.keys={scratch / 'keys.json'}", f"serve.feedback={scratch / 'feedback'}")
    plain = (sys.executable, str(PEERS / "plain.py"), "PORT")
    for workers, suffix in ((1, ""), (2, ", 2 workers")):
        yield Server(f"plain{suffix}", (*plain, str(workers)), {"BUNDLE": str(bundle)}, "/v1/predict", record)
        count = f"serve.workers={workers}"
        yield Server(f"ours{suffix}", (*ours, count), {}, "/v1/predict", record)
        # As plain, which tells no novelty.
        yield Server(f"ours, no novelty{suffix}", (*ours, count, "serve.novelty=false"), {}, "/v1/predict", record)
    yield Server("ours, batching", (*ours, "serve.workers=1", "serve.batching=true"), {}, "/v1/predict", record)
    mlflow = os.environ.get("MLFLOW_PYTHON")
    if mlflow:
        model = scratch / "mlflow"
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{Path(mlflow).parent}:{os.environ['PATH']}"}
        made = [mlflow, str(PEERS / "mlflow_model.py"), str(bundle), str(model)]
        subprocess.run(made, check=True, capture_output=True, env=os.environ | quiet, cwd=scratch)
        words = (mlflow, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "-p", "PORT")
        yield Server("mlflow", words, quiet, "/invocations", {"dataframe_records": [record]}, "/health")
    bentoml = os.environ.get("BENTOML_PYTHON")
    if bentoml:
        words = (
            bentoml,
            "-m",
            "bentoml",
            "serve",
            "bento_service:Served",
            "--working-dir",
            str(PEERS),
            "--port",
            "PORT",
        )
        quiet = {"BUNDLE": str(bundle), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(PEERS)}
        yield Server("bentoml", words, quiet, "/predict", {"record": record}, "/livez")


def main(words: list[str]) -> None:
    """Run the benchmark."""
    options = dict(word.split("=", 1) for word in words if "=" in word)
    bundle = Path(next(word for word in words if "=" not in word)).resolve()
    clients = [int(number) for number in options.get("clients", "1,8,64").split(",")]
    record = json.loads((bundle / "golden.json").read_text())["records"][int(options.get("record", "0"))]
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        _, os.environ["KEY"] = add_key(scratch / "keys.json", "benchmark")
        wanted = options.get("only", "").split(",") if "only" in options else None
        taking = [one for one in servers(bundle, record, scratch) if not wanted or one.name.partition(",")[0] in wanted]
        for number in range(int(options.get("rounds", "3"))):
            for server in taking:
                with running(server, scratch) as (port, pid):
                    load(server, port, 8, 1, scratch)
                    for count in clients:
                        time.sleep(BETWEEN)
                        before = processor_seconds(pid)
                        text = load(server, port, count, float(options.get("seconds", "6")), scratch)
                        table.add(server.name, count, text, processor_seconds(pid) - before)
            print(f"round {number + 1} done", file=sys.stderr)
    print(f"{bundle}: record {json.dumps(record)[:60]}..., {os.cpu_count()} cores, wrk -t1 on the same ones")
    table.show(clients)


if __name__ == "__main__":
    main(sys.argv[1:])
