"""Spans of requests go to the collector that is configured, and to none else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from http_world import client_of
from tiny_bundles import PLAIN, secret_record

from lightloop.config.serve import ServeConfig
from lightloop.errors import UsageError
from lightloop.service.loaded import Loaded
from lightloop.service.traces import OFF, telemetry


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The address of a collector, and what it got: paths and bodies."""
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_trace_goes_on_and_holds_no_body(
    releases: dict[str, Loaded], tmp_path: Path, collector: tuple[str, list[tuple[str, bytes]]]
) -> None:
    from gzip import decompress

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, got = collector
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with client_of(releases[PLAIN], tmp_path, traces=address) as client:
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        assert client.post("/v1/predict", json=secret_record(), headers=headers).status_code == 200
        client.get("/health/live")
    spans = []
    for path, body in got:
        assert path == "/v1/traces"
        content = decompress(body) if body[:2] == b"\x1f\x8b" else body
        assert not [value for value in secret_record().values() if str(value).encode() in content]
        request = ExportTraceServiceRequest.FromString(content)
        spans += [one for part in request.resource_spans for scope in part.scope_spans for one in scope.spans]
    assert [span.trace_id.hex() for span in spans] == [trace]


def test_nothing_is_sent_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert telemetry(ServeConfig(), "name") == (OFF, None)
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UsageError, match="OpenTelemetry is not installed"):
        telemetry(ServeConfig(traces="http://collector:4318"), "name")
