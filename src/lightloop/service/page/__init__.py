"""The page at `/`: static files that ask the service itself. Nothing is built, nothing comes from the web."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

ROOM: Final = Path(__file__).resolve().parent / "static"
# The report's style sheet and mark, read where they lie: the page looks like the report.
SHARED: Final = Path(__file__).resolve().parents[2] / "report" / "static"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Scripts and styles from here alone, none within the page; images that a person chose are data in the page itself.
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Asked for again each time, answered by 304: after an upgrade no old script meets a new service.
    "cache-control": "no-cache",
}


def add_page(app: Starlette) -> None:
    """Let an application answer the page at `/` and its files at `/page/NAME`. They need no key and hold no data.

    Examples:
        >>> app = Starlette()
        >>> add_page(app)
        >>> [route.path for route in app.routes][:2]
        ['/', '/page/answer.js']
    """
    app.add_route("/", _answering(ROOM / "index.html"), methods=["GET"], include_in_schema=False)
    for file in _files():
        app.add_route(f"/page/{file.name}", _answering(file), methods=["GET"], include_in_schema=False)


def _files() -> Iterator[Path]:
    """What `/page/` holds: a list, so that no address reaches another file."""
    yield from sorted(file for file in ROOM.iterdir() if file.suffix in TYPES and file.name != "index.html")
    yield from (SHARED / name for name in ("mark.svg", "site.css"))


def _answering(file: Path) -> Callable[[Request], Awaitable[Response]]:
    content = file.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = HEADERS | {"etag": tag, "content-type": TYPES[file.suffix]}

    async def answer(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    return answer
