"""The REST interface of the forge: which function answers a call, and whether a token may make it.

The calls that the project makes stand in `calls/`, with the rights, sizes and refusals that GitHub has for them. A call
that is not there is a fault of the scenario: nothing is answered that the real forge might refuse.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from rehearsal.content import LONGEST_BODY, Issue, Pull
from rehearsal.runner import Token
from rehearsal.transport import Handler, may

if TYPE_CHECKING:
    from rehearsal.forge import Forge


class RefusedError(Exception):
    """An answer that is no success.

    Args:
        status: of HTTP.
        message: as GitHub words it.
        headers: further ones.
    """

    def __init__(self, status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


@dataclass
class Request:
    """A call with a token that may make it.

    Attributes:
        names: what the path says, unquoted.
        query: the first value of each name.
        given: the body, read as JSON; {} where there is none.
        raw: the body.
    """

    forge: "Forge"
    token: Token
    names: tuple[str, ...]
    query: dict[str, str]
    given: dict[str, Any]
    raw: bytes
    headers: dict[str, str]

    def issue(self) -> Issue:
        found = self.forge.issues.get(int(self.names[0]))
        if found is None:
            raise RefusedError(404, "Not Found")
        return found

    def pull(self) -> Pull:
        found = self.issue()
        if not isinstance(found, Pull):
            raise RefusedError(404, "Not Found")
        return found

    def text(self, name: str, longest: int = LONGEST_BODY) -> str:
        value = self.given.get(name) or ""
        if len(value) > longest:
            raise RefusedError(422, f"Validation Failed: {name} is too long (maximum is {longest} characters)")
        return str(value)

    def page(self, found: list[Any]) -> list[Any]:
        """The part of a list that was asked for."""
        size, number = min(int(self.query.get("per_page", 30)), 100), int(self.query.get("page", 1))
        return found[(number - 1) * size : number * size]


Answer = tuple[int, object]
Endpoint = Callable[[Request], Answer]
TABLE: list[tuple[str, re.Pattern[str], str, str, Endpoint]] = []


def endpoint(method: str, path: str, right: str) -> Callable[[Endpoint], Endpoint]:
    """Put a function into the table. `right` is such as "pulls:write"; "talk:write" is that of the issue or pull."""
    name, _, level = right.partition(":")
    pattern = re.compile(re.sub(r"{\w+}", r"([^/]+)", path))

    def put(function: Endpoint) -> Endpoint:
        TABLE.append((method, pattern, name, level, function))
        return function

    return put


def answer(handler: Handler, path: str, query: str, body: bytes) -> None:
    """Answer a request."""
    from rehearsal.calls import actions, issues, pulls, releases
    from rehearsal.forge import Call

    assert all((actions, issues, pulls, releases))  # they fill the table
    forge, token = handler.forge, handler.token()
    below = re.sub(rf"^/api/(?:v3|uploads)/repos/{re.escape(forge.slug)}", "", path)
    asked = f"{handler.command} {below}"
    for method, pattern, named, level, function in TABLE:
        found = pattern.fullmatch(below)
        if method != handler.command or found is None:
            continue
        names = tuple(unquote(one) for one in found.groups())
        right = named
        if named == "talk":
            known = forge.issues.get(int(names[0]))
            right = "pull-requests" if isinstance(known, Pull) else "issues"
        if not may(token, right, level):
            who = token.name if token else "nobody"
            forge.calls.append(Call(who, asked, f"{right}: {level}", 403 if token else 401))
            if token is None:
                handler.reply(401, {"message": "Bad credentials"})
            else:
                accepted = [("X-Accepted-GitHub-Permissions", f"{right.replace('-', '_')}={level}")]
                handler.reply(403, {"message": "Resource not accessible by integration"}, headers=accepted)
            return
        assert token is not None
        first = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        is_json = "/api/uploads/" not in path and body
        try:
            given = json.loads(body) if is_json else {}
            with forge.lock:
                status, content = function(Request(forge, token, names, first, given, body, headers))
            further: tuple[tuple[str, str], ...] = ()
        except RefusedError as error:
            status, content, further = error.status, {"message": str(error)}, error.headers
        forge.calls.append(Call(token.name, asked, f"{right}: {level}", status))
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        handler.reply(status, content, kind, further)
        return
    forge.faults.append(f"the forge has no {asked}")
    handler.reply(404, {"message": f"Not Found: the forge has no {asked}"})
