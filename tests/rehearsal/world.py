"""A project as a person makes it from this template, a forge that it is pushed to, and what people see of both."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rehearsal.content import Pull
from rehearsal.forge import Forge, Settings
from rehearsal.repository import ENVIRONMENT
from rehearsal.runner import Run, Runner

TEMPLATE = Path(__file__).parent.parent.parent
# What a clone of the template has of its own results: a project that begins has none.
RESULTS = ("storage/", "artifacts/", "dvc.lock", "reports/")
DATA = "loans"
EXPERIMENT = "loans-fast"


class UnexpectedError(AssertionError):
    """Something that people see is not as it must be."""


@dataclass
class World:
    """A person's clone, the forge, and the service.

    Attributes:
        alice: the clone.
        checked: how many things were looked at.
        mutate: puts a mistake into the project before it is pushed.
    """

    root: Path
    forge: Forge
    quiet: bool = False
    checked: int = 0
    mutate: Callable[[Path], None] | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def alice(self) -> Path:
        return self.root / "alice"

    @property
    def service(self) -> Path:
        """LIGHTLOOP_DEPLOY_ROOT."""
        return self.root / "deployed"

    @property
    def log(self) -> str:
        return self.forge.settings.variables["LIGHTLOOP_LOG"]

    # What alice does

    def do(self, *words: str, cwd: Path | None = None, fails: bool = False, **environment: str) -> str:
        """Run a command as she does; her programs are those of the tests' environment.

        Raises:
            UnexpectedError: it fails, or with `fails` does not.
        """
        done = subprocess.run(
            words,
            cwd=cwd or self.alice,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if (done.returncode != 0) != fails:
            raise UnexpectedError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr if fails else done.stdout

    def environment(self) -> dict[str, str]:
        """Hers: nothing of the machine's, but for the programs."""
        person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in ALICE.items()}
        cloud = self.forge.settings.cloud
        return self.forge.runner.basics() | ENVIRONMENT_OF_GIT | person | cloud | {"HOME": str(self.root)} | {
            "PYTHONPATH": str(self.alice / "src")
        }  # fmt: skip

    def commit(self, message: str, *paths: str) -> None:
        self.do("git", "add", *(paths or ("-A",)))
        self.do("git", "commit", "-qm", message)

    def push(self, *refs: str) -> None:
        self.do("git", "push", "-q", "origin", *(refs or ("main",)))

    def fetch(self) -> None:
        """Bring her clone to what stands on main."""
        self.do("git", "fetch", "-q", "--tags", "--force", "origin")
        self.do("git", "checkout", "-q", "main")
        self.do("git", "reset", "-q", "--hard", "origin/main")

    def ask(self, method: str, path: str, **content: object) -> Any:
        """A REST call as she makes it in the browser."""
        headers = {"Authorization": "Bearer of-alice"}
        url = f"{self.forge.api}/repos/{self.forge.slug}{path}"
        found = httpx.request(method, url, json=content or None, headers=headers, timeout=60)
        if found.is_error:
            raise UnexpectedError(f"{method} {path}: {found.status_code} {found.text}")
        return found.json() if found.content else None

    def merge(self, pull: Pull) -> None:
        """Press the button; a draft is made ready first."""
        pull.draft = False
        self.ask("PUT", f"/pulls/{pull.number}/merge")

    # What happens, and what is seen

    def say(self, *words: object) -> None:
        if not self.quiet:
            print(f"[{time.monotonic() - self.begun:6.1f}s]", *words, flush=True)

    def settle(self, title: str, *, fails: tuple[str, ...] = ()) -> list[Run]:
        """Wait until nothing runs any more.

        Args:
            title: what was done.
            fails: workflow files whose run must fail; any other must not.

        Returns:
            The runs that there were.
        """
        self.say(f"--- {title}")
        runs = self.forge.wait()
        if self.forge.faults:
            raise UnexpectedError("; ".join(self.forge.faults))
        for run in runs:
            wanted = run.workflow in fails
            self.checked += 1
            if (run.conclusion != "success") != wanted:
                raise UnexpectedError(
                    f"{run.workflow} on {run.event.name} (run {run.number}) ended with {run.conclusion}, "
                    f"jobs {run.jobs}:\n{run.errors()}"
                )
        if missing := set(fails) - {run.workflow for run in runs}:
            raise UnexpectedError(f"{title}: expected a run of {', '.join(sorted(missing))} that fails; there was none")
        return runs

    def heard(self, run: Run) -> None:
        about = f"{run.workflow:13} on {run.event.name:17} by {run.event.actor:19}"
        self.say(f"    {about} {run.seconds:5.1f} s  {run.conclusion:7} {run.jobs}")

    def expect(self, condition: object, sentence: str) -> None:
        """Something that people see."""
        self.checked += 1
        if not condition:
            raise UnexpectedError(sentence)
        self.say(f"    ok: {sentence}")

    def same(self, found: object, wanted: object, what: str) -> None:
        self.expect(
            found == wanted, f"{what}: {wanted!r}" if found == wanted else f"{what} is {found!r}: not {wanted!r}"
        )

    def tags(self) -> list[str]:
        """Of the forge."""
        return self.forge.repository.git("tag", "--list", "--sort=creatordate").split()

    def one(self, runs: list[Run], workflow: str) -> Run:
        """The only run of a file."""
        found = [run for run in runs if run.workflow == workflow]
        self.same(len(found), 1, f"runs of {workflow}")
        return found[0]

    def standing(self) -> str | None:
        """The version in production, as a fresh clone sees it."""
        shown = self.do("gto", "show", "model#production", "--ref", cwd=self.forge.repository.path)
        return shown.strip() or None

    def address(self) -> str:
        """Of the service that runs; people ask it over HTTP."""
        found = list(self.service.rglob("service.json"))
        if not found:
            raise UnexpectedError("nothing was deployed")
        folder = Path(json.loads(found[0].read_text())["folder"])
        health = json.loads((folder / "health.json").read_text())
        return str(health["address"])

    def served(self) -> dict[str, Any]:
        """What the service says about itself."""
        return dict(httpx.get(f"{self.address()}/v1/metadata", timeout=30).raise_for_status().json())

    def predict(self, record: dict[str, Any]) -> dict[str, Any]:
        """An answer of the service."""
        return dict(httpx.post(f"{self.address()}/v1/predict", json=record, timeout=30).raise_for_status().json())


