"""What all channels share: the form of a channel, requests that are tried again, words for what failed."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import httpx

from lightloop.errors import LightloopError
from lightloop.monitoring.alerts.message import Message

Done = Literal["sent", "updated", "well"]
TRIES = 3
AGAIN = frozenset({429, 500, 502, 503, 504})
PATIENCE = 5.0  # seconds at most between tries


class Channel(Protocol):
    """A way to tell people.

    Attributes:
        remembers: whether the channel itself knows what it said last; else a file does.
    """

    remembers: bool

    def tell(self, message: Message) -> Done | None:
        """Say it; None where it was said already.

        Raises:
            LightloopError: it could not be said; the sentence holds no secret.
        """


def request(
    client: httpx.Client,
    method: str,
    path: str,
    what: str,
    *,
    content: Any = None,
    query: Mapping[str, str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """Ask for JSON, again where the other side is busy.

    Args:
        client: with its address and headers.
        method: of HTTP.
        path: below the client's address.
        what: for the sentence of a failure; the address itself may be a secret.
        content: that is sent as JSON.
        query: of the address.
        sleep: between tries.

    Returns:
        What came, or None where it was no JSON.

    Raises:
        LightloopError: no answer came, or one that says no.
    """
    for left in reversed(range(TRIES)):
        try:
            answer = client.request(method, path, json=content, params=query)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            if left and isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
                sleep(0.2)
                continue
            raise LightloopError(f"{what} gives no answer ({type(error).__name__})") from None
        if answer.status_code in AGAIN and left:
            sleep(_pause(answer.headers.get("retry-after")))
            continue
        break
    if not answer.is_success:
        raise LightloopError(f"{what} says {answer.status_code} {answer.reason_phrase}".rstrip())
    try:
        return answer.json()
    except ValueError:
        return None


def _pause(after: str | None) -> float:
    """Seconds to wait, as the other side asks, within reason.

    Examples:
        >>> _pause("2"), _pause("3600"), _pause(None), _pause("Wed, 21 Oct 2026 07:28:00 GMT")
        (2.0, 5.0, 0.5, 0.5)
    """
    return min(PATIENCE, float(after)) if after is not None and after.isdigit() else 0.5
