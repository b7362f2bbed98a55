"""A forge on loopback: the parts of GitHub that the loop relies on, with the rules that decide whether it runs.

    git over HTTP      clone, fetch, push: `transport.py`
    REST               the calls that the project makes: `rest.py`
    workflows          which event starts which file, with which rights: `workflows.py`; the runner is act: `runner.py`

Rules that act does not know, and that are GitHub's:
- What a workflow's own token pushes or opens starts no workflow; `workflow_dispatch` and `repository_dispatch` do.
- A job's token may do what the job's `permissions` say, and nothing where its run ended. The repository is private.
- A push of more than three tags starts nothing for them.
- `on:` filters, inputs of `workflow_dispatch`, rights of called files.
- Workflows may open pull requests only where the repository's settings say so.

Not here: protection of branches, reviewers of environments, time limits and concurrency of jobs, hosted runners.
"""

import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rehearsal.content import Issue, Pull, Release
from rehearsal.repository import ZERO, Repository
from rehearsal.runner import Run, Runner, Token
from rehearsal.workflows import BRANCHES, TAGS, Event, InvalidError, Workflow, jobs, parse, wants

BOT = "github-actions[bot]"
PERSON = "alice"
MOST_TAGS = 3
EVERYTHING = {"*": "write"}
ELSEWHERE = {"id-token", "packages", "attestations", "security-events"}


@dataclass(frozen=True)
class Call:
    """A request with a token.

    Attributes:
        by: the run and the job that made it, such as "101/propose", or the person.
        what: such as "POST /pulls".
        right: that it needs.
        answer: HTTP status.
    """

    by: str
    what: str
    right: str
    answer: int


@dataclass
class Settings:
    """Those of the repository that the loop depends on; by default as docs/first-push.md says."""

    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    actions_may_open_pulls: bool = True
    left_out: frozenset[str] = frozenset()  # workflow files that a scenario does not run
    cloud: dict[str, str] = field(default_factory=dict)  # what a job with `id-token: write` is given


