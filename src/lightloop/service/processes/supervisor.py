"""The parent of the workers: holds the sockets, and decides what is served, for all workers at once.

uvicorn's own supervisor is not used: a thread answers its pings, so that a worker whose loop hangs counts as well; a
killed parent leaves workers that go on serving; a replacement that can't start ends the service; and it knows no state
that a health check could tell.
"""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from lightloop.config.serve import ServeConfig
from lightloop.errors import LightloopError, UsageError
from lightloop.service.processes.children import SIGNALS, Children, Lost, preload
from lightloop.service.processes.control import Answer, Control
from lightloop.service.processes.listening import address_of, refuse_new
from lightloop.service.processes.state import (
    Change,
    Health,
    Pointer,
    Replaced,
    Served,
    ServiceFolder,
    Tried,
    put,
    start_of,
)
from lightloop.service.processes.trial import DEATHS, Trial, judge
from lightloop.service.processes.watching import Watched, judge_watched
from lightloop.service.tally import Tally

TICK = 0.1  # seconds between looks at the workers
LOADING = 120.0  # seconds that all workers together may take to load another release
REST = 3.0  # seconds that workers have after `drain`, before they are killed


class Supervisor:
    """A running service. `run` returns when it was told to stop and everything in flight is answered.

    Attributes:
        folder: where the processes tell each other.
        pointer: what is served.
    """

    def __init__(
        self,
        folder: ServiceFolder,
        settings: ServeConfig,
        served: Served,
        public: socket.socket,
        *,
        private: socket.socket | None = None,
        published: bool = True,
        replaced: Replaced | None = None,
        each: Callable[["Supervisor"], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            folder: made anew.
            settings: of the service.
            served: what is served first.
            public: bound socket.
            private: a Unix socket that is answered from the beginning, and asks nobody for a key.
            published: whether the public one is answered too; else when the command `publish` comes.
            replaced: what answers until then, and is returned to where the new release does worse (`watching`).
            each: called ten times a second.
            say: told what happens, a sentence each.
        """
        self.folder, self._settings = folder, settings
        self._public, self._private = public, private
        self._each, self._say = each, say
        self.pointer = Pointer(generation=1, current=served, public=published)
        self._before: Pointer | None = None
        self._change: Change | None = None
        self._changed = self._tried = 0.0
        self._replaced = replaced
        self._watched: Watched | None = None
        self._restarts = 0
        self._children = Children(folder, settings, public, private)
        self._stopping = self._was_ready = self._hurry = self._hand_over = False

    @property
    def generation(self) -> int:
        return self.pointer.generation

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or the command `stop`.

        Raises:
            LightloopError: the first workers can't begin, with their reason.
        """
        self.folder.create(self._settings)
        put(self.folder.pointer_path, self.pointer)
        control = Control(self.folder.control)
        before = {name: signal.signal(name, self._signalled) for name in SIGNALS}
        preload(self.folder)
        try:
            with selectors.SelectSelector() as selector:
                selector.register(control, selectors.EVENT_READ)
                self._children.inherited = (control.fileno(),)
                while not self._stopping:
                    self._look()
                    self._each(self)
                    if selector.select(TICK):
                        control.answer(self._handle)
            self._stop()
        finally:
            self._children.kill()
            for name, handler in before.items():
                signal.signal(name, handler)
            control.close()
            self.folder.health_path.unlink(missing_ok=True)

    def stop(self, *, hand_over: bool = False) -> None:
        """Stop in the next moment.

        Args:
            hand_over: whether another process answers the public socket from now on, so that it must stay open.
        """
        self._stopping, self._hand_over = True, hand_over

    def reload(self, served: Served, *, watch: bool = True) -> None:
        """Have all workers load another bundle and then answer with it; see `health` for what came of it.

        Args:
            served: the other one.
            watch: whether it is held against what it replaces, and gives way where it does worse.

        Raises:
            UsageError: another change is under way.
        """
        self._refuse_two()
        before = self.pointer.current
        replaced = Replaced(served=before, tally=self._total(before.digest).as_json())
        self._begin("reload", served.title, self.pointer.model_copy(update={"current": served, "candidate": None}))
        self._replaced = replaced if watch else None

    def try_out(self, tried: Tried) -> None:
        """Have all workers load a candidate, and judge it by what it does.

        Raises:
            UsageError: another change is under way, or it is what is served.
        """
        self._refuse_two()
        if tried.digest == self.pointer.current.digest:
            raise UsageError(f"{tried.title} is what is served already: there is nothing to try")
        self._begin(tried.mode, tried.title, self.pointer.model_copy(update={"candidate": tried}))

    def health(self) -> Health:
        """How the service is now."""
        trouble = self._trouble()
        return Health(
            pid=os.getpid(),
            started=start_of(os.getpid()) or "",
            beat=time.monotonic(),
            trouble=trouble,
            address=address_of(self._public),
            private=str(self._private.getsockname()) if self._private else None,
            public=all(report is not None and report.public for report in self._children.reports),
            current=self.pointer.current,
            candidate=self.pointer.candidate,
            workers=tuple(place.health() for place in self._children.places),
            change=self._change,
            watched=self._watched.before.title if self._watched else None,
        )

    # Ten times a second.

    def _look(self) -> None:
        for lost in self._children.look():
            self._say(f"worker {lost.place.index} {lost.how}; another one is started")
            self._lose(lost)
        self._follow_change()
        self._follow_watch()
        self._was_ready = self._was_ready or self._trouble() is None
        with suppress(OSError):  # a full disk is no reason to end
            self.folder.keep(self._settings, self.pointer)
            put(self.folder.health_path, self.health())

    def _lose(self, lost: Lost) -> None:
        """A worker that can't begin refuses a change; before anything was served, it ends the service."""
        failed = lost.place.failed
        if failed and self._under_way and failed.refused == self.generation:
            self._withdraw("refused", failed.why or "it does not load")
        elif not self._was_ready and (failed or lost.place.quick > DEATHS):
            how = f"worker {lost.place.index} {lost.how}"
            raise LightloopError(failed.why if failed and failed.why else f"the workers do not begin: {how}")

    def _trouble(self) -> str | None:
        """Why the service is not ready."""
        if self._stopping:
            return "the service stops"
        if self._children.ready < self._settings.workers:
            return f"{self._children.ready} of {self._settings.workers} workers are ready"
        return None

    # Changes: one at a time, decided here for all workers.

    @property
    def _under_way(self) -> bool:
        return self._change is not None and self._change.result == "under way"

    def _refuse_two(self) -> None:
        if self._change is not None and self._under_way:
            raise UsageError(f"a {self._change.what} of {self._change.version} is under way: wait until it is decided")

    def _begin(self, what: Literal["reload", "canary", "shadow", "return"], title: str, pointer: Pointer) -> None:
        self._before, self._watched, self._replaced = self.pointer, None, None
        self._change = Change(what=what, version=title, result="under way")
        self._changed, self._tried, self._restarts = time.monotonic(), 0.0, self._children.restarts
        self._point(pointer)

    def _point(self, pointer: Pointer) -> None:
        self.pointer = pointer.model_copy(update={"generation": self.generation + 1})
        put(self.folder.pointer_path, self.pointer)

    def _withdraw(
        self, result: Literal["refused", "returned"], why: str, figures: dict[str, float] | None = None
    ) -> None:
        """Back to what was served before."""
        assert self._before is not None
        assert self._change is not None
        self._point(self._before.model_copy(update={"public": self.pointer.public}))
        self._change = self._change.model_copy(update={"result": result, "why": why, "figures": figures or {}})
        self._say(f"{self._change.what} of {self._change.version}: {result}, {why}")

    def _follow_change(self) -> None:
        if self._change is None or not self._under_way:
            return
        reports = self._children.reports
        for report in reports:
            if report is not None and report.refused == self.generation:
                self._withdraw("refused", report.why or "it does not load")
                return
        deaths = self._children.restarts - self._restarts
        if deaths >= DEATHS:
            self._withdraw("returned", f"{deaths} workers died since it was loaded")
        elif any(report is None or report.generation < self.generation for report in reports):
            if time.monotonic() - self._changed > LOADING:
                self._withdraw("refused", f"it is not loaded after {LOADING:g} s")
        elif self._change.what in ("reload", "return"):
            self._change = self._change.model_copy(update={"result": "done"})
            self._say(f"{self._change.version} is served")
            self._watch()
        elif self.pointer.candidate is not None:
            self._judge(self.pointer.candidate)

    def _judge(self, tried: Tried) -> None:
        assert self._change is not None
        self._tried = self._tried or time.monotonic()
        candidate, current = self._total(tried.digest), self._total(self.pointer.current.digest)
        trial = Trial(tried.mode, candidate, current, time.monotonic() - self._tried)
        verdict = judge(self._settings.canary, trial)
        if verdict.word == "back":
            self._withdraw("returned", verdict.why or "", verdict.figures)
        elif verdict.word == "take":
            served = Served.model_validate(tried.model_dump())
            self._point(self.pointer.model_copy(update={"current": served, "candidate": None}))
            self._change = self._change.model_copy(update={"result": "done", "figures": verdict.figures})
            self._say(f"{self._change.version} is served after its trial")
        else:
            self._change = self._change.model_copy(update={"figures": verdict.figures})

    def _watch(self) -> None:
        """Hold the release that took over against what it replaced."""
        replaced, self._replaced = self._replaced, None
        if replaced is not None and replaced.served.digest != self.pointer.current.digest:
            usual = Tally.from_json(replaced.tally)
            self._watched = Watched(replaced.served, usual, time.monotonic(), self._children.restarts)

    def _follow_watch(self) -> None:
        """Return to the release before, where the one that took over surely does worse."""
        watched = self._watched
        if watched is None:
            return
        current = self.pointer.current
        verdict = judge_watched(
            self._settings.canary,
            self._total(current.digest),
            watched.usual,
            seconds=time.monotonic() - watched.begun,
            deaths=self._children.restarts - watched.restarts,
        )
        if verdict.word == "back":
            self._begin("return", watched.before.title, self.pointer.model_copy(update={"current": watched.before}))
            why = f"{current.title} is served no more: {verdict.why}"
            self._change = Change(
                what="return", version=watched.before.title, result="under way", why=why, figures=verdict.figures
            )
            self._say(why)
        elif verdict.word == "take":
            self._watched = None

    def _total(self, digest: str) -> Tally:
        return Tally.total(
            Tally.from_json(report.tallies[digest])
            for report in self._children.reports
            if report is not None and digest in report.tallies
        )

    # Commands.

    def _handle(self, command: dict[str, Any]) -> Answer:
        match command.get("do"):
            case "socket":
                return {"address": address_of(self._public)}, [self._public.fileno()]
            case "health":
                return self.health().model_dump(mode="json"), []
            case "publish":
                self._point(self.pointer.model_copy(update={"public": True}))
                self._watch()
            case "reload":
                self.reload(Served.model_validate(command["served"]), watch=bool(command.get("watch", True)))
            case "try":
                self.try_out(Tried.model_validate(command["tried"]))
            case "withdraw":
                if not self._under_way:
                    raise UsageError("nothing is under way that could be taken back")
                self._withdraw("returned", str(command.get("why", "it was taken back by hand")))
            case "stop":
                self.stop(hand_over=bool(command.get("hand_over")))
            case other:
                raise UsageError(f"the service knows no command {other!r}: it may be of another version")
        # Who asked may look at once.
        put(self.folder.health_path, self.health())
        return {"generation": self.generation}, []

    # The end.

    def _signalled(self, number: int, _: FrameType | None) -> None:
        # A second Ctrl-C does not wait.
        self._hurry = self._stopping and number == signal.SIGINT
        self._stopping = True

    def _stop(self) -> None:
        """Accept no more, answer what is in flight, end the workers."""
        with suppress(OSError):
            put(self.folder.health_path, self.health())
        if not self._hand_over:
            refuse_new(self._public)
        self._children.terminate()
        self._public.close()
        end = time.monotonic() + self._settings.drain + REST
        while not self._hurry and not self._children.ended() and time.monotonic() < end:
            time.sleep(TICK / 5)


def served_from(folder: Path, version: str | None, digest: str, about: dict[str, Any] | None = None) -> Served:
    """A verified bundle as something to be served."""
    return Served(folder=str(folder.resolve()), version=version, digest=digest, about=about or {})
