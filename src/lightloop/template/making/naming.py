"""Another name for everything: the package, the command, variables of the environment, classes, words, file names."""

import re
from dataclasses import dataclass
from pathlib import Path

# What the template is called, in the three spellings that stand for all others.
WORD = re.compile(r"lightloop|Lightloop|LIGHTLOOP")
# Content-addressed or nobody's text: no byte of these changes.
UNTOUCHED = ("storage", "data", ".git", ".venv")
# Where the word is a package although nothing stands around it that only a package can have around it.
_PACKAGE_BEFORE = re.compile(
    r"""(?:\bsrc/|/app/|\bfrom\ |\bimport\ [\w,\ ]*|-m\ |-m",\s+"|"src"\ /\ "|packages\ =\ \["|modules\ =\ \[")$""",
    re.VERBOSE,
)
_PACKAGE_AFTER = re.compile(r"\(|\\\.|\[\\w|\.(?!(?:git|json|log|md|toml|txt|ya?ml)\b)[A-Za-z_*{]")
# An argument of a call, and what the names of modules begin with.
_CALLED = re.compile(r"\w\($")
_PREFIX = re.compile(r"\.['\"]")
_ASSIGNED = re.compile(r"(?:^|\n)[ \t]*$")
_HYPHEN = "-"


@dataclass(frozen=True)
class Name:
    """A project's name in every spelling.

    Attributes:
        title: as people write it.

    Examples:
        >>> name = Name("Churn at Acme")
        >>> name.package, name.command, name.constant, name.class_prefix, name.header
        ('churn_at_acme', 'churn-at-acme', 'CHURN_AT_ACME', 'ChurnAtAcme', 'Churn-At-Acme')
    """

    title: str

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(re.findall(r"[A-Za-z0-9]+", self.title))

    @property
    def package(self) -> str:
        """What is imported, and what names of metrics begin with."""
        return "_".join(self.words).lower()

    @property
    def command(self) -> str:
        """What is typed; also the distribution, images, and objects of Kubernetes, which allow no underscore."""
        return "-".join(self.words).lower()

    @property
    def constant(self) -> str:
        """What variables of the environment begin with."""
        return self.package.upper()

    @property
    def class_prefix(self) -> str:
        return "".join(word[0].upper() + word[1:] for word in self.words)

    @property
    def header(self) -> str:
        """As in names of HTTP headers."""
        return "-".join(word[0].upper() + word[1:] for word in self.words)


TEMPLATE = Name("Lightloop")


def rename_text(text: str, name: Name) -> str:
    """Write `name` for the template's name, each time in the spelling that fits the place.

    Args:
        text: of a file, or a path.
        name: that the project gets.

    Examples:
        >>> name = Name("Churn at Acme")
        >>> rename_text("from lightloop.errors import LightloopError  # see `lightloop run`", name)
        'from churn_at_acme.errors import ChurnAtAcmeError  # see `churn-at-acme run`'
        >>> rename_text("LIGHTLOOP_LOG, X-Lightloop-Release, .lightloop/log, a Lightloop", name)
        'CHURN_AT_ACME_LOG, X-Churn-At-Acme-Release, .churn-at-acme/log, a Churn at Acme'
    """

    def spelled(found: re.Match[str]) -> str:
        word, start, end = found[0], found.start(), found.end()
        before, after = text[max(0, start - 60) : start], text[end : end + 12]
        if word.isupper():
            return name.constant
        joined = _joins(before[-1:]) or _joins(after[:1])
        if word[0].isupper():
            if joined:
                return name.class_prefix
            return name.header if _HYPHEN in (before[-1:], after[:1]) else name.title
        return name.package if joined or _is_package(before, after) else name.command

    return WORD.sub(spelled, text)


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_package(before: str, after: str) -> bool:
    if _PACKAGE_BEFORE.search(before) or _PACKAGE_AFTER.match(after):
        return True
    if (after.startswith(")") and _CALLED.search(before)) or (before[-1:] in "'\"" and _PREFIX.match(after)):
        return True
    return after.startswith((" = [", " = {", " = (")) and bool(_ASSIGNED.search(before))


def rename_tree(root: Path, name: Name) -> None:
    """Rename everything below `root`, in place: what files say, and what files and folders are called.

    Files that are no UTF-8 are left alone, as are `storage/` and `data/`, whose bytes are their names.
    """
    if name == TEMPLATE:
        return
    for path in tree_files(root):
        text = text_of(path)
        if text is not None and WORD.search(text):
            write_same_mode(path, rename_text(text, name))
    # Deepest first, so that no parent moves away under its children.
    entries = [entry for entry in root.rglob("*") if entry.relative_to(root).parts[0] not in UNTOUCHED]
    for path in sorted(entries, key=lambda entry: -len(entry.parts)):
        if WORD.search(path.name):
            # Code and folders of code have names that can be imported.
            path.rename(path.with_name(WORD.sub(name.package, path.name)))


def tree_files(root: Path) -> list[Path]:
    """The files below `root` that may be changed, in one order on every machine."""
    found = [entry for entry in root.rglob("*") if entry.relative_to(root).parts[0] not in UNTOUCHED]
    return sorted(entry for entry in found if entry.is_file() and not entry.is_symlink())


def text_of(path: Path) -> str | None:
    """What a file says, with the ends of its lines; None where it is no text."""
    content = path.read_bytes()
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def write_same_mode(path: Path, text: str) -> None:
    """Write a file that keeps its rights and the ends of its lines."""
    path.write_bytes(text.encode("utf-8"))
