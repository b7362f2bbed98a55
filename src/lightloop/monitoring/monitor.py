"""`lightloop monitor`: the last windows of the log against the release in production, and what is to be done.

log -> windows -> looks -> candidates -> controlled for false discoveries -> rule -> act
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc

from lightloop import clock
from lightloop.config.monitoring import MonitorConfig
from lightloop.errors import UsageError
from lightloop.monitoring import inputs, outcomes
from lightloop.monitoring.against import Against
from lightloop.monitoring.distributions import distributions
from lightloop.monitoring.findings import Finding, Monitoring, WindowFindings
from lightloop.monitoring.objectives import objectives, with_objectives
from lightloop.monitoring.page import write_page
from lightloop.monitoring.repeats import once
from lightloop.monitoring.rule import decided, judged
from lightloop.monitoring.settings import inside, read_settings
from lightloop.monitoring.staleness import Dates, dates_of
from lightloop.monitoring.standing import Standing, read_standing
from lightloop.monitoring.window import Window, read_window
from lightloop.project import Project
from lightloop.service.settings import settings_of
from lightloop.serving.logged import redacted


def monitor(
    project: Project,
    *,
    window: timedelta,
    windows: int | None = None,
    log: str | None = None,
    feedback: str | None = None,
    now: datetime | None = None,
    bundle: Path | None = None,
    config: MonitorConfig | None = None,
) -> Monitoring:
    """Look at the last windows of the log. Nothing is remembered: the same log gives the same result anywhere.

    Args:
        project: whose release stands in production.
        window: length of a window; the newest ends now.
        windows: how many, default: as many as the rules look back on. Windows before the first prediction of the log
            are left out.
        log: folder or `s3://...`; default: what `serve.log` says.
        feedback: folder or `s3://...` of labels; default: what `serve.feedback` says.
        now: UTC; default: this moment.
        bundle: to compare with instead of the release in production.
        config: default: what `configs/monitor/` says.

    Raises:
        UsageError: nothing stands in production, or the settings do not fit.
        LightloopError: the bundle can't be fetched or is damaged, or the log can't be read.
    """
    config = config or read_settings(project)
    standing = read_standing(project, bundle)
    end = (now or clock.now()).astimezone(UTC)
    count = windows or max((rule.of for rule in config.rules), default=1)
    folder, labels = folders(project, log, feedback)
    withheld = redacted(standing.predictor.manifest, settings_of(project, []).log)
    dates = dates_of(project, standing.version) if standing.release else Dates()
    found = [
        read_window(folder, labels, end - (place + 1) * window, end - place * window)
        for place in reversed(range(count))
    ]
    while len(found) > 1 and not len(found[0].predictions) and not len(found[0].requests):
        del found[0]
    times = Times(dates, end)
    looked = [
        look(one, found[:place], standing, config=config, times=times, withheld=withheld)
        for place, one in enumerate(found)
    ]
    act, reasons, fingerprint = judged(looked, config)
    monitoring = Monitoring(
        model=standing.predictor.manifest.name,
        version=standing.version,
        windows=looked,
        act=act,
        reasons=reasons,
        objectives=[],
        fingerprint=fingerprint,
        distributions=distributions(of_release(found[-1], standing.predictor.digest), standing),
    )
    return with_objectives(monitoring, objectives(config.objectives, folder, labels, end))


@dataclass(frozen=True)
class Times:
    """When releases were made, and when it is now."""

    dates: Dates
    now: datetime


def look(
    window: Window,
    earlier: Sequence[Window],
    standing: Standing,
    *,
    config: MonitorConfig,
    times: Times,
    withheld: Collection[str] = (),
) -> WindowFindings:
    """All that is looked at in one window.

    Args:
        window: of the log.
        earlier: those before it, oldest first.
        standing: what it is held against. Records that another release answered are not: they are of its time.
        config: limits.
        times: of releases, and now.
        withheld: columns whose values the log does not keep.
    """
    answered = of_release(window, standing.predictor.digest)
    single = once(answered, standing, withheld)
    own, repeats = single.window, single.finding(config.fewest)
    candidates: list[Finding] = [repeats] if repeats else []
    if standing.lacks:
        candidates.append(Finding(kind="schema", name="profile", alarm=False, sentence=f"{standing.lacks}."))
    elif len(own.predictions) >= config.fewest:
        candidates += inputs.look(own, standing, config, withheld)
    against = Against(standing.predictor.manifest, standing.profile, standing.held, config)
    candidates += outcomes.look(
        own,
        earlier,
        against,
        predictor=standing.predictor,
        dates=times.dates,
        now=min(times.now, window.end),
        version=standing.version,
        whole=answered,
    )
    labelled = pc.or_(*(answered.predictions.column(name).is_valid() for name in ("truth", "truth_values")))
    versions = Counter(window.predictions.column("version").to_pylist())
    return WindowFindings(
        start=window.start,
        end=window.end,
        records=len(window.predictions),
        labelled=int(pc.sum(labelled).as_py() or 0),
        version=versions.most_common(1)[0][0] if versions else None,
        findings=decided(candidates, config.level),
    )


def of_release(window: Window, digest: str) -> Window:
    """The predictions of one bundle, without those that a person tried out on the service's page."""
    predictions = window.predictions
    if not len(predictions):
        return window
    own = pc.fill_null(pc.equal(predictions.column("digest"), digest), fill_value=True)
    asked = pc.and_(own, pc.invert(pc.fill_null(predictions.column("page"), fill_value=False)))
    if pc.all(asked).as_py():
        return window
    records = window.records.filter(asked) if window.records.num_columns else window.records
    return replace(window, predictions=predictions.filter(asked), records=records)


def folders(project: Project, log: str | None, feedback: str | None) -> tuple[str, str | None]:
    """Of the log and of the feedback, as the service has them unless something else is said."""
    settings = settings_of(project, [])
    folder, labels = log or settings.log.folder, feedback or settings.feedback
    if folder is None:
        raise UsageError("serve.log.folder is null, so that the service keeps no log: set it, or name one with --log")
    return inside(project, folder), inside(project, labels) if labels else None


def write_monitoring(project: Project, monitoring: Monitoring) -> Path:
    """Write `reports/monitoring.json` and its page; the path of the first."""
    write_page(project, monitoring)
    return project.reports / "monitoring.json"
