"""Real services in processes of their own, on bundles that are made in a moment, and cleaned up whatever happens."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper
from registry_world import dvc, git, make_model, verdict, write_other_bundle
from tiny_bundles import PLAIN, asked, plain_record

from lightloop.config.serve import ServeConfig
from lightloop.deploy.process import Start, prepare, words
from lightloop.project import Project
from lightloop.release.registry import promote, register
from lightloop.service.processes.control import ask
from lightloop.service.processes.listening import address_of, bind
from lightloop.service.processes.state import Health, Served, ServiceFolder
from lightloop.service.processes.supervisor import served_from
from lightloop.serving.golden import make_golden
from lightloop.serving.manifest import GOLDEN, GRAPH, HASHES, hash_files, verify_bundle
from lightloop.serving.predictor import Predictor

# The largest value that a release is warmed up with, where that is not nought: the lowest age.
HARMLESS = {"tabular": 18}


def make_served(folder: Path, seed: int, version: str | None = None) -> Served:
    """A bundle that answers otherwise for each seed."""
    write_other_bundle(folder, seed)
    return served_from(folder, version, verify_bundle(folder))


def add_golden(folder: Path, *, wrong: bool = False) -> None:
    """Put golden records into a bundle, with the answers that it gives, or with wrong ones."""
    predictor = Predictor.load(folder)
    golden = make_golden(predictor, asked())
    if wrong:
        golden = golden.model_copy(update={"answers": tuple(answer[::-1] for answer in golden.answers)})
    (folder / GOLDEN).write_text(golden.model_dump_json())
    (folder / HASHES).write_text(json.dumps(hash_files(folder)))


def make_release(project: Project, seed: int, *, wrong: bool = False, **judged: Any) -> None:
    """As `registry_world.make_model`, with golden records in the bundle."""
    source = project.root / "source"
    make_model(project, seed, **judged)
    add_golden(source, wrong=wrong)
    (project.root / "verdict.json").write_text(json.dumps(verdict(verify_bundle(source), **judged)))
    git(project.root, "add", "-A", "source", "verdict.json")
    git(project.root, "commit", "-qm", f"golden records of {seed}")
    dvc(project.root, "repro", "--quiet")


@dataclass
class Service:
    """A service in the foreground, as `lightloop serve` makes it."""

    process: "subprocess.Popen[bytes]"
    folder: ServiceFolder
    address: str
    log: Path

    def health(self) -> Health:
        health = self.folder.health()
        assert health is not None, f"the service ended: {self.log.read_text()}"
        return health

    def ask(self, **command: object) -> dict[str, object]:
        return ask(self.folder.control, **command)

    def reload(self, served: Served) -> Health:
        """Load another release and wait until that is decided."""
        self.ask(do="reload", served=served.model_dump())
        return self.decided()

    def decided(self, seconds: float = 60) -> Health:
        """Wait until the change that is under way is decided."""
        self.wait(lambda health: health.change is not None and health.change.result != "under way", seconds)
        return self.health()

    def wait(self, reached: Callable[[Health], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not reached(self.health()):
            assert time.monotonic() < end, f"not in time: {self.health()}\n{self.log.read_text()}"
            time.sleep(0.02)

    def workers(self) -> list[int]:
        return [worker.pid for worker in self.health().workers]


@contextmanager
def serving(folder: Path, served: Served, **settings: object) -> Iterator[Service]:
    """A ready service on a free port of this machine; gone after the block, with its workers."""
    chosen = ServeConfig.model_validate({"port": 0, "logs": "none", "watch": 0.1} | settings)
    public = bind(chosen.host, chosen.port)
    home = folder / "service"
    prepare(home, chosen, Start(served=served))
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*words(home), str(public.fileno())],
            pass_fds=[public.fileno()],
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        )
    service = Service(process, ServiceFolder(home), address_of(public), log)
    public.close()
    try:
        end = time.monotonic() + 60
        while (health := service.folder.health()) is None or health.trouble:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield service
    finally:
        stop_all(process)


def stop_all(process: "subprocess.Popen[bytes]") -> None:
    """End a service and everything that it started."""
    children = []
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in children:
        with suppress(psutil.Error):
            child.kill()
            child.wait(10)


def memory(pids: list[int]) -> list[int]:
    """Bytes that belong to each process alone."""
    return [psutil.Process(pid).memory_full_info().uss for pid in pids]


def write_failing_bundle(folder: Path) -> None:
    """A sound bundle whose graph fails on real records: such things show only when it is used."""
    write_other_bundle(folder, 9)
    model = onnx.load(folder / GRAPH)
    graph = model.graph
    feed, answer = graph.input[0].name, graph.output[0].name
    nodes = [
        helper.make_node("Cast", [feed], ["whole"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["whole"], ["largest"], keepdims=0),
        # An index beyond the last element.
        helper.make_node("Gather", ["ones", "largest"], ["factor"]),
        helper.make_node("Mul", ["unchecked", "factor"], [answer]),
    ]
    graph.initializer.append(numpy_helper.from_array(np.ones(HARMLESS.get(PLAIN, 0) + 1, np.float32), "ones"))
    kept = list(graph.node)
    place = next(place for place, node in enumerate(kept) if answer in node.output)
    kept[place].output[0] = "unchecked"
    del graph.node[:]
    graph.node.extend([*kept[: place + 1], *nodes, *kept[place + 1 :]])
    onnx.checker.check_model(model)
    onnx.save(model, folder / GRAPH)
    (folder / HASHES).write_text(json.dumps(hash_files(folder)))


def version_at(address: str) -> str:
    """Which release answers."""
    return str(httpx.post(f"{address}/v1/predict", json=plain_record(), timeout=30).json()["model_version"])


def later() -> None:
    """Let the clock go on to another second: two tags of the same can't be told apart."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.01)


def release_failing_bundle(world: Project) -> None:
    """v0.3.0 in production; without golden records, so that nothing shows before it is used."""
    shutil.rmtree(world.root / "source")
    write_failing_bundle(world.root / "source")
    (world.root / "verdict.json").write_text(
        json.dumps(verdict(verify_bundle(world.root / "source"), champion={"version": "v0.1.0"}))
    )
    git(world.root, "add", "-A", "source", "verdict.json")
    git(world.root, "commit", "-qm", "fails when used")
    dvc(world.root, "repro", "--quiet")
    register(world, commit=True)
    later()
    promote(world, stage="production", version="v0.3.0", force=True)
