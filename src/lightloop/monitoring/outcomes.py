"""All looks that follow the inputs: answers, truth, estimates, calibration, slices, explanations, service, age."""

from collections.abc import Sequence
from datetime import datetime

from lightloop.monitoring import answers, calibration, estimated, explanations, operations, slices, staleness, truth
from lightloop.monitoring.against import Against
from lightloop.monitoring.answered import answered
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.staleness import Dates
from lightloop.monitoring.window import Window
from lightloop.serving.predictor import Predictor


def look(
    window: Window,
    before: Sequence[Window],
    against: Against,
    *,
    predictor: Predictor | None,
    dates: Dates,
    now: datetime,
    version: str | None = None,
    whole: Window | None = None,
) -> list[Finding]:
    """Everything but the inputs.

    Args:
        window: of the log; predictions of other releases than the reference's are better left out of it.
        before: windows before it, of the same length.
        against: the bundle's reference.
        predictor: of the bundle; None explains nothing.
        dates: of the registry.
        now: the time of monitoring, with a zone.
        version: in production: its requests are looked at; None: all.
        whole: the window with its copies, for what is counted; default: `window`.

    Returns:
        Candidates: `p_value` is of the test alone, and `alarm` says that the limit is passed. Where there is a p-value,
        who corrects them for how many they are has the last word; where there is none, `alarm` is final.
    """
    found = answered(window, against.manifest)
    explained = explanations.look(window.records, predictor, against) if predictor and len(found) else []
    return [
        *answers.look(found, against),
        *truth.look(found, against),
        *estimated.look(found, against),
        *calibration.look(found, against),
        *slices.look(found, against),
        *explained,
        *operations.look(whole or window, before, against.config, version),
        *staleness.look(window, dates, against.config, now),
    ]
