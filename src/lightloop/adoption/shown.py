"""What a person sees of an adoption, and is asked."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.prompt import Prompt
from rich.table import Table
from rich.text import Text

from lightloop.adoption.model import SURE, ColumnGuess, Finding, Guess, Question
from lightloop.config.metrics import METRICS
from lightloop.errors import UsageError
from lightloop.release.repository import some

if TYPE_CHECKING:
    from lightloop.adoption.smoke import Smoke

MOST_COLUMNS = 40
MARKS = {"critical": Text("✗", "bold red"), "warning": Text("!", "bold yellow"), "note": Text("·", "dim")}
LARGE = 100


def console() -> Console:
    """Wide enough not to break lines where there is no terminal to ask."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 140)


def show_guess(out: Console, guess: Guess) -> None:
    """The guess as a table, with how sure it is and why."""
    parts = ", ".join(f"{part} {records:,}" for part, records in guess.parts.items())
    out.print(f"{guess.modality}, {guess.problem} ({guess.confidence:.0%} sure): {guess.reason}", soft_wrap=True)
    classes = f"; classes: {some(list(guess.classes), 8)}" if guess.classes else ""
    out.print(f"records: {parts}; split: {guess.policy}, {guess.policy_reason}{classes}", soft_wrap=True)
    table = Table("column", "is", "role", "sure", "why", box=SIMPLE_HEAD)
    table.columns[-1].overflow = "fold"
    shown = _first(guess.columns)
    for column in shown:
        name = column.name if column.name == column.source else f"{column.name} ({column.source})"
        table.add_row(Text(name), column.what, column.role, _sure(column.confidence), Text(column.reason))
    if len(shown) < len(guess.columns):
        table.add_row("...", f"{len(guess.columns) - len(shown)} more", "", "", "in configs/data/")
    out.print(table)


def _first(columns: Sequence[ColumnGuess]) -> list[ColumnGuess]:
    """All of them, or those that are no plain features and some of these."""
    if len(columns) <= MOST_COLUMNS:
        return list(columns)
    special = [column for column in columns if column.role != "feature" or column.confidence < SURE][:MOST_COLUMNS]
    plain = [column for column in columns if column not in special]
    return [*special, *plain[: max(5, MOST_COLUMNS - len(special))]]


def _sure(confidence: float) -> Text:
    return Text(f"{confidence:.0%}", "" if confidence >= SURE else "bold yellow")


def show_findings(out: Console, findings: Sequence[Finding]) -> None:
    """What usually goes wrong, and did."""
    if not findings:
        return
    table = Table("", "found", "what to do, or was done", box=SIMPLE_HEAD, show_lines=True)
    for column in table.columns:
        column.overflow = "fold"
    for finding in findings:
        table.add_row(MARKS[finding.severity], Text(finding.text), Text(finding.advice))
    out.print(table)


def ask(
    out: Console, guess: Guess, answer: Callable[[Mapping[str, str]], Guess], *, yes: bool, terminal: bool
) -> Guess:
    """Ask what could not be inferred, until nothing is open.

    Args:
        out: where questions go.
        guess: with questions.
        answer: makes the guess with answers by key; a UsageError says what is wrong with one.
        yes: take what was guessed.
        terminal: whether there is a person to be asked.

    Raises:
        UsageError: something is open, nobody is there, and `yes` was not said.
    """
    if yes or not guess.questions:
        return guess
    if not terminal:
        open_ones = "; ".join(f"{one.text} (guess: {one.default}, {one.confidence:.0%})" for one in guess.questions)
        raise UsageError(
            f"this can't be told from the data alone: {open_ones}; answer in a terminal, say --target, or take the "
            "guesses with --yes"
        )
    answers: dict[str, str] = {}
    while guess.questions:
        question = guess.questions[0]
        answers[question.key] = _asked(out, question)
        try:
            guess = answer(answers)
        except UsageError as error:
            out.print(Text(str(error), "bold red"))
            del answers[question.key]
    return guess


def _asked(out: Console, question: Question) -> str:
    out.print(Text(f"{question.text} It looks like {question.default} ({question.confidence:.0%}): {question.reason}."))
    choices = list(question.choices) or None
    return Prompt.ask("your answer", console=out, choices=choices, default=question.default)


def show_smoke(out: Console, found: "Smoke", seconds: float) -> None:
    """The first score, beside the simpler model and what knows nothing."""
    table = Table("on the validation part", *(found.title(name) for name in found.metrics), box=SIMPLE_HEAD)
    for title, values in zip(found.titles, (found.network, found.simpler, found.trivial), strict=True):
        table.add_row(title, *(number(values[name]) for name in found.metrics))
    out.print(table)
    fitted = "" if found.whole else " of a short fit"
    out.print(
        f"first score{fitted} after {seconds:.0f} s: {found.epochs} epochs on {found.records[0]:,} records, judged by "
        f"{found.records[1]:,} others; the test part was not looked at",
        soft_wrap=True,
    )
    if not found.learns:
        direction = "above" if METRICS[found.metrics[0]].direction == "higher" else "below"
        out.print(
            Text(
                f"The network's {found.title(found.metrics[0])} is not {direction} what needs no data at all: look at "
                "the warnings above, and whether the columns can tell the target at all.",
                "bold yellow",
            )
        )


def number(value: float) -> str:
    """A value of a metric, for people.

    Examples:
        >>> number(0.98765), number(12345.6), number(float("nan"))
        ('0.9877', '12,345.6', 'undefined')
    """
    if value != value:  # noqa: PLR0124 - NaN
        return "undefined"
    return f"{value:,.1f}" if abs(value) >= LARGE else f"{value:.4g}"
