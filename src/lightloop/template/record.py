"""`.template.json`: what a project is made from, so that it can be brought up to date."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightloop.errors import LightloopError
from lightloop.files import write_json

RECORD: Final = ".template.json"


@dataclass(frozen=True)
class Record:
    """What a project is made from.

    Attributes:
        template: address of the template's repository: a URL or a folder; None where nobody knew it.
        version: of the template.
        commit: of the template, of which the project's first commit was made.
        answers: what its owner answered; None where the template was cloned and nothing asked, a name alone where the
            project was renamed by hand.
    """

    template: str | None
    version: str
    commit: str
    answers: dict[str, Any] | None


def read_record(root: Path) -> Record | None:
    """The record of the project at `root`; None where it has none.

    Raises:
        LightloopError: it is there and says something else.
    """
    path = root / RECORD
    if not path.exists():
        return None
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError):
        raise LightloopError(
            f"{path} does not say which template the project is made from: get it back with `git log -- {RECORD}`"
        ) from None


def write_record(root: Path, record: Record) -> None:
    """Write it."""
    write_json(root / RECORD, vars(record))


def without_secrets(address: str) -> str:
    """An address without the name and password that it may carry.

    Examples:
        >>> without_secrets("https://me:secret@example.org/lightloop.git")
        'https://example.org/lightloop.git'
        >>> without_secrets("git@example.org:acme/lightloop.git")
        'git@example.org:acme/lightloop.git'
    """
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", address) if not address.startswith("ssh://") else address