# Of the machine that serves: any port that is free, soon in the log, and soon sure of a new release.
SERVICE = {
    "LIGHTLOOP_SERVE_PORT": "0",
    "LIGHTLOOP_SERVE_WORKERS": "1",
    "LIGHTLOOP_SERVE_LOG_SECONDS": "1",
    "LIGHTLOOP_SERVE_CANARY_SHARE": "0.5",
    "LIGHTLOOP_SERVE_CANARY_REQUESTS": "20",
    "LIGHTLOOP_SERVE_CANARY_SECONDS": "5",
    "LIGHTLOOP_SERVE_CANARY_WATCH": "2",
    # This machine does other things too: a slow second is no fault of a release.
    "LIGHTLOOP_SERVE_CANARY_MAX_SLOWDOWN": "50",
}
ALICE = {"NAME": "alice", "EMAIL": "alice@example.invalid"}
ENVIRONMENT_OF_GIT = {name: value for name, value in ENVIRONMENT.items() if name.startswith("GIT_")}


@contextmanager
def world(
    root: Path,
    settings: Settings | None = None,
    *,
    quiet: bool = False,
    keep: bool = False,
    cache: Path | None = None,
) -> Iterator[World]:
    """A project that nobody has pushed yet, and its forge. All that was started is ended, whatever happens.

    Args:
        root: a folder of its own, which is made.
        settings: of the forge's repository.
        quiet: whether progress is kept to itself.
        keep: whether the folder stays, to be looked at.
        cache: a folder in which DVC keeps what it made: a next rehearsal does not train the very same again.
    """
    settings = settings or Settings()
    settings.variables = {
        "DEPLOY_TARGET": "local",
        "LIGHTLOOP_DEPLOY_ROOT": str(root / "deployed"),
        "LIGHTLOOP_LOG": str(root / "log"),
        "LIGHTLOOP_FEEDBACK": str(root / "feedback"),
    } | settings.variables
    root.mkdir(parents=True)
    runner = Runner(root / "runner", SERVICE | dict(shared(cache) if cache else ()))
    forge = Forge(root / "forge", runner, settings)
    made = World(root, forge, quiet)
    forge.heard = made.heard
    try:
        with forge:
            yield made
    finally:
        forge.save()
        runner.stop()
        if not keep:
            with suppress(OSError):
                shutil.rmtree(root)


def shared(cache: Path) -> dict[str, str]:
    """Have DVC use a cache that other clones use too."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "config").write_text(f"[cache]\n    dir = {cache / 'files'}\n")
    return {"DVC_GLOBAL_CONFIG_DIR": str(cache)}


def template_files() -> list[str]:
    """The files of the work tree that belong to the template: tracked, or new and not ignored."""
    words = ("git", "-C", str(TEMPLATE), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in listed if name and not name.startswith(RESULTS) and (TEMPLATE / name).is_file()]


def begin(world: World) -> None:
    """Make alice's project from the template: its files as they lie here, the data of loans, its fast experiment."""
    root = world.alice
    for name in template_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TEMPLATE / name, root / name, follow_symlinks=False)
    shutil.copytree(TEMPLATE / "data" / DATA, root / "data" / DATA)
    config = root / "configs" / "config.yaml"
    text = config.read_text()
    replaced = re.sub(r"(?m)^(  - experiment: )\S+", rf"\g<1>{EXPERIMENT}", text)
    assert replaced != text, "configs/config.yaml names its experiment otherwise"
    config.write_text(replaced)
    if world.mutate:
        world.mutate(root)
    world.do("git", "init", "-q", "-b", "main")
    (root / "data.dvc").unlink(missing_ok=True)
    if "remote = embedded" not in (root / ".dvc" / "config").read_text():
        world.do("dvc", "remote", "default", "embedded")  # what is rehearsed stays out of the project's own remote
    world.do("dvc", "add", "-q", "data")
    world.do("dvc", "push", "-q", "data.dvc")
    world.do("python", "-c", COMPOSE)
    world.commit("Begin")
    world.do("git", "remote", "add", "origin", world.forge.address_for("of-alice"))


COMPOSE = """
from lightloop.config.compose import compose_config, write_params
from lightloop.project import Project
write_params(Project.find(), compose_config(Project.find(), []))
"""


def processor_seconds() -> float:
    """Of this process and of those of its children that ended: time that does not depend on who else is here."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
