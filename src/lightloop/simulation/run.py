"""The simulation: day after day of traffic, the monitor at its end, and what it asks for."""

import json
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from lightloop.collection.outdated import Judgement
from lightloop.collection.said import holding
from lightloop.data.tabular.input import TabularInput
from lightloop.errors import LightloopError, RefusedError
from lightloop.files import read_json, write_json
from lightloop.monitoring.findings import Monitoring
from lightloop.monitoring.window import read_window
from lightloop.project import Project
from lightloop.serving.manifest import read_manifest
from lightloop.simulation.copied import Copy
from lightloop.simulation.page import write_page
from lightloop.simulation.plan import START, WHOLE, WINDOW, Plan
from lightloop.simulation.records import Stream
from lightloop.simulation.timeline import DaySeen, Event, Timeline, What, worst
from lightloop.simulation.traffic import Clients, Day

# A test set of which a part is of a world that is no more can't reach what the first model reached on the old one; and
# of a few hundred records with a rare class AUROC is the metric that tells models apart, as in `experiment=loans`. The
# margin is about two standard errors of the difference on so few (0.02, measured).
GATE = (
    "gate.metric=auroc",
    "gate.margin=0.05",
    "gate.bounds.accuracy=0.6",
    "gate.bounds.auroc=0.55",
    "gate.bounds.log_loss=0.7",
    "gate.max_ece=0.2",
)
WRITTEN = 30.0  # seconds that the service may take to write what it answered
Say = Callable[[str], None]


def simulate(source: Project, plan: Plan, folder: Path, say: Say = print) -> Timeline:
    """Simulate; `simulation.json` and `simulation.html` lie in the folder's `reports` afterwards.

    Args:
        source: the user's project, which is only read.
        plan: what drifts, and how.
        folder: of the copy. What an earlier simulation left there is removed.
        say: told what happens, a sentence each.

    Raises:
        UsageError: the folder holds something else, or the experiment is no table of two classes.
        LightloopError: a part of the loop failed.
    """
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
    copy = Copy.make(source, folder, plan, _free_port())
    (folder / MARK).write_text("made by lightloop simulate, which removes it the next time\n")
    run = _Run(copy, plan, say)
    try:
        with _ending():
            timeline = run.whole()
    finally:
        copy.run("stop")
    write_json(copy.project.reports / "simulation.json", timeline.model_dump(mode="json"))
    say(f"page: {write_page(copy.project, timeline)}")
    return timeline


MARK = ".lightloop/simulated"


