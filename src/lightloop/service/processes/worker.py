"""A process that answers: uvicorn with the app of what the pointer names, which it follows."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Generator, MutableSequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from lightloop.config.serve import ServeConfig
from lightloop.errors import LightloopError
from lightloop.journal import die_with_parent
from lightloop.service.app import build_app
from lightloop.service.edge import PRIVATE
from lightloop.service.loaded import Loaded
from lightloop.service.processes.accepting import Acceptor, nobody, surplus
from lightloop.service.processes.heads import Heads
from lightloop.service.processes.listening import BACKLOG
from lightloop.service.processes.reporting import Reporter
from lightloop.service.processes.state import Pointer, Served, ServiceFolder, State, WorkerReport
from lightloop.service.slots import Candidate, Slots
from lightloop.serving.light import keep_pandas_out
from lightloop.serving.logged import KEY, check_redaction

BEAT = 0.2  # seconds between signs of life
LAST = 0.05  # seconds in which connections that still wait are accepted, before the socket is closed
QUIET = 2.0  # seconds after the stop began, after which a connection without a request is closed
KEEP_ALIVE = 75  # seconds; longer than clients and proxies keep a connection, so that they close it and not we
YOUNG = 50_000  # new objects after which those that hold each other are looked for; two seconds of answers are fewer
FAILED = 3  # exit code of a worker that could not begin


class _State(ServerState):
    """What the connections of a process share.

    Attributes:
        shed: how many of them are still to be closed, each after its next answer.
        stopping: whether all are.
    """

    shed = 0
    stopping = False


class Connection(Heads):
    """A connection that can be told to end with its next answer, which then says `Connection: close`."""

    def on_headers_complete(self) -> None:
        """See httptools; the request's answer has not begun yet."""
        super().on_headers_complete()
        state = self.server_state
        assert isinstance(state, _State)
        if state.stopping:
            self.cycle.keep_alive = False
        elif state.shed and self.cycle.keep_alive:
            state.shed -= 1
            self.cycle.keep_alive = False


class Worker(uvicorn.Server):
    """uvicorn's server that also reports, follows the pointer, and stops without a lost request."""

    def __init__(self, config: uvicorn.Config, follower: "Follower", drain: float, held: MutableSequence[int]) -> None:
        super().__init__(config)
        self._follower, self._drain, self._held = follower, drain, held
        self._acceptors: list[Acceptor] = []
        self._shared = _State()
        self.server_state = self._shared

    def alone(self) -> bool:
        """Whether there is at most one request."""
        return len(self.server_state.tasks) <= 1

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin with no socket: the follower opens them."""
        await super().startup(sockets=[])
        await self._follower.begin(self)

    async def listen(self, listening: socket.socket) -> None:
        """Answer one more socket; the app can tell who came by the private one, which is a Unix socket."""
        private = listening.family == socket.AF_UNIX
        state = self.lifespan.state | ({PRIVATE: True} if private else {})

        def protocol() -> asyncio.Protocol:
            return Connection(config=self.config, server_state=self.server_state, app_state=state)

        # The private socket has no part in the balance.
        held = nobody(1) if private else self._held
        place = 0 if private else self._follower.index
        listening.listen(BACKLOG)
        self._acceptors.append(Acceptor(listening, protocol, held, place, lambda: len(self.server_state.connections)))

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        for acceptor in self._acceptors:
            acceptor.count()
        self._shared.shed = surplus(self._held, self._follower.index)
        await self._follower.tick()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, answer what came and what still comes on open connections, then close them.

        uvicorn closes connections without a request at once, and a request that is on its way there is lost. Here
        such a connection may bring one more, whose answer says `Connection: close`.
        """
        self._follower.report("stopping")
        await asyncio.sleep(LAST)
        for acceptor in self._acceptors:
            await acceptor.close()
        state = self._shared
        state.stopping = True
        for connection in list(state.connections):
            if cycle := _unanswered(connection):
                cycle.keep_alive = False
        begun = time.monotonic()
        while state.connections and not self.force_exit and (waited := time.monotonic() - begun) < self._drain:
            if waited > QUIET:
                for connection in [one for one in state.connections if not _unanswered(one)]:
                    connection.transport.close()
            self._follower.beat("stopping")
            await asyncio.sleep(0.02)
        for task in list(state.tasks):
            task.cancel()
        if not self.force_exit:
            await self.lifespan.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM stops; Ctrl-C is the supervisor's to hear, who tells us."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.handle_exit)
        yield


def _unanswered(connection: Any) -> Any:
    """The request of the connection that waits for its answer, or None."""
    cycle = getattr(connection, "cycle", None)
    return None if cycle is None or cycle.response_complete else cycle


