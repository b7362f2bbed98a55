"""API keys: made, kept as hashes in a file, revoked; looked up without a restart.

A key is `ll_ID_SECRET`. The secret has 256 random bits, so that a plain SHA-256 of it tells nothing and costs a request
nothing; a slow hash is for passwords that people choose. The file holds id, name, day and hash, never a key.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing

IDENTITY: Final = slice(3, 15)  # of a key
NOBODY: Final = bytes(32)  # the hash of no key
FRESH: Final = 1.0  # seconds for which a file is not looked at again
NAME: Final = re.compile(r"[\w .@-]{1,64}")


class Key(BaseModel):
    """What is kept of a key.

    Attributes:
        id: its public part, by which it is listed, logged and revoked.
        name: whose it is, or what for.
        created: day.
        sha256: of the whole key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    name: str
    created: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class KeyFile(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[Key, ...] = ()


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file; none where it is missing.

    Raises:
        LightloopError: the file is damaged.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except (ValidationError, OSError) as error:
        # Not pydantic's own words: they quote the file.
        reason = error.strerror if isinstance(error, OSError) else "it is not what `lightloop keys` writes"
        raise LightloopError(f"{path} can't be read ({reason}): mend it, or remove it and add keys anew") from None


def add_key(path: Path, name: str) -> tuple[Key, str]:
    """Make a key and keep its hash.

    Returns:
        What is kept, and the key itself, which nobody can tell again.

    Raises:
        UsageError: there is a key of that name, or it is no plain name.
        LightloopError: the file is damaged.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name[:64]!r} is no name for a key: use up to 64 letters, digits, spaces, or any of _ . @ -")
    with _changing(path):
        keys = read_keys(path)
        if name in {key.name for key in keys}:
            raise UsageError(f"there is a key named {name!r}: choose another name, or revoke that one first")
        identity = secrets.token_hex(6)
        secret = f"ll_{identity}_{secrets.token_urlsafe(32)}"
        kept = Key(id=identity, name=name, created=datetime.now(UTC).date().isoformat(), sha256=_hashed(secret).hex())
        _write(path, (*keys, kept))
    return kept, secret


def revoke_key(path: Path, wanted: str) -> Key:
    """Forget a key, by its id or name; a running service no longer takes it after a second.

    Raises:
        UsageError: there is none.
        LightloopError: the file is damaged.
    """
    with _changing(path):
        keys = read_keys(path)
        found = [key for key in keys if wanted in (key.id, key.name)]
        if not found:
            known = ", ".join(f"{key.name} ({key.id})" for key in keys) or "there are none"
            raise UsageError(f"no key has the id or name {wanted!r}: {known}")
        _write(path, tuple(key for key in keys if key is not found[0]))
    return found[0]


class KeyRing:
    """The keys of a file as they are now. A file that is missing or damaged lets nobody in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = float("-inf")
        self._stamp: object = None
        self._hashes: dict[str, bytes] = {}

    def holder(self, presented: str) -> str | None:
        """The id of the key that was presented, or None where it is none of them.

        The time that this takes does not depend on how much of a key is right.
        """
        now = time.monotonic()
        if now - self._looked > FRESH:
            self._looked = now
            self._look()
        identity = presented[IDENTITY]
        # What has another form than a key has no hash that is kept.
        kept = self._hashes.get(identity, NOBODY)
        return identity if compare_digest(kept, _hashed(presented)) else None

    def _look(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp != self._stamp:
                self._hashes = {key.id: bytes.fromhex(key.sha256) for key in read_keys(self._path)}
                self._stamp = stamp
        except (OSError, LightloopError):
            self._hashes, self._stamp = {}, None


def _hashed(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    content = KeyFile(keys=tuple(sorted(keys, key=lambda key: key.name)))
    with replacing(path) as temporary:
        temporary.touch(0o600)
        temporary.write_text(json.dumps(content.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Two commands at once do not lose each other's change."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