class Forge:
    """A repository on loopback with its workflows; a context manager.

    Args:
        root: a folder of its own.
        runner: of the workflow files.
        settings: of the repository.
        slug: its name.
        heard: told about each run that ended.
    """

    def __init__(
        self,
        root: Path,
        runner: Runner,
        settings: Settings | None = None,
        *,
        slug: str = "acme/model",
        heard: Callable[[Run], None] = lambda run: None,
    ) -> None:
        from rehearsal.transport import handler

        self.root, self.runner, self.slug, self.heard = root, runner, slug, heard
        self.settings = settings or Settings()
        self.repository = Repository(root / "git" / f"{slug}.git")
        self.tokens: dict[str, Token] = {"of-alice": Token(PERSON, bot=False, rights=dict(EVERYTHING))}
        self.runs: list[Run] = []
        self.calls: list[Call] = []
        self.suppressed: list[tuple[str, str]] = []  # what started nothing, and why
        self.faults: list[str] = []  # of the forge itself, or calls that it does not know: none may be left
        self.issues: dict[int, Issue] = {}
        self.releases: dict[int, Release] = {}
        self.labels: dict[str, dict[str, Any]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.attested: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []  # of the registry
        self.running = ""  # the workflow file that runs now
        self.lock = threading.RLock()
        self._numbers = iter(range(1, 10_000_000))
        self._ids = iter(range(101, 10_000_000))
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=self._work, daemon=True),
        ]

    def __enter__(self) -> "Forge":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        while True:  # what waits is not begun any more
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        self._queue.put(None)
        self.runner.stop()
        self._threads[1].join(20)  # it notes what came of the run that was ended
        self._server.shutdown()
        self._server.server_close()

    # Addresses

    @property
    def page(self) -> str:
        """The repository's address for people and for git."""
        return f"{self.url}/{self.slug}"

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"

    def address_for(self, token: str) -> str:
        """To push to as a person."""
        return self.page.replace("://", f"://x:{token}@")

    # What happens

    def next_number(self) -> int:
        """Of an issue or pull request: they share one series."""
        return next(self._numbers)

    def next_id(self) -> int:
        return next(self._ids)

    def pull(self, number: int) -> Pull:
        found = self.issues[number]
        assert isinstance(found, Pull), f"{number} is an issue"
        return found

    @property
    def pulls(self) -> list[Pull]:
        return [one for one in self.issues.values() if isinstance(one, Pull)]

    def emit(self, event: Event) -> None:
        with self.lock:
            self._queue.put(event)

    def event(self, name: str, payload: Mapping[str, Any], *, ref: str, sha: str, actor: str, **further: Any) -> Event:
        """An event with what every payload holds."""
        about = {
            "repository": {"full_name": self.slug, "default_branch": "main", "private": True, "html_url": self.page},
            "sender": {"login": actor},
        }
        return Event(name, about | dict(payload), sha, actor, ref, **further)

    def pushed(self, before: Mapping[str, str], after: Mapping[str, str], token: Token) -> None:
        """Find out what a push changed, and whom it concerns."""
        changed = [ref for ref in sorted({*before, *after}) if before.get(ref) != after.get(ref)]
        tags = [ref for ref in changed if ref.startswith(TAGS)]
        for ref in changed:
            old, new = before.get(ref, ZERO), after.get(ref, ZERO)
            if new == ZERO or not ref.startswith((TAGS, BRANCHES)):
                continue
            commit = self.repository.commit(ref) or new
            if token.bot:
                self.suppressed.append((f"push of {ref}", f"by the workflow token of run {token.run}"))
                continue
            if ref in tags and len(tags) > MOST_TAGS:
                self.suppressed.append((f"push of {ref}", f"{len(tags)} tags in one push: more than {MOST_TAGS}"))
                continue
            payload = {
                "ref": ref,
                "before": old,
                "after": commit,
                "created": old == ZERO,
                "deleted": False,
                "forced": False,
                "head_commit": {"id": commit, "message": self.repository.git("log", "-1", "--format=%B", commit)},
            }
            files = self.repository.changed(old, commit) if ref.startswith(BRANCHES) else ()
            self.emit(self.event("push", payload, ref=ref, sha=commit, actor=token.actor, files=files))
        for pull in self.pulls:
            if pull.state == "open" and f"{BRANCHES}{pull.head}" in changed:
                self.about_pull(pull, "synchronize", token)

    def about_pull(self, pull: Pull, action: str, token: Token) -> None:
        """Have the workflows know of a pull request, unless a workflow made it."""
        head, base = self.repository.commit(pull.head), self.repository.commit(pull.base)
        if token.bot or head is None or base is None:
            self.suppressed.append((f"pull request {pull.number} {action}", "made by the workflow token"))
            return
        merged = self.repository.merge(head, base, f"Merge {head} into {base}", PERSON)
        if merged is None:
            self.suppressed.append((f"pull request {pull.number} {action}", "it conflicts"))
            return
        ref = f"refs/pull/{pull.number}/merge"
        self.repository.put(ref, merged)
        payload = {
            "action": action,
            "number": pull.number,
            "after": merged,
            "deleted": False,
            "pull_request": pull.pull_json(self.page, head),
        }
        files = self.repository.changed(base, merged)
        self.emit(self.event("pull_request", payload, ref=ref, sha=merged, actor=token.actor, files=files))

    def tick(self, cron: str) -> None:
        """The time has come for the files with this schedule."""
        self.emit(self._on_main("schedule", {"schedule": cron}, "github"))

    def crons(self, file: str) -> list[str]:
        """The schedules of a workflow file."""
        from rehearsal.workflows import triggers

        text = self.repository.file("main", f".github/workflows/{file}")
        return [one["cron"] for one in triggers(parse(text or "")).get("schedule", [])]

    def _on_main(self, name: str, payload: Mapping[str, Any], actor: str, **further: Any) -> Event:
        sha = self.repository.commit("main") or ZERO
        return self.event(
            name, {"after": sha, "deleted": False, **payload}, ref=f"{BRANCHES}main", sha=sha, actor=actor, **further
        )

    def dispatch_outside(self, kind: str, payload: Mapping[str, Any], token: Token) -> None:
        """`repository_dispatch`."""
        found = {"action": kind, "branch": "main", "client_payload": dict(payload)}
        self.emit(self._on_main("repository_dispatch", found, token.actor, origin=token.run))

    # Running

    def wait(self) -> list[Run]:
        """Wait until nothing is left to run. Returns the runs that ended meanwhile, oldest first."""
        seen = getattr(self, "_seen", 0)
        self._queue.join()
        self._seen = len(self.runs)
        return self.runs[seen:]

    def _work(self) -> None:
        while True:
            event = self._queue.get()
            try:
                if event is None:
                    return
                for path in self._wanted(event):
                    self._run(path, event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the scenario must fail and say why
                self.faults.append(f"{event}: {error!r}")
            finally:
                self._queue.task_done()

    def _wanted(self, event: Event) -> Iterable[str]:
        for path in self.repository.workflows(event.sha):
            name = Path(path).name
            if event.only not in (None, name):
                continue
            try:
                workflow = parse(self.repository.file(event.sha, path) or "")
                wanted = event.only == name or wants(workflow, event)
            except (InvalidError, ValueError) as error:
                self._broken(path, event, f"Invalid workflow file: {error}")
                continue
            if wanted and name in self.settings.left_out:
                self.suppressed.append((f"{name} on {event.name}", "this scenario leaves it out"))
            elif wanted:
                yield path

    def _broken(self, path: str, event: Event, why: str) -> Run:
        """GitHub shows a run that failed before it began."""
        run = Run(next(self._ids), Path(path).name, event, conclusion="startup_failure", text=why)
        self.runs.append(run)
        self.heard(run)
        return run

    def _run(self, path: str, event: Event) -> None:
        workflow: Workflow = parse(self.repository.file(event.sha, path) or "")

        def called(file: str) -> str:
            found = self.repository.file(event.sha, file)
            if found is None:
                raise InvalidError(f"{file} does not exist")
            return found

        try:
            planned = jobs(workflow, called)
        except InvalidError as error:
            self._broken(path, event, str(error))
            return
        number = next(self._ids)
        token = Token(BOT, bot=True, rights={}, run=number)
        secret = f"ghs_{number:036d}"
        self.tokens[secret] = token
        run = Run(number, Path(path).name, event, planned=planned)
        begun, self.running = time.monotonic(), run.workflow
        try:
            self.runner.run(self, run, path, planned, token, secret)
        finally:
            run.seconds = time.monotonic() - begun
            del self.tokens[secret]
            self.runs.append(run)
        self.heard(run)
        about = {"id": number, "name": workflow.get("name", path), "conclusion": run.conclusion, "event": event.name}
        self.emit(self._on_main("workflow_run", {"action": "completed", "workflow_run": about}, event.actor))

    def unused_rights(self) -> list[str]:
        """Rights to change something that a job has and never used, though it ran.

        Those of identity and of packages are left out: they are for clouds and registries, which are not here.
        """
        given: dict[tuple[str, str], set[str]] = {}
        used: dict[tuple[str, str], set[str]] = {}
        done = {(call.by, call.right) for call in self.calls if call.answer < 400}
        for run in self.runs:
            for job in run.planned:
                if job.path[-1] in run.began:
                    name, by = (run.workflow, "/".join(job.path)), f"{run.number}/{job.path[-1]}"
                    rights = {right for right, level in job.rights.items() if level == "write"} - ELSEWHERE
                    given.setdefault(name, set()).update(rights)
                    used.setdefault(name, set()).update(right for right in rights if (by, f"{right}: write") in done)
        return sorted(
            f"{file}, {job}: {right}" for (file, job), rights in given.items() for right in rights - used[file, job]
        )

    def save(self) -> None:
        """Write what happened to `forge.json` in its folder."""
        found = {
            "runs": [run.summary() for run in self.runs],
            "calls": [vars(call) for call in self.calls],
            "suppressed": self.suppressed,
            "faults": self.faults,
            "issues": [one.json(self.page) | {"discussion": [c.body for c in one.comments]} for one in
                       self.issues.values()],
        }  # fmt: skip
        (self.root / "forge.json").write_text(json.dumps(found, indent=2))

    def remove(self) -> None:
        with suppress(OSError):
            shutil.rmtree(self.root)
