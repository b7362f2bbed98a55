"""A real server on loopback that alerts are sent to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lightloop.config.monitoring import Act
from lightloop.monitoring.findings import Finding, Monitoring, WindowFindings


@dataclass
class Heard:
    """What a server heard and holds.

    Attributes:
        bodies: of POST and PATCH, with method and path.
        answers: codes that it answers first, before it does what it should.
    """

    address: str = ""
    bodies: list[tuple[str, str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    # of feature: github
    issues: list[dict[str, Any]] = field(default_factory=list)  # of the repository acme/loans
    tokens: set[str | None] = field(default_factory=set)

    def add_issue(self, **content: Any) -> dict[str, Any]:
        made = {"number": len(self.issues) + 1, "state": "open", "comments_made": [], **content}
        made["labels"] = [{"name": one} for one in content.get("labels", [])]
        self.issues.append(made)
        return made

    def open_issues(self) -> list[dict[str, Any]]:
        return [one for one in self.issues if one["state"] == "open"]

    # end


def _handler(heard: Heard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, content: Any, code: int = 200) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _first(self) -> bool:
            """Whether there was something else to answer first."""
            # of feature: github
            heard.tokens.add(self.headers.get("authorization"))
            # end
            if heard.answers:
                self._answer({"message": "no"}, heard.answers.pop(0))
                return True
            return False

        # of feature: github
        def do_GET(self) -> None:
            if self._first():
                return
            where = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(where.query).items()}
            assert where.path == "/repos/acme/loans/issues"
            found = [
                one
                for one in heard.issues
                if one["state"] == query["state"] and query["labels"] in [label["name"] for label in one["labels"]]
            ]
            size, page = int(query["per_page"]), int(query["page"])
            self._answer(sorted(found, key=lambda one: -one["number"])[size * (page - 1) : size * page])

        # end
        def _take(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self._first():
                return
            heard.bodies.append((self.command, self.path, content))
            # of feature: github
            parts = self.path.split("/")
            if self.path == "/repos/acme/loans/issues":
                self._answer(heard.add_issue(**content), 201)
                return
            if len(parts) > 5 and parts[4] == "issues":
                issue = heard.issues[int(parts[5]) - 1]
                if parts[-1] == "comments":
                    issue["comments_made"].append(content["body"])
                else:
                    issue.update(content)
                self._answer(issue)
                return
            # end
            self._answer("ok")

        do_POST = do_PATCH = _take

    return Handler


@contextmanager
def listening() -> Iterator[Heard]:
    """A server that takes whatever is posted; ended after the block."""
    heard = Heard()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(heard))
    server.daemon_threads = True
    heard.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def found(
    act: Act, *names: str, kind: str = "feature_drift", mark: str | None = None, records: int = 500
) -> Monitoring:
    """A result: drift of the named columns in the newest of two windows."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    findings = [
        Finding(
            kind=kind,
            name=name,
            alarm=True,
            sentence=f"{name} differs from training (0.31 over 0.05)",
            value=0.31,
            limit=0.05,
        )  # type: ignore[arg-type]
        for name in names
    ]
    windows = [
        WindowFindings(
            start=start + timedelta(days=7 * number),
            end=start + timedelta(days=7 * number + 7),
            records=records,
            labelled=40,
            version="v0.2.0",
            findings=findings if number else [],
        )
        for number in range(2)
    ]
    return Monitoring(
        model="loans",
        version="v0.2.0",
        windows=windows,
        act=act,
        reasons=[f"feature drift in {len(names)} columns"] if names else [],
        objectives=[],
        fingerprint=mark if mark is not None else "-".join([act, *names]),
    )
