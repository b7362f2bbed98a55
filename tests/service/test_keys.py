"""API keys: who is let in, from when on, and what is kept of a key."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from http_world import client_of, example
from tiny_bundles import NAME, PLAIN
from typer.testing import CliRunner

from lightloop.cli.application import app
from lightloop.errors import LightloopError, UsageError
from lightloop.service import keys
from lightloop.service.keys import KeyRing, add_key, read_keys, revoke_key
from lightloop.service.loaded import Loaded

GUARDED = ("/v1/metadata", "/v1/card", "/metrics", "/openapi.json", "/v2", f"/v2/models/{NAME}", "/v1/nothing")
OPEN = ("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/", "/page/page.js")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be looked at for each request."""
    monkeypatch.setattr(keys, "FRESH", -1.0)


def test_a_key_is_kept_as_its_hash(path: Path) -> None:
    kept, secret = add_key(path, "someone")
    assert secret.startswith(f"ll_{kept.id}_")
    text = path.read_text()
    assert secret not in text
    assert secret.rpartition("_")[2] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(path) == (kept,)
    assert KeyRing(path).holder(secret) == kept.id


def test_who_holds_none(path: Path) -> None:
    kept, secret = add_key(path, "someone")
    _, other = add_key(path, "other")
    ring = KeyRing(path)
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    crossed = f"ll_{kept.id}_{other.rpartition('_')[2]}"
    for presented in ("", "x", wrong, crossed, kept.sha256, f" {secret}", secret + "=", "ll_000000000000_" + "A" * 43):
        assert ring.holder(presented) is None


def test_two_names_and_unknown_ones(path: Path) -> None:
    add_key(path, "someone")
    with pytest.raises(UsageError, match="there is a key named 'someone': choose another name, or revoke that one"):
        add_key(path, "someone")
    with pytest.raises(UsageError, match="is no name for a key"):
        add_key(path, "two\nlines")
    with pytest.raises(UsageError, match="no key has the id or name 'else': someone"):
        revoke_key(path, "else")
    revoke_key(path, "someone")
    assert read_keys(path) == ()


def test_a_damaged_file_says_so_and_lets_nobody_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh(monkeypatch)
    kept, secret = add_key(path, "someone")
    ring = KeyRing(path)
    assert ring.holder(secret) == kept.id
    path.write_text('{"keys": [{"id": 1}]}')
    with pytest.raises(LightloopError, match="it is not what `lightloop keys` writes"):
        read_keys(path)
    assert ring.holder(secret) is None
    path.unlink()
    assert ring.holder(secret) is None


def test_requests_with_and_without(
    path: Path, releases: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh(monkeypatch)
    kept, secret = add_key(path, "someone")
    loaded = releases[PLAIN]
    with client_of(loaded, tmp_path, keys="keys.json") as client:
        for address in OPEN:
            assert client.get(address).status_code == 200, address
        for address in GUARDED:
            done = client.get(address)
            assert done.status_code == 401, address
            assert done.headers["www-authenticate"] == "Bearer"
            assert done.json()["error"].startswith("an API key is needed")
            assert "x-request-id" in done.headers
        for headers in (
            {"x-api-key": secret},
            {"authorization": f"Bearer {secret}"},
            {"authorization": f"bearer  {secret}"},
        ):
            assert client.post("/v1/predict", json=example(loaded), headers=headers).status_code == 200
        for headers in ({"x-api-key": secret[:-1]}, {"authorization": f"Basic {secret}"}, {"authorization": secret}):
            assert client.post("/v1/predict", json=example(loaded), headers=headers).status_code == 401
        # Rotation, while the service runs.
        _, newer = add_key(path, "newer")
        assert client.get("/v1/card", headers={"x-api-key": newer}).status_code == 200
        revoke_key(path, kept.id)
        assert client.get("/v1/card", headers={"x-api-key": secret}).status_code == 401
        assert client.get("/v1/card", headers={"x-api-key": newer}).status_code == 200


def test_a_missing_file_lets_nobody_in(releases: dict[str, Loaded], tmp_path: Path) -> None:
    with client_of(releases[PLAIN], tmp_path, keys="nowhere.json") as client:
        assert client.get("/v1/card", headers={"x-api-key": "ll_000000000000_" + "A" * 43}).status_code == 401
        assert client.get("/health/ready").status_code == 200


def test_the_description_says_that_keys_are_needed(releases: dict[str, Loaded], path: Path, tmp_path: Path) -> None:
    _, secret = add_key(path, "someone")
    with client_of(releases[PLAIN], tmp_path, keys="keys.json") as client:
        found: dict[str, Any] = client.get("/openapi.json", headers={"x-api-key": secret}).json()
    assert found["paths"]["/v1/predict"]["post"]["security"] == [{"key": []}, {"bearer": []}]
    assert "security" not in found["paths"]["/health/live"]["get"]
    assert found["components"]["securitySchemes"].keys() == {"key", "bearer"}


def test_the_command_line(path: Path) -> None:
    run = CliRunner().invoke
    added = run(app, ["keys", "add", "someone", "--file", str(path)])
    assert added.exit_code == 0
    secret = added.stdout.splitlines()[0]
    (kept,) = json.loads(path.read_text())["keys"]
    assert KeyRing(path).holder(secret) == kept["id"]
    listed = run(app, ["keys", "list", "--file", str(path)])
    assert listed.stdout.split() == [kept["id"], kept["created"], "someone"]
    assert run(app, ["keys", "revoke", kept["id"], "--file", str(path)]).exit_code == 0
    assert run(app, ["keys", "list", "--file", str(path)]).stdout == ""
