"""What a person is asked when a project is made, and what of it is refused."""

import keyword
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lightloop.errors import UsageError
from lightloop.template.making.naming import TEMPLATE, Name

Licence = Literal["MIT", "Apache-2.0", "BSD-3-Clause", "proprietary"]
Target = Literal["local", "container", "kubernetes", "ray"]
# Words and numbers with a space or hyphen between them: what can be spelled as a package, a command and a class.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[ _-][A-Za-z0-9]+)*")
_LONGEST = 40  # characters: a Kubernetes object is called `NAME-MODEL` in 63
# Folders beside the package, on which imports of tests and tools rely.
_TAKEN = {"tests", "test", "src", "data", "docs", "configs", "benchmarks", "scripts", "rehearsal", "model", "artifacts"}
_ADDRESS = re.compile(r"embedded|(?:s3|gs|ssh|azure)://\S+|[/~.]\S*")
_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
EMBEDDED = "embedded"
# Experiments of the template that a project keeps unless it says otherwise: tests and the rehearsal run on them.
TESTED = {"image": ("fashion",), "tabular": ("loans", "loans-fast")}
KEPT = tuple(name for names in TESTED.values() for name in names)


class Answers(BaseModel):
    """What the new project is to be.

    Attributes:
        name: as people write it, such as "Churn at Acme"; package, command and variables are spelled after it.
        author: a person or an organisation: in the licence, in `pyproject.toml` and on model cards.
        email: of the author; None leaves it out.
        licence: of what the author adds; the template's own notice stays beside it.
        year: of the copyright.
        description: one line: what the project is for.
        tracking: Weights & Biases, or none.
        entity: of Weights & Biases; None is the default entity.
        remote: of DVC: `embedded` is `storage/` in git; else an address such as `s3://bucket/prefix`.
        target: where the workflows deploy to, unless the repository's variable DEPLOY_TARGET says otherwise.
        leave_out: features of `features.toml` that the project can do without.
        experiments: of the template's, those that are kept with their data.
        minimal: the small project: one table, and nothing that can be left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    author: str
    email: str | None = None
    licence: Licence = "MIT"
    year: Annotated[int, Field(ge=1970, le=9999)]
    description: str = ""
    tracking: Literal["wandb", "none"] = "wandb"
    entity: str | None = None
    remote: str = EMBEDDED
    target: Target = "local"
    leave_out: tuple[str, ...] = ()
    experiments: tuple[str, ...] = KEPT
    minimal: bool = False

    @property
    def spelled(self) -> Name:
        return Name(self.name)

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        return require_name(value)

    @field_validator("author", "description")
    @classmethod
    def _check_line(cls, value: str) -> str:
        # It stands in TOML, YAML and Markdown.
        if re.search(r"[\"\\\n\r\t{}`<>]", value):
            raise ValueError("a line without quotes, backslashes, braces and angle brackets")
        return value.strip()

    @field_validator("author")
    @classmethod
    def _check_author(cls, value: str) -> str:
        if not value:
            raise ValueError("a person or an organisation, for the licence")
        return value

    @field_validator("email")
    @classmethod
    def _check_email(cls, value: str | None) -> str | None:
        if value and not _EMAIL.fullmatch(value):
            raise ValueError("an address such as someone@example.org")
        return value or None

    @field_validator("entity")
    @classmethod
    def _check_entity(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
            raise ValueError("letters, digits, hyphens and dots")
        return value or None

    @field_validator("remote")
    @classmethod
    def _check_remote(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError(
                "`embedded`, s3://bucket/prefix, gs://, ssh://, azure://, or a folder that begins with / or ."
            )
        if re.match(r"\w+://[^/]*:[^/]*@", value):
            raise ValueError("an address without a password: rights come from the environment (docs/remote.md)")
        return value


def require_name(value: str) -> str:
    """The name, where everything can be spelled after it.

    Raises:
        ValueError: it can't be spelled, or Python, a package or a folder of the template is called so already.

    Examples:
        >>> require_name("Churn at Acme")
        'Churn at Acme'
    """
    value = value.strip()
    if not _NAME.fullmatch(value) or len(value) > _LONGEST:
        raise ValueError(
            f"ASCII letters and digits, words parted by one space or hyphen, at most {_LONGEST} characters, "
            f"such as Churn at Acme"
        )
    package = Name(value).package
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in _TAKEN:
        raise ValueError(f"another name: {package} means something else to Python or in this repository")
    if package in packages_distributions() and package != TEMPLATE.package:
        raise ValueError(f"another name: a package that this project uses is imported as {package}")
    return value


def make_answers(given: dict[str, Any], *, where: str = "the answers") -> Answers:
    """Check answers; the year is this one where it is not given.

    Args:
        given: by the names of `Answers`.
        where: they come from, for the message.

    Raises:
        UsageError: one is missing, wrong, or not known; names the first.

    Examples:
        >>> make_answers({"name": "Churn", "author": "Acme", "year": 2026}).spelled.command
        'churn'
    """
    try:
        return Answers.model_validate({"year": datetime.now(UTC).year} | given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            near = _nearest(key, tuple(Answers.model_fields))
            raise UsageError(
                f"{where} have no {key!r}{near}: they can hold {', '.join(Answers.model_fields)}"
            ) from None
        expected = first["msg"].removeprefix("Value error, ")
        came = "nothing" if first["type"] == "missing" else repr(first["input"])
        raise UsageError(f"{where}: {key} must be {_expected(expected)}, but is {came}") from None


def read_answers(path: Path) -> dict[str, Any]:
    """Read answers from a YAML file.

    Raises:
        UsageError: there is no such file, or it holds no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read ({error}): name a YAML file of answers") from None
    except yaml.YAMLError as error:
        raise UsageError(
            f"{path} is no YAML ({' '.join(str(error).split())}): write lines such as `name: Churn`"
        ) from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} must hold lines such as `name: Churn`, but holds {type(content).__name__}")
    return {str(key): value for key, value in content.items()}


def _expected(message: str) -> str:
    return {"Field required": "given"}.get(
        message, message[0].lower() + message[1:] if message[:2] != "AS" else message
    )


def _nearest(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
