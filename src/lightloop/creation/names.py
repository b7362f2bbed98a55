"""What a new piece may be called."""

import ast
import builtins
import keyword
import re

from lightloop.errors import UsageError

# Longer ones would not fit the lines that hold them.
LONGEST = 32
PATTERN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def class_of(name: str) -> str:
    """The class of a file.

    Examples:
        >>> class_of("two_words")
        'TwoWords'
    """
    return "".join(part.capitalize() for part in name.split("_"))


def title_of(name: str) -> str:
    """The name for people.

    Examples:
        >>> title_of("two_words")
        'Two words'
    """
    return name.replace("_", " ").capitalize()


def check_name(kind: str, name: str) -> None:
    """Refuse what is no name of a file, a class and a config at once.

    Args:
        kind: network, task, metric or stage.
        name: as typed.

    Raises:
        UsageError: and which name would do.
    """
    if not PATTERN.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a {kind}: write small letters, digits and single underscores{_near(name)}"
        )
    if len(name) > LONGEST:
        raise UsageError(f"{name!r} has {len(name)} characters, and the name of a {kind} at most {LONGEST}: shorten it")
    # Of a class, None and True are what counts; of a stage, which is a function, what Python brings along.
    if keyword.iskeyword(name) or keyword.iskeyword(class_of(name)) or (kind == "stage" and hasattr(builtins, name)):
        raise UsageError(f"{name!r} is a word of Python's own: call the {kind} something else, such as my_{name}")


def check_no_clash(kind: str, name: str, source: str) -> None:
    """Refuse a name that the new file imports itself, such as a task that would be called Batch.

    Raises:
        UsageError: it does.
    """
    own = name if kind == "stage" else class_of(name)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if own in imported:
        raise UsageError(
            f"{name!r} would hide {own}, which a {kind} imports: call it something else, such as my_{name}"
        )


def _near(name: str) -> str:
    """A name that would do, where one is near."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    near = re.sub(r"[^a-z0-9]+", "_", words).strip("_").lstrip("0123456789_")
    return f", such as {near}" if PATTERN.fullmatch(near) else ", such as my_first"
