"""What is open is asked, in a terminal alone; a wrong answer is said and asked again."""

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from adoption_world import customers, guessed
from rich.console import Console

from lightloop.adoption.model import Finding, Guess, Question
from lightloop.adoption.shown import ask, number, show_findings, show_guess
from lightloop.errors import UsageError

TARGET = Question("target", "Which column is to be predicted?", (), "bleibt", 0.5, "the last one")
PROBLEM = Question(
    "problem", "Classes or numbers?", ("classification", "regression"), "classification", 0.6, "few values"
)
OPEN = replace(guessed(customers().drop(columns="Kunden-Nr"), "bleibt"), questions=(TARGET, PROBLEM))


def answering(answers: Mapping[str, str]) -> Guess:
    """As `make_guess`: the target must be a column, and what was answered is closed."""
    if answers.get("target", "bleibt") not in ("bleibt", "Ort"):
        raise UsageError(f"there is no column {answers['target']!r}")
    return replace(OPEN, questions=tuple(one for one in OPEN.questions if one.key not in answers))


def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=140), out


def test_each_is_asked_until_it_is_answered(monkeypatch: pytest.MonkeyPatch):
    typed = iter(["nope", "Ort", "numbers", ""])
    monkeypatch.setattr("builtins.input", lambda *_: next(typed))
    out, text = console()
    found = ask(out, OPEN, answering, yes=False, terminal=True)
    assert found.questions == ()
    assert list(typed) == []
    said = text.getvalue()
    assert "there is no column 'nope'" in said
    assert "It looks like bleibt (50%): the last one." in said


def test_yes_takes_the_guesses_and_what_is_closed_is_not_asked():
    out, text = console()
    assert ask(out, OPEN, answering, yes=True, terminal=False) is OPEN
    closed = replace(OPEN, questions=())
    assert ask(out, closed, answering, yes=False, terminal=False) is closed
    assert text.getvalue() == ""


def test_without_a_terminal_the_open_ones_are_named():
    out, _ = console()
    with pytest.raises(UsageError, match=r"predicted\? \(guess: bleibt, 50%\); Classes or .*--target, .*--yes"):
        ask(out, OPEN, answering, yes=False, terminal=False)


def test_guess_and_findings_are_shown():
    out, text = console()
    show_guess(out, OPEN)
    show_findings(out, [Finding("leak", "critical", ("Ort",), "'Ort' alone tells [the] target", "leave it out")])
    said = text.getvalue()
    for word in ("tabular, classification (90% sure)", "Größe (Monate)", "train 240", "[the] target", "leave it out"):
        assert word in said


def test_of_many_columns_the_special_ones_are_shown():
    frame = customers()[["bleibt"]].assign(**{f"c{place}": 1.0 for place in range(90)})
    guess = guessed(frame, "bleibt")
    doubtful = replace(guess.columns[-1], confidence=0.3)
    out, text = console()
    show_guess(out, replace(guess, columns=(*guess.columns[:-1], doubtful)))
    said = text.getvalue()
    assert "c89" in said
    assert "bleibt" in said
    assert "more" in said
    assert said.count("\n") < 60


def test_numbers():
    assert [number(one) for one in (0.5, 1234.5, float("nan"))] == ["0.5", "1,234.5", "undefined"]
