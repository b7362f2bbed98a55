"""What a service of several processes loses when it is changed, stopped, killed, overloaded, and how long that takes.

    python benchmarks/service.py [BUNDLE] [--rounds 10] [--reloads 100]

BUNDLE is that of an image model; without one it is a linear model made here. Clients and service share this machine, so
times are those of a machine that is busy. `benchmarks/load.py` measures throughput.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import psutil
from hammer import Hammer, Told
from services import image_record, make_served, memory, serving

from lightloop.service.processes.state import Served
from lightloop.service.processes.supervisor import served_from
from lightloop.serving.golden import read_golden
from lightloop.serving.manifest import HASHES, MANIFEST, hash_files, verify_bundle


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("bundle", nargs="?", type=Path)
    words.add_argument("--rounds", type=int, default=10)
    words.add_argument("--reloads", type=int, default=100)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pair, record = releases(folder, given.bundle)
        print(f"{psutil.cpu_count()} processors, {'a linear model' if given.bundle is None else given.bundle}")
        reload(folder / "reload", pair, record, given.reloads)
        stop(folder / "stop", pair[0], record, given.rounds)
        kill(folder / "kill", pair[0], record, given.rounds)
        overload(folder / "overload", pair[0], record)


def releases(folder: Path, bundle: Path | None) -> tuple[tuple[Served, Served], object]:
    """Two releases that are told apart, and a record for both."""
    if bundle is None:
        return (make_served(folder / "one", 1, "v1"), make_served(folder / "two", 2, "v2")), image_record()
    served = []
    for name in ("one", "two"):
        shutil.copytree(bundle, folder / name)
        manifest = json.loads((folder / name / MANIFEST).read_text())
        manifest["name"] = f"{manifest['name']}-{name}"
        (folder / name / MANIFEST).write_text(json.dumps(manifest))
        (folder / name / HASHES).write_text(json.dumps(hash_files(folder / name)))
        served.append(served_from(folder / name, name, verify_bundle(folder / name)))
    golden = read_golden(folder / "one").records
    return (served[0], served[1]), golden[0] if golden else image_record()


def reload(folder: Path, pair: tuple[Served, Served], record: object, count: int) -> None:
    folder.mkdir()
    with serving(folder, pair[0]) as service:
        hammer = Hammer(service.address, record, clients=8)
        seconds, sizes = [], []
        with hammer.running() as load:
            for number in range(count):
                begun = time.monotonic()
                health = service.reload(pair[1 - number % 2])
                assert health.change is not None
                assert health.change.result == "done", health.change
                seconds.append(time.monotonic() - begun)
                sizes.append(sum(memory(service.workers())) / 1e6)
    say("reload", load, f"{count} releases, {statistics.median(seconds):.2f} s each until all workers answer with it")
    tenths = [round(statistics.mean(sizes[start : start + count // 5])) for start in range(0, count, count // 5)]
    print(f"         memory of both workers, MB, mean of each fifth: {', '.join(map(str, tenths))}")


def stop(folder: Path, served: Served, record: object, rounds: int) -> None:
    total, seconds = Told(), []
    for number in range(rounds):
        (folder / str(number)).mkdir(parents=True)
        with serving(folder / str(number), served) as service:
            hammer = Hammer(service.address, record, clients=16)
            with hammer.running() as load:
                time.sleep(0.5)
                begun = time.monotonic()
                service.process.send_signal(signal.SIGTERM)
                service.process.wait(60)
                seconds.append(time.monotonic() - begun)
        add(total, load)
    say("SIGTERM", total, f"{rounds} times at 16 clients, stopped after {spread(seconds)}")


def kill(folder: Path, served: Served, record: object, rounds: int) -> None:
    folder.mkdir()
    told, recovered = [], []
    with serving(folder, served) as service:
        hammer = Hammer(service.address, record, clients=8)
        with hammer.running() as load:
            for number in range(rounds):
                time.sleep(6)  # a worker that dies young is replaced later
                begun = time.monotonic()
                os.kill(service.workers()[number % 2], signal.SIGKILL)
                service.wait(lambda health: health.trouble is not None)
                told.append(time.monotonic() - begun)
                service.wait(lambda health: health.trouble is None)
                recovered.append(time.monotonic() - begun)
    say("kill -9", load, f"{rounds} workers, 8 clients: told after {spread(told)}, recovered after {spread(recovered)}")


def overload(folder: Path, served: Served, record: object) -> None:
    folder.mkdir()
    queue, workers = 8, 2
    with serving(folder, served, queue=queue, workers=workers) as service:
        for name, clients in (("capacity", 8), ("overload", 10 * queue * workers)):
            hammer = Hammer(service.address, record, clients=clients)
            begun = time.monotonic()
            with hammer.running() as load:
                time.sleep(8)
            rate = load.statuses[200] / (time.monotonic() - begun)
            times = f"p50 {load.quantile(0.5) * 1e3:.1f} ms, p99 {load.quantile(0.99) * 1e3:.1f} ms"
            say(name, load, f"{clients} clients, {rate:.0f} accepted a second: {times}")
        print(f"         restarts of workers: {[worker.restarts for worker in service.health().workers]}")


def add(total: Told, load: Told) -> None:
    total.statuses += load.statuses
    total.lost += load.lost
    total.refused += load.refused


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (at most {max(seconds):.2f})"


def say(what: str, load: Told, words: str) -> None:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(load.statuses.items()))
    print(
        f"{what:8} {words}\n         answers {statuses}; lost {len(load.lost)}, not connected {load.refused}",
        flush=True,
    )


if __name__ == "__main__":
    main()
