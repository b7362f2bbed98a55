"""A stand-in for W&B's server on loopback: the part of its protocol that wandb 0.31 and wandb-workspaces 0.4 use.

It keeps what it is told and answers as the real one does (GraphQL, `file_stream`, uploads), so that tests run the real
client online. It stands for the protocol alone: what W&B's own site makes of it is not seen here. An operation that it
does not know is answered with an error and kept in `unknown`, so that a test can say that there was none.
"""

import base64
import gzip
import http.server
import json
import re
import threading
import time
from typing import Any
from urllib.parse import unquote, urlparse

from wandb_answers import Answers
from wandb_known import Run, State


class Wandb:
    """The server as a context.

    Args:
        failing: operations that are answered with 500, such as {"CommitArtifact"}; {"*"} for everything.
        silent: operations that are never answered; {"*"} for everything.
        delay: seconds before each answer.
        organization: whether the entity belongs to one, without which there is no registry.
    """

    def __init__(
        self,
        *,
        failing: frozenset[str] = frozenset(),
        silent: frozenset[str] = frozenset(),
        delay: float = 0.0,
        organization: bool = True,
    ) -> None:
        self.state = State(organization=organization)
        self.failing, self.silent, self.delay = set(failing), set(silent), delay
        self.closing = threading.Event()

    def __enter__(self) -> "Wandb":
        handler = type("Bound", (Handler,), {"server_state": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer nobody any more."""
        if not self.closing.is_set():
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: Wandb

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer(self.server_state.state.files.get(urlparse(self.path).path, b"{}"), "GET")

    def do_PUT(self) -> None:
        path, body = urlparse(self.path).path, self._body()
        with self.server_state.state.lock:
            self.server_state.state.files[path] = body
            _, kind, *rest = path.split("/")
            if kind == "manifest":
                self.server_state.state.artifacts[rest[0]].manifest = json.loads(body)
            elif kind == "artifact":
                self.server_state.state.artifacts[rest[0]].files[unquote("/".join(rest[1:]))] = body
        self._answer({}, "PUT")

    def do_POST(self) -> None:
        path, body = urlparse(self.path).path, self._body()
        state = self.server_state.state
        if path.endswith("/file_stream"):
            with state.lock:
                self._stream(state.runs.setdefault(path.split("/")[-2], Run()), json.loads(body or b"{}"))
            self._answer({}, "file_stream")
        elif path == "/graphql":
            asked = json.loads(body)
            named = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            operation = asked.get("operationName") or (named.group(1) if named else "?")
            kind, _, key = self.headers.get("authorization", "").partition(" ")
            with state.lock:
                state.asked.append(operation)
                state.keys.add(base64.b64decode(key).decode().removeprefix("api:") if kind == "Basic" else key)
                answer = Answers(state, f"http://{self.headers['host']}")(operation, asked.get("variables") or {})
            self._answer(answer, operation)
        elif "/otel/" in path:
            self._answer({}, "otel")
        else:
            state.unknown.append(f"POST {path}")
            self._answer({}, "POST", 404)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _answer(self, content: Any, operation: str, code: int = 200) -> None:
        server = self.server_state
        time.sleep(server.delay)
        if {operation, "*"} & server.silent:
            server.closing.wait(300)
            self.close_connection = True
            return
        if {operation, "*"} & server.failing:
            content, code = {"error": "the stand-in was told to fail"}, 500
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, run: Run, told: dict[str, Any]) -> None:
        for name, file in (told.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                for number, line in enumerate(file["content"]):
                    run.history[file["offset"] + number] = json.loads(line)
            elif name == "wandb-summary.json":
                run.summary = json.loads(file["content"][-1])
        if told.get("complete"):
            run.exit_code = told.get("exitcode")


def wait_until(true: Any, seconds: float = 10.0) -> None:
    """Until `true()` is."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
