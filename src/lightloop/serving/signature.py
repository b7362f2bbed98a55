"""Signing a bundle and checking that: Ed25519 over `hashes.json`, which stands for every file.

The private key stays with who releases, in a PEM file that only its owner reads; the public one lies beside the
project (`bundle.pub`) and in the service.
"""

import base64
import os
from pathlib import Path

from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json, write_json
from lightloop.serving.manifest import HASHES, SIGNATURE

# Names of files of keys, where the config or the command names none.
SIGN_KEY, PUBLIC_KEY = "LIGHTLOOP_SIGN_KEY", "LIGHTLOOP_PUBLIC_KEY"
ALGORITHM = "ed25519"


def name_keys(root: Path, *, sign: str | None = None, public: str | None = None) -> None:
    """Let the files of keys that a config names be those of this process and of all that it starts.

    What the environment names already stays.

    Args:
        root: of the project, which the files are relative to.
        sign: file of the private key, or None.
        public: file of the public key, or None.
    """
    for variable, named in ((SIGN_KEY, sign), (PUBLIC_KEY, public)):
        if named is not None and not os.environ.get(variable):
            os.environ[variable] = str(root / named)


def make_keys(private: Path, public: Path) -> str:
    """Write a new pair of keys; the private one can be read by its owner alone.

    Returns:
        The public key, Base64 of its 32 bytes.

    Raises:
        UsageError: one of the files is there already.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    for path in (private, public):
        if path.exists():
            raise UsageError(f"{path} is there already: move it away first, or name another file")
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def sign_bundle(folder: Path, private: Path | None = None) -> bool:
    """Write `signature.json` into a bundle: the same key and bundle give the same bytes.

    Args:
        folder: of the bundle, with its `hashes.json`.
        private: file of the key; default: the one that `LIGHTLOOP_SIGN_KEY` names.

    Returns:
        Whether there is a key; without one, a signature that lies there is removed, since it is of other files.

    Raises:
        UsageError: the file is no private Ed25519 key.
    """
    path = private or _named(SIGN_KEY)
    if path is None:
        (folder / SIGNATURE).unlink(missing_ok=True)
        return False
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is no private Ed25519 key in a PEM file: make one with `lightloop keygen`")
    signed = key.sign((folder / HASHES).read_bytes())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    content = {
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(public).decode(),
        "signature": base64.b64encode(signed).decode(),
    }
    write_json(folder / SIGNATURE, content)
    return True


def check_signature(folder: Path, public: Path | None = None) -> bool:
    """Refuse a bundle that is not signed with the pinned key; without one nothing is asked.

    Args:
        folder: of the bundle.
        public: file of the key; default: the one that `LIGHTLOOP_PUBLIC_KEY` names.

    Returns:
        Whether there is a key to check with.

    Raises:
        LightloopError: the bundle is not signed, or with another key, or its files are others.
        UsageError: the file is no public Ed25519 key.
    """
    path = public or _named(PUBLIC_KEY)
    if path is None:
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} is no public Ed25519 key in a PEM file: take the one that `lightloop keygen` wrote")
    if not (folder / SIGNATURE).exists():
        raise LightloopError(f"{folder} is not signed, but {path} asks for it: sign the bundle, or unset the key")
    try:
        signed = base64.b64decode(str(read_json(folder / SIGNATURE)["signature"]), validate=True)
        key.verify(signed, (folder / HASHES).read_bytes())
    except (InvalidSignature, ValueError, KeyError, TypeError, LightloopError):
        raise LightloopError(
            f"{folder} is not signed with the key of {path}: take a bundle of whoever holds the private key"
        ) from None
    return True


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
