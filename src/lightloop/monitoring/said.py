"""What monitoring found, as lines for a person."""

from lightloop.monitoring.findings import Finding, Monitoring, WindowFindings
from lightloop.monitoring.rule import WORDS


def said(found: Monitoring, path: str) -> str:
    """The windows, the alarms of the newest one, and what is to be done.

    Args:
        found: the result.
        path: of the file that holds all of it.
    """
    lines = [f"{found.model} {found.version or '(by path)'}"]
    lines += [_window(one) for one in found.windows]
    newest = found.windows[-1]
    lines += [f"  ! {WORDS[one.kind]}: {one.sentence}{_p(one)}" for one in newest.findings if one.alarm]
    lines += [f"  {one.sentence}" for one in newest.findings if one.kind == "schema" and one.name == "profile"]
    lines += [one.sentence for one in found.objectives]
    lines.append(f"to be done: {found.act}")
    lines += [f"  - {reason}" for reason in found.reasons]
    return "\n".join([*lines, f"all {len(newest.findings)} findings of the newest window: {path}"])


def _window(window: WindowFindings) -> str:
    span = f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"
    alarms = sum(one.alarm for one in window.findings)
    return f"{span}: {window.records} predictions, {window.labelled} with a label, {alarms} alarms"


def _p(finding: Finding) -> str:
    return "" if finding.p_value is None else f" (p {finding.p_value:.2g})"
