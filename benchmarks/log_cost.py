"""What the log of predictions costs: processor time of the service a request, with it and without it.

    python benchmarks/log_cost.py BUNDLE [requests=1000] [rounds=5]

Two services of the same bundle with one worker each run side by side, one with the log in a folder, one with
serve.log.folder=null. A client on loopback asks them in turns, a hundred requests at a time, the same golden record
again and again; processor time is the kernel's count for the service and its children, the writing of files with it.
Median of the rounds' ratios.
"""

import http.client
import json
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from load import free_port, processor_seconds

from lightloop.serving.golden import read_golden

WAIT = 90.0  # seconds for a service to start
REST = 1.0  # seconds for what was asked to be written
TURN = 100  # requests before the other one is asked


class Service:
    """A service of a bundle in a folder of its own."""

    def __init__(self, bundle: Path, folder: Path, log: str) -> None:
        folder.mkdir()
        self.port = free_port()
        words = ["serve.workers=1", f"serve.port={self.port}", f"serve.log.folder={log}", "serve.log.seconds=0.5"]
        command = [sys.executable, "-m", "lightloop", "serve", "--bundle", str(bundle.resolve()), *words]
        out = (folder / "out").open("wb")
        self.process = psutil.Popen(command, cwd=folder, stdout=out, stderr=out)
        end = time.monotonic() + WAIT
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit((folder / "out").read_text()[-2000:])
            time.sleep(0.2)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def _ready(self) -> bool:
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            asked.request("GET", "/health/ready")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()

    def ask(self, body: str, count: int = TURN) -> None:
        for _ in range(count):
            self.connection.request("POST", "/v1/predict", body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content

    @property
    def seconds(self) -> float:
        """Of the processor, see `processor_seconds`."""
        return processor_seconds(self.process.pid)

    def close(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)


def main() -> None:
    """Measure; the services end with it, however that ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bundle = Path(sys.argv[1])
    given: dict[str, Any] = {key: int(value) for key, _, value in (word.partition("=") for word in sys.argv[2:])}
    count, rounds = given.get("requests", 1000), given.get("rounds", 5)
    body = json.dumps(read_golden(bundle).records[0])
    with tempfile.TemporaryDirectory() as place:
        services: list[Service] = []
        try:
            services.extend(Service(bundle, Path(place) / name, name) for name in ("log", "null"))
            for one in services:
                one.ask(body, 300)
            ratios, spent = [], []
            for _ in range(rounds):
                before = [one.seconds for one in services]
                for number in range(count // TURN):
                    for one in services if number % 2 else services[::-1]:
                        one.ask(body)
                time.sleep(REST)
                pair = [
                    1000 * (one.seconds - start) / (count // TURN * TURN)
                    for one, start in zip(services, before, strict=True)
                ]
                spent.append(pair)
                ratios.append(pair[0] / pair[1])
        finally:
            for one in services:
                one.close()
    with_log, without = (statistics.median(column) for column in zip(*spent, strict=True))
    print(f"{bundle.name}: {with_log:.3f} ms of processor time a request with the log, {without:.3f} ms without it")
    print(f"more by {statistics.median(ratios) - 1:.1%} (rounds: {', '.join(f'{one - 1:.1%}' for one in ratios)})")


if __name__ == "__main__":
    main()