class Follower:
    """Loads what the pointer names, beside what answers, and says how the worker is."""

    def __init__(
        self,
        folder: ServiceFolder,
        index: int,
        settings: ServeConfig,
        sockets: tuple[socket.socket, socket.socket | None],
    ) -> None:
        public, self._private = sockets
        self._folder, self.index, self._settings = folder, index, settings
        pointer = folder.pointer()
        self._public: socket.socket | None = public
        self._reporter = Reporter(folder.worker_path(index))
        self._seen: tuple[int, int] | None = None
        self._watched = self._reported = 0.0
        # One thread for all loading: memory that a thread freed is used again by the same thread.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._loading: Future[tuple[Loaded, Candidate | None]] | None = None
        self._pointer = self._wanted = pointer
        self._refused = 0
        self._why: str | None = None
        self._state: State = "loading"
        self._server: Worker | None = None
        self._slots: Slots | None = None
        self.report("loading", wait=True)

    def load(self) -> Slots:
        """Load what the pointer names at the beginning.

        Raises:
            LightloopError: it can't be served; reported too.
        """
        try:
            current, candidate = self._load(self._pointer)
            check_redaction(current.predictor.manifest, self._settings.log, os.environ.get(KEY))
        except LightloopError as error:
            self._refused, self._why = self._pointer.generation, str(error)
            self.report("failed", wait=True)
            raise
        self._slots = Slots(current, trouble=self._trouble)
        self._slots.offer(candidate)
        return self._slots

    async def begin(self, server: Worker) -> None:
        """Called once the app is up."""
        self._server = server
        if self._private is not None:
            await server.listen(self._private)
        await self._open()
        # What is there now stays: later collections need not look at it. What waits for the log goes by itself.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG)
        self.report("ready")

    async def tick(self) -> None:
        now = time.monotonic()
        if now - self._watched >= self._settings.watch:
            self._watched = now
            self._watch()
        if self._loading is not None and self._loading.done():
            done, self._loading = self._loading, None
            self._take(done)
        await self._open()
        self.beat(self._state)

    def report(self, state: State, *, wait: bool = False) -> None:
        """Have this worker's file written; see `Reporter.put`."""
        self._state, self._reported = state, time.monotonic()
        slots = self._slots
        report = WorkerReport(
            pid=os.getpid(),
            beat=self._reported,
            state=state,
            generation=self._pointer.generation if slots else 0,
            refused=self._refused,
            why=self._why,
            public=self._public is None,
            tallies={digest: tally.as_json() for digest, tally in slots.tallies.items()} if slots else {},
        )
        self._reporter.put(report, wait=wait)

    def beat(self, state: State) -> None:
        """A sign of life, where the last is old enough and written."""
        if time.monotonic() - self._reported >= BEAT and not self._reporter.busy:
            self.report(state)

    def _trouble(self) -> str | None:
        if self._state == "stopping":
            return "this worker stops"
        health = self._folder.health()
        if health is None or time.monotonic() - health.beat > self._settings.hang:
            return "the supervisor does not report"
        return health.trouble

    async def _open(self) -> None:
        if self._public is not None and self._pointer.public and self._server is not None:
            public, self._public = self._public, None
            await self._server.listen(public)

    def _watch(self) -> None:
        """Begin to load when the pointer is another one."""
        try:
            status = self._folder.pointer_path.stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if seen == self._seen or self._loading is not None:
                return
            pointer = self._folder.pointer()
        except OSError:
            return  # the supervisor writes it again
        self._seen = seen
        if pointer.generation > self._wanted.generation:
            self._wanted = pointer
            self._loading = self._thread.submit(self._load, pointer)

    def _load(self, pointer: Pointer) -> tuple[Loaded, Candidate | None]:
        slots = self._slots
        have = {slots.current.digest: slots.current} if slots else {}
        if slots and slots.candidate:
            have[slots.candidate.loaded.digest] = slots.candidate.loaded
        current = have.get(pointer.current.digest) or self._open_bundle(pointer.current)
        tried = pointer.candidate
        if tried is None:
            return current, None
        loaded = have.get(tried.digest) or self._open_bundle(tried)
        return current, Candidate(loaded, tried.mode, tried.share)

    def _open_bundle(self, served: Served) -> Loaded:
        loaded = Loaded.open(
            Path(served.folder),
            served.version,
            self._settings.threads,
            most=self._settings.max_records,
            novelty=self._settings.novelty,
            about=served.about,
        )
        if loaded.digest != served.digest:
            raise LightloopError(
                f"{served.folder} holds the bundle {loaded.digest[:12]}, but {served.digest[:12]} was to be served: "
                "deploy again"
            )
        return loaded

    def _take(self, done: "Future[tuple[Loaded, Candidate | None]]") -> None:
        """Let what was loaded answer, or keep what answers and say why."""
        try:
            current, candidate = done.result()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with another bundle, this one goes on
            self._refused = self._wanted.generation
            self._why = str(error) if isinstance(error, LightloopError) else f"{type(error).__name__}: {error}"
            self.report(self._state)
            return
        assert self._slots is not None, "the first release was loaded before the server ran"
        if current is not self._slots.current:
            self._slots.swap(current)
        if candidate != self._slots.candidate:
            self._slots.offer(candidate)
        self._pointer = self._wanted
        self.report(self._state)
        self._thread.submit(_tidy)


def _tidy() -> None:
    """Give back the memory of the release before."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)


def main(
    folder: ServiceFolder,
    index: int,
    public: socket.socket,
    private: socket.socket | None,
    *,
    held: MutableSequence[int],
    parent: int,
) -> int:
    """Serve until told to stop.

    Args:
        folder: of the service.
        index: of this worker.
        public: socket that is answered as soon as the pointer says so.
        private: socket that is answered from the beginning.
        held: connections of each worker, see `accepting`.
        parent: process without which this one ends.

    Returns:
        The exit code.
    """
    die_with_parent()
    if sys.platform == "linux" and os.getppid() != parent:
        return FAILED
    keep_pandas_out()
    settings = folder.settings()
    follower = Follower(folder, index, settings, (public, private))
    try:
        app = build_app(follower.load(), settings)
    except LightloopError:
        return FAILED
    config = uvicorn.Config(
        app,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Spans alone tell the client's scheme and address; nothing else asks for them.
        proxy_headers=settings.traces is not None,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
    )
    worker = Worker(config, follower, settings.drain, held)
    app.work.alone = worker.alone
    worker.run()
    return 0
