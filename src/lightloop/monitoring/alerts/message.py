"""What an alert says: the same for every channel, each in its own markup."""

import html
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lightloop.config.monitoring import Act
from lightloop.monitoring.findings import Finding, Monitoring

MOST = 12  # findings in a message; all are on the page
DOES: dict[Act, str] = {
    "nothing": "nothing is to be done",
    "issue": "somebody should look",
    "retrain": "the model is to be trained again",
    "rollback": "the release before is to be put back",
}


@dataclass(frozen=True)
class Message:
    """An alert in plain words.

    Attributes:
        title: one line.
        lines: what was found and why it leads to something, a sentence each.
        link: where the monitoring page is: an address, or the path of a file.
        fingerprint: of what was found; two messages with the same one say the same.
        well: whether nothing is to be done.
    """

    title: str
    lines: tuple[str, ...]
    link: str
    fingerprint: str
    well: bool

    def plain(self) -> str:
        """As a text."""
        return "\n".join([self.title, "", *(f"- {line}" for line in self.lines), "", f"Monitoring page: {self.link}"])

    def slack(self) -> dict[str, object]:
        """As the body of a webhook in the format of Slack, which Mattermost and others read too."""
        body = "\n".join(f"• {_slack(line)}" for line in self.lines)[:2900]  # a block holds 3,000 characters
        link = f"<{self.link}|Monitoring page>" if "://" in self.link else _slack(f"Monitoring page: {self.link}")
        return {
            "text": _slack(self.title),
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_slack(self.title)}*\n{body}"}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": link}]},
            ],
        }

    def markdown(self) -> str:
        """As Markdown, in which nothing that came from data is markup or calls on anybody."""
        link = f"[Monitoring page]({self.link})" if "://" in self.link else f"Monitoring page: `{self.link}`"
        return "\n".join([*(f"- {_markdown(line)}" for line in self.lines), "", link])


def message_of(monitoring: Monitoring, link: str) -> Message:
    """What is to be said of a result.

    Args:
        monitoring: with at least one window.
        link: where the page is.
    """
    newest = monitoring.windows[-1]
    alarms = [one for one in newest.findings if one.alarm]
    subject = f"{monitoring.model} {monitoring.version}" if monitoring.version else monitoring.model
    well = monitoring.act == "nothing"
    lines = [*monitoring.reasons, *(one.sentence for one in alarms[:MOST])]
    if len(alarms) > MOST:
        lines.append(f"{len(alarms) - MOST} more findings are on the page")
    lines += [one.sentence for one in monitoring.objectives if one.budget_left is not None and one.budget_left < 0]
    counted = f"{newest.records:,} predictions from {newest.start:%Y-%m-%d %H:%M} to {newest.end:%Y-%m-%d %H:%M} UTC"
    return Message(
        title=_line(f"{subject}: {_found(alarms)}; {DOES[monitoring.act]}" if not well else f"{subject}: well again"),
        lines=tuple(_line(line) for line in dict.fromkeys([*lines, counted])),
        link=link,
        fingerprint=monitoring.fingerprint,
        well=well,
    )


def page_link(configured: str | None, page: Path) -> str:
    """Where readers find the page: the configured address; else the run on GitHub, or the file's name."""
    if configured:
        return configured
    # of feature: github
    server, repository, run = (os.environ.get(f"GITHUB_{one}") for one in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if repository and run:
        return f"{server or 'https://github.com'}/{repository}/actions/runs/{run}"
    # end
    return f"{page.parent.name}/{page.name}"


def _found(alarms: list[Finding]) -> str:
    """The kinds that alarm, in words, with the first names."""
    names: dict[str, list[str]] = {}
    for one in alarms:
        names.setdefault(one.kind.replace("_", " "), []).append(one.name)
    parts = [f"{kind} ({', '.join(filter(None, found[:3]))})" for kind, found in list(names.items())[:4]]
    return ", ".join(part.removesuffix(" ()") for part in parts) or "nothing new"


def _line(text: str) -> str:
    return " ".join(text.split())[:500]


def _slack(text: str) -> str:
    return html.escape(text, quote=False)


def _markdown(text: str) -> str:
    r"""Escaped, with names of people and issues taken apart.

    Examples:
        >>> _markdown("<b> @all #1 [x](y)")
        '&lt;b&gt; @\u200ball #\u200b1 \\[x\\](y)'
    """
    escaped = re.sub(r"([\\`*_\[\]|~])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", escaped)
