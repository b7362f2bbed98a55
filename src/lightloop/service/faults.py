"""Faults of a request: a status and one sentence. The service's one table of errors."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import Response

SHOWN = 40  # characters of a value in a sentence
# What a status means where nobody said more, by the number.
MEANINGS = {
    400: "the request is not readable: expected JSON",
    401: "an API key is needed: send it as X-API-Key, or as Authorization: Bearer KEY",
    404: "there is nothing at this address: see /openapi.json for what there is",
    405: "this address does not take that method: see /openapi.json for what it takes",
    408: "the body did not come in time: send it faster, or less of it",
    413: "the body is too large: send fewer records at once",
    415: "expected a body of application/json",
    422: "the body is not what this model takes: see /openapi.json",
    429: "too many requests are in hand: try again in a second",
    500: "the service failed: its log says why, under the request id",
    503: "the service is not ready to answer: try again in a second",
}


class RequestError(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        sentence: what was expected, what came, what to do.
        headers: of the answer.
    """

    def __init__(self, status: int, sentence: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.sentence = sentence or MEANINGS[status]
        self.headers = dict(headers or {})
        super().__init__(self.sentence)

    def response(self) -> Response:
        """The answer that says so."""
        return answer_json({"error": self.sentence}, self.status, self.headers)


class JsonResponse(Response):
    """A body that is JSON already."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str] | None) -> None:
        # The framework's own way looks at each header what it may be.
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()),
        ]


def answer_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; what is not a finite number is null in it."""
    return JsonResponse(to_json(content, inf_nan_mode="null"), status, headers)


def sentence(error: ValidationError, names: Sequence[str] = ()) -> str:
    """The first fault that pydantic found, as one sentence without the whole body in it.

    Args:
        error: of pydantic.
        names: of the fields that there are, to find the one that was meant.

    Examples:
        >>> from pydantic import TypeAdapter
        >>> try:
        ...     TypeAdapter(dict[str, list[int]]).validate_json('{"ages": [1, "x"]}')
        ... except ValidationError as error:
        ...     sentence(error)
        "'ages', place 2: expected a whole number, but 'x' came"
    """
    first = error.errors(include_url=False)[0]
    place, kind = _place(first["loc"]), first["type"]
    where = f"{place}: " if place else ""
    context = first.get("ctx", {})
    if kind == "json_invalid":
        return f"the body is not JSON ({context.get('error', 'it ends too early')})"
    if kind == "extra_forbidden":
        name = str(first["loc"][-1])
        near = get_close_matches(name, names, n=1)
        known = f"did you mean {near[0]!r}?" if near else "see /openapi.json for the fields that there are"
        return f"{_short(name)} is no field of this model: {known}"
    if kind == "missing":
        return f"{place or 'a field'} is missing"
    match kind:
        case "too_short":
            fault = f"expected at least {context['min_length']}, but {context['actual_length']} came"
        case "too_long":
            fault = f"expected at most {context['max_length']}, but {context.get('actual_length') or 'more'} came"
        case "finite_number":
            fault = f"expected a finite number, but {first['input']} came"
        case _:
            fault = f"{_expected(kind, first['msg'])}, but {_short(first['input'])} came"
    return where + fault


def _expected(kind: str, message: str) -> str:
    wanted = {
        "float_type": "a number",
        "int_type": "a whole number",
        "int_parsing": "a whole number",
        "string_type": "a text",
        "bool_type": "true or false",
        "list_type": "a list",
        "dict_type": "an object",
        "greater_than_equal": "a finite number",
        "less_than_equal": "a finite number",
        "string_too_short": "a text that is not empty",
    }.get(kind)
    if wanted:
        return f"expected {wanted}"
    plain = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return plain if plain.startswith("expected") else f"expected {plain}"


def _place(path: Sequence[int | str]) -> str:
    """Where in the body something stands, in words; the names of a union's members are no part of it."""
    words, parts = [], list(path)
    if len(parts) >= 2 and parts[0] == "records" and isinstance(parts[1], int):
        words.append(f"record number {parts[1] + 1}")
        parts = parts[2:]
    if parts:
        words.append(repr(parts[0]))
        words += [f"place {part + 1}" for part in parts[1:] if isinstance(part, int)]
    return ", ".join(words)


def _short(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else f"{value[: SHOWN - 3]}...")
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)[:SHOWN]
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else f"a {type(value).__name__}"
