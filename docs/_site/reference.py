"""What two pages get from the code when the site is built: the commands, and the Python interface."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Modules that programs may import: their docstrings are contracts.
PUBLIC = (
    "lightloop.runs.opened",
    "lightloop.runs.run",
    "lightloop.runs.explanations",
    "lightloop.serving.predictor",
    "lightloop.serving.predictions",
    "lightloop.serving.explainer",
    "lightloop.monitoring.window",
    "lightloop.release.registry",
    "lightloop.config.compose",
    "lightloop.errors",
)
# Of reStructuredText; the docstrings are plain text with code between backticks.
MARKS = re.compile(r"(`[^`]*`)|([*|]|(?<=\w)_(?=\W|$))")


def commands() -> str:
    """Every command with its options, as Markdown, as Typer writes it."""
    import typer
    from typer.cli import get_docs_for_click

    import lightloop.cli  # noqa: F401 - it adds the commands
    from lightloop.cli.application import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="lightloop")
    # Lists of commands are cut short, and --help is everywhere the same.
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)
    text = re.sub(r"^\* `--help`.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\*\*Options\*\*:\n\n(?!\*)", "", text).replace("```console\n$ ", "```console\n")
    # The page has a title of its own.
    return text[text.index("\n## ") :]


def interface() -> str:
    """Each public module with what its docstrings say."""
    return "".join(f"\n## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n" for name in PUBLIC)


def changes() -> str:
    """What CHANGELOG.md says below its title, with links as they are from docs/."""
    path = ROOT / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8").partition("\n")[2] if path.exists() else ""
    return re.sub(r"\]\((?!https?:|#)(docs/)?", lambda link: "](" if link[1] else "](../", text)


def plain(lines: list[str]) -> list[str]:
    r"""A docstring in which code is what stands between backticks, in examples, or set in; all else is plain text.

    Examples:
        >>> print(*plain(["at most |a - b| of `x|y`, see a_", "", "    run()"]), sep="\n")
        at most \|a - b\| of `x|y`, see a\_
        <BLANKLINE>
        ::
        <BLANKLINE>
            run()
    """
    found: list[str] = []
    code, above = False, ""
    for place, line in enumerate(lines):
        inset = line[:1] == " "
        if inset and place and not lines[place - 1].strip() and above[:1] not in ("", " ") and not above.endswith(":"):
            found += ["::", ""]
            code = True
        elif line.lstrip().startswith(">>>"):
            code = True
        elif not line.strip():
            code = code and place + 1 < len(lines) and lines[place + 1][:1] == " " and "::" in found
        elif not inset:
            code = False
        found.append(line if code else MARKS.sub(lambda mark: mark[1] or f"\\{mark[2]}", line))
        above = line if line.strip() else above
    return found
