"""The page of a simulation: `simulation.html` beside the report of its copy."""

from pathlib import Path

from lightloop.monitoring.page import write_beside_assets
from lightloop.project import Project
from lightloop.report.charts import Chart, lines
from lightloop.report.site import environment
from lightloop.simulation.timeline import Timeline, conclusion

SECTIONS = (("outcome", "Outcome"), ("days", "Days"), ("timeline", "Timeline"))


def write_page(project: Project, timeline: Timeline) -> Path:
    """Write the page; its path."""
    plan = timeline.plan
    calm = plan.kind == "none"
    text = (
        environment()
        .get_template("simulation.html.j2")
        .render(
            navigation=SECTIONS,
            linked=True,
            well=timeline.false_alarms == 0 if calm else timeline.recovered,
            title=("Calm" if calm else "Recovered" if timeline.recovered else "Not recovered"),
            what="traffic without drift" if calm else f"{plan.form} {plan.kind} drift of {plan.amount:g}",
            conclusion=conclusion(timeline),
            charts=_charts(timeline),
            days=timeline.days,
            events=timeline.events,
        )
    )
    page = project.reports / "simulation.html"
    write_beside_assets(page, text)
    return page


def _charts(timeline: Timeline) -> list[Chart]:
    """Accuracy and drift over the days, a line a release."""
    if len(timeline.days) < 2:
        return []
    numbered = list(enumerate(timeline.days, start=1))
    versions = list(dict.fromkeys(day.version for day in timeline.days))
    by_version = {
        version: [(float(number), day.accuracy) for number, day in numbered if day.version == version]
        for version in versions
    }
    starts = timeline.plan.drift_day + 1 if timeline.plan.kind != "none" else None
    accuracy = lines(
        "Accuracy of the answers by release",
        by_version,
        x="day",
        y="accuracy",
        styles=("model", "second", "third", "fourth", "fifth"),
        rule=None if starts is None or starts > len(timeline.days) else float(starts),
        width=340,
    )
    drift = lines(
        "Strength of the drift",
        {"drift": [(float(number), day.drift) for number, day in numbered]},
        x="day",
        y="strength",
        width=340,
    )
    return [accuracy, drift]
