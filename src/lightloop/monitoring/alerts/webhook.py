"""A webhook in the format of Slack: Slack itself, Mattermost, Rocket.Chat, Discord (its address ends in `/slack`)."""

import httpx

from lightloop.monitoring.alerts.channel import Done, request
from lightloop.monitoring.alerts.message import Message


class Webhook:
    """Posts a message.

    Args:
        address: of the webhook, which is a secret.
        seconds: that it may take.
    """

    remembers = False

    def __init__(self, address: str, seconds: float) -> None:
        self._address = address
        self._seconds = seconds

    def tell(self, message: Message) -> Done | None:
        with httpx.Client(timeout=self._seconds) as client:
            request(client, "POST", self._address, "the webhook of LIGHTLOOP_ALERT_WEBHOOK", content=message.slack())
        return "well" if message.well else "sent"