@contextmanager
def _ending() -> Iterator[None]:
    """Let a wish to end this process be an exception, so that the service of the copy is stopped first."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Run:
    def __init__(self, copy: Copy, plan: Plan, say: Say) -> None:
        self.copy = copy
        self.plan = plan
        self.say = say
        self.began = time.monotonic()
        self.events: list[Event] = []
        self.days: list[DaySeen] = []
        self.now: datetime = START
        self.first_alarm: int | None = None
        self.drifted: float | None = None  # real time of the first record with drift
        self.made_for: dict[str, float] = {}  # by release, the strength of the drift that it was made of
        self.recovered_at: tuple[int, float] | None = None

    def whole(self) -> Timeline:
        """All days, or those until the recovered model showed what it can."""
        self._release("the first model", 0.0)
        schema = read_manifest(self.copy.project.bundle).input
        assert isinstance(schema, TabularInput)
        kinds = {one.name: "number" if one.kind == "number" else "text" for one in schema.features}
        stream = Stream(self.copy.stream, self.copy.spec, self.plan, kinds)
        clients = Clients(f"http://127.0.0.1:{self.copy.port}", self.plan.labels, self.plan.seed)
        try:
            for day in range(self.plan.days):
                self._day(day, stream, clients)
                if self._is_last(day):
                    break
        finally:
            clients.close()
        return self._timeline()

    def _day(self, day: int, stream: Stream, clients: Clients) -> None:
        begins = self.plan.begins(day)
        self.now = begins
        records = stream.day(day)
        drift = records[-1].drift
        if drift and self.drifted is None:
            self.drifted = time.monotonic()
            self._tell("drift", f"{self.plan.form} {self.plan.kind} drift of {self.plan.amount:g} begins")
        answered = time.monotonic()
        seen = clients.day(records, lambda part: self.copy.turn(day + part))
        served = max(seen.versions, key=lambda name: seen.versions[name], default="none")
        whole = records[0].drift >= WHOLE and self.made_for.get(served, 0.0) > 0
        if self.recovered_at is None and whole and self._is_back(seen.accuracy):
            self.recovered_at = (day, answered)
        self._wait_for_log(begins, seen)
        self.copy.turn(day + 1)
        self.now = begins + WINDOW
        found = self._monitor()
        alarms = [f"{one.kind} {one.name}".strip() for one in found.windows[-1].findings if one.alarm]
        self.days.append(
            DaySeen(
                begins=begins,
                drift=drift,
                asked=seen.asked,
                failed=seen.failed,
                accuracy=seen.accuracy,
                version=served,
                act=found.act,
                alarms=alarms,
            )
        )
        accuracy = "nothing answered" if seen.accuracy is None else f"accuracy {seen.accuracy:.3f}"
        self.say(f"{begins:%a %d %b}: {seen.asked} records, {accuracy}, {served} served; monitor: {found.act}")
        if found.act != "nothing":
            self.first_alarm = day if self.first_alarm is None else self.first_alarm
            self._tell("alarm", f"{found.act}: {_short(found.reasons or alarms)}")
        if found.act == "retrain" and not self._is_last(day):
            self._retrain(day, drift)

    def _is_last(self, day: int) -> bool:
        """Whether the simulation ends after a day: the planned ones are over, or the recovery was seen enough. What is
        seasonal goes on: the drift that was learned goes away again.
        """
        if self.plan.form == "seasonal":
            return day + 1 >= self.plan.days
        seen = 0 if self.recovered_at is None else day - self.recovered_at[0] + 1
        return day + 1 >= self.plan.days or seen >= self.plan.after

    def _is_back(self, accuracy: float | None) -> bool:
        """Whether an accuracy is nearer to that before the drift than to that of the worst day with it."""
        before = _mean([one.accuracy for one in self.days if one.drift == 0])
        worst = min((one.accuracy for one in self.days if one.drift > 0 and one.accuracy is not None), default=None)
        if accuracy is None or before is None or worst is None:
            return False
        return abs(before - accuracy) < abs(accuracy - worst)

    def _retrain(self, day: int, drift: float) -> None:
        """Collect what came since the first alarm, train, and release what the gate accepts."""
        assert self.first_alarm is not None
        days = day + 1 - self.first_alarm
        found = json.loads(self.copy.must("collect", "--window", f"{days}d", "--json"))
        added = found["added"]
        if not added:
            self._tell("collect", "no new labelled records: nothing to train with")
            return
        parts = ", ".join(f"{count} {side}" for side, count in added.items())
        self._tell("collect", f"{sum(added.values())} labelled records of {days} days: {parts}")
        if found["judgement"]:
            for line in holding(Judgement.model_validate(found["judgement"])):
                self._tell("collect", line)
        self.copy.commit("collected")
        self._release("retrained", drift)

    def _release(self, what: str, drift: float) -> None:
        """Run the loop; register, promote and deploy what the gate accepts."""
        done = self.copy.run("run", f"experiment={self.plan.experiment}", *GATE)
        if done.returncode not in (0, RefusedError.exit_code):
            raise LightloopError(
                f"the loop failed in the simulation: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
            )
        self._tell("train", f"{what}: {_training(self.copy.project)}")
        gate = read_json(self.copy.project.gate)
        if gate["verdict"] != "accepted":
            failed = [check["message"] for check in gate["checks"] if not check["passed"]]
            self._tell("gate", f"refused: {failed[0] if failed else 'see the report'}")
            if self.made_for:
                return
            self._tell("note", "the first model is released by force: something has to serve before it can drift")
        else:
            self._tell("gate", "accepted")
        force = () if self.made_for else ("--force",)
        words = self.copy.must("register", "--commit", "--promote", "production", *force).splitlines()[0].split()
        self.made_for[words[1]] = drift
        self._tell("promote", f"{words[1]} is in production")
        self.copy.must("deploy")
        self._tell("deploy", f"{words[1]} is served")
        self.first_alarm = None

    def _monitor(self) -> Monitoring:
        root = self.copy.project.root
        self.copy.must("monitor", "--window", "1d")
        return Monitoring.model_validate_json((root / "reports" / "monitoring.json").read_bytes())

    def _wait_for_log(self, begins: datetime, seen: Day) -> None:
        """Until all answers of the day are in the log; the service writes them beside its work."""
        end = time.monotonic() + WRITTEN
        log = str(self.copy.project.root / ".lightloop" / "log")
        while (found := len(read_window(log, None, begins, begins + WINDOW).predictions)) < seen.asked - seen.failed:
            if time.monotonic() > end:
                raise LightloopError(f"{found} of {seen.asked - seen.failed} answers are in the log of the simulation")
            time.sleep(0.2)

    def _tell(self, what: What, sentence: str) -> None:
        event = Event(time=self.now, seconds=round(time.monotonic() - self.began, 1), what=what, sentence=sentence)
        self.events.append(event)
        self.say(f"{event.time:%a %d %b %H:%M}  {event.seconds:6.1f} s  {what:8}  {sentence}")

    def _timeline(self) -> Timeline:
        calm = [one for one in self.days if one.drift == 0]
        at = self.recovered_at
        later = _mean([one.accuracy for one in self.days[at[0] :]]) if at is not None else None
        before = _mean([one.accuracy for one in calm])
        during = worst(self.days[: at[0] if at is not None else None])
        return Timeline(
            plan=self.plan,
            days=self.days,
            events=self.events,
            before=before,
            during=during,
            after=later,
            recovered=at is not None,
            seconds_to_recovery=None if at is None or self.drifted is None else round(at[1] - self.drifted, 1),
            days_to_recovery=None if at is None else at[0] - self.plan.drift_day,
            false_alarms=sum(one.act != "nothing" for one in calm),
        )


def _mean(values: list[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return sum(known) / len(known) if known else None


def _training(project: Project) -> str:
    """What came of the loop, in words."""
    summary: dict[str, Any] = read_json(project.training_summary)
    metrics: dict[str, Any] = read_json(project.metrics)
    shown = [
        f"{name} {metrics['metrics'][name]['value']:.3f}"
        for name in ("accuracy", "auroc")
        if name in metrics["metrics"]
    ]
    records = summary.get("records")
    trained = f"trained on {records} records" if isinstance(records, int) else "trained"
    return f"{trained}, tested on {metrics['n']}: {', '.join(shown)}"


def _short(reasons: list[str]) -> str:
    """What each reason is about, without its figures: the monitoring page has them."""
    return "; ".join(reason.partition(": ")[0] for reason in reasons)[:300]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
