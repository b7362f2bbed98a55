"""The HTTP server of the forge: git's smart protocol by git's own `http-backend`, and REST."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from rehearsal.repository import ENVIRONMENT
from rehearsal.runner import Token
from rehearsal.workflows import allows

if TYPE_CHECKING:
    from rehearsal.forge import Forge


def may(token: Token | None, right: str, level: str) -> bool:
    """Whether a token gives a right; a person's gives all. To see that the repository is there needs none."""
    return token is not None and (right == "metadata" or "*" in token.rights or allows(token.rights, right, level))


def handler(forge: "Forge") -> type["Handler"]:
    """The class of request handlers of a forge."""
    return type("HandlerOfForge", (Handler,), {"forge": forge})


class Handler(BaseHTTPRequestHandler):
    """A request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    forge: "Forge"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the runs tell."""

    def do_GET(self) -> None:
        from rehearsal.rest import answer

        path, _, query = self.path.partition("?")
        body = self._body()
        try:
            if path.startswith("/api/"):
                answer(self, path, query, body)
            else:
                self._git(path, query, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - a fault of the forge fails the scenario, and says why
            self.forge.faults.append(f"{self.command} {self.path}: {error!r}")
            self.reply(500, {"message": repr(error)})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def token(self) -> Token | None:
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        return self.forge.tokens.get(value) if kind.lower() in ("basic", "bearer", "token") else None

    def reply(
        self, status: int, content: object, kind: str = "application/json", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Send an answer: bytes as they are, None as nothing, else JSON."""
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _git(self, path: str, query: str, body: bytes) -> None:
        from rehearsal.forge import Call

        forge = self.forge
        found = re.fullmatch(rf"/{re.escape(forge.slug)}(?:\.git)?(/(?:info/refs|git-\w+-pack|HEAD))", path)
        if not found:
            self.reply(404, {"message": "Not Found"})
            return
        write = "git-receive-pack" in path + query
        token, level = self.token(), "write" if write else "read"
        if not may(token, "contents", level):
            status = 403 if token else 401
            forge.calls.append(Call(token.name if token else "nobody", f"git {level}", f"contents: {level}", status))
            words = b"Write access to repository not granted." if write else b"Repository not found."
            challenge = [("WWW-Authenticate", 'Basic realm="GitHub"')]
            self.reply(status, words, "text/plain", () if token else challenge)
            return
        assert token is not None
        if write and self.command == "POST":
            with forge.lock:
                before = forge.repository.refs()
                answered = self._backend(found[1], query, body, token)
                forge.calls.append(Call(token.name, "git push", "contents: write", 200))
                forge.pushed(before, forge.repository.refs(), token)
        else:
            answered = self._backend(found[1], query, body, token)
        head, _, content = answered.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        kind = headers.pop("Content-Type", "text/plain")
        self.reply(status, content, kind, [one for one in headers.items() if one[0].lower() != "content-length"])

    def _backend(self, path: str, query: str, body: bytes, token: Token) -> bytes:
        forge = self.forge
        environment = ENVIRONMENT | {
            "GIT_PROJECT_ROOT": str(forge.repository.path.parents[1]),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{forge.slug}.git{path}",
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": token.actor,
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "PATH": os.environ["PATH"],
        }
        if encoding := self.headers.get("content-encoding"):
            environment["HTTP_CONTENT_ENCODING"] = encoding
        return subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        ).stdout
