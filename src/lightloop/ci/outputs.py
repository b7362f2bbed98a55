"""What a step says: outputs for later steps, a summary for people, annotations. On a laptop it is only printed."""

import os
from pathlib import Path

from lightloop.errors import LightloopError

# Above 1 MiB a summary is dropped whole; of a pull request's text 65,536 characters are taken.
SUMMARY = 1_000_000
BODY = 65_000


def in_actions() -> bool:
    """Whether this process is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def run_again() -> bool:
    """Whether a person had this run repeated: its first attempt may have come no further than half way."""
    return os.environ.get("GITHUB_RUN_ATTEMPT", "1") != "1"


def put(**values: str | int | bool | None) -> None:
    """Print outputs, and hand them to later steps.

    Args:
        values: by name; True becomes `true`, None an empty text.

    Raises:
        LightloopError: a value has more than one line: it could name further outputs.
    """
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
        if "\n" in text or "\r" in text:
            raise LightloopError(f"the output {name} has more than one line: {text.splitlines()[0]!r} ...")
        print(f"{name.replace('_', '-')}={text}", flush=True)
        _append("GITHUB_OUTPUT", f"{name.replace('_', '-')}={text}\n")


def summarise(markdown: str) -> None:
    """Show Markdown on the page of the run."""
    _append("GITHUB_STEP_SUMMARY", clip(markdown.rstrip() + "\n\n", SUMMARY))


def warn(sentence: str) -> None:
    """Say what a person should see although nothing failed."""
    if in_actions():
        # Its own escapes: a line break would end the command.
        text = sentence.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::warning::{text}", flush=True)
    else:
        print(f"warning: {sentence}", flush=True)


def clip(text: str, most: int) -> str:
    r"""A text of at most so many bytes in UTF-8, that says so where something was cut off.

    Examples:
        >>> clip("short", 100)
        'short'
        >>> clip("line\n" * 100, 60)
        'line\nline\nline\nline\n\n(cut off: it was longer)\n'
    """
    if len(text.encode()) <= most:
        return text
    end = "\n\n(cut off: it was longer)\n"
    kept = text.encode()[: most - len(end) - 10].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + end


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path and in_actions():
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
