"""What a source seems to be: modality, problem, columns, target, split; and what is to be asked. No torch.

Everything is guessed anew with each answer, so that an answer that changes the target changes all that hangs on it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from lightloop.adoption.columns import guess_column
from lightloop.adoption.division import Division, divide_by
from lightloop.adoption.folders import class_files
from lightloop.adoption.leaks import about_leak, find_leaks
from lightloop.adoption.looks import pictures_of, word_lengths
from lightloop.adoption.model import (
    FOLDERS,
    SURE,
    ColumnGuess,
    Finding,
    Guess,
    Modality,
    Question,
    Reading,
    Rhythm,
    Source,
)
from lightloop.adoption.names import FAVOURABLE, words
from lightloop.adoption.packing import steps_of
from lightloop.adoption.profile import name_in_data, values_of
from lightloop.adoption.rhythm import rhythm_of
from lightloop.adoption.source import raw_table
from lightloop.adoption.target import LEAST_OF_CLASS, Chosen, choose_problem, choose_target, classes_of
from lightloop.adoption.timed import find_time, likely_forecast, only_number
from lightloop.adoption.worded import likely_text, texts_of
from lightloop.config.data import Part, Problem, Role
from lightloop.errors import UsageError

# Roles that an answer may give a column of a table.
ROLES: tuple[Role, ...] = ("feature", "ignored", "group", "time", "sensitive", "slice")
PACKED = "series"


def make_guess(source: Source, *, target: str | None = None, answers: Mapping[str, str] | None = None) -> Guess:
    """What a source seems to be.

    The guess is whole: what is not sure has its likeliest value, and stands in `questions` as well.

    Args:
        source: of `open_source`.
        target: name of the column that is predicted, as in the source; None guesses it.
        answers: to questions, by their keys.

    Raises:
        UsageError: the target is no column or can't be one, an answer is none that is taken, or nothing can be learned.
    """
    given = dict(answers or {})
    if target is not None:
        given["target"] = target
    if source.form in ("images", "texts"):
        if target is not None and target != "label":
            raise UsageError(f"{source.given[0]} is a folder, whose target is the class folder: leave out --target")
        return _folder(source)
    return _Tables(source, given).guess()


def _folder(source: Source) -> Guess:
    modality = FOLDERS[source.form]
    files = {part: class_files(place.paths[0], source.form) for part, place in source.places.items()}
    counts: dict[str, int] = {}
    for file in (file for some in files.values() for file in some):
        counts[file.label] = counts.get(file.label, 0) + 1
    classes = tuple(sorted(name for name, count in counts.items() if count >= LEAST_OF_CLASS))
    _check_classes(classes, "the class folders")
    images = modality == "image"
    return Guess(
        modality,
        "classification",
        0.97,
        f"class folders with {source.form}",
        (
            ColumnGuess(modality, modality, "image" if images else "free text", "feature", None, 0.97, "the files"),
            ColumnGuess("label", "label", "category", "target", None, 0.97, "the folder's name", values=classes),
        ),
        classes,
        None,
        "stratified",
        "each class alike",
        {part: len(some) for part, some in files.items()},
        pictures=pictures_of([file.path for file in files["train"]]) if images else None,
        length=None if images else word_lengths([file.path for file in files["train"]]),
    )


class _Tables:
    """The steps of a guess on records with columns."""

    def __init__(self, source: Source, answers: dict[str, str]) -> None:
        self.source = source
        self.answers = answers
        self.values = dict(values_of(source))
        self.questions: list[Question] = []
        self.columns = {name: guess_column(one, name_in_data(name)) for name, one in self.values.items()}
        self.parts: dict[Part, int] = {part: len(raw_table(source, part)) for part in source.places}
        self.sure = 1.0
        self.target = ""
        self.timed = find_time(self.columns, self.values)
        if self.timed is not None:
            column = self.columns[self.timed.name]
            self.columns[self.timed.name] = replace(column, what="time", reading=self.timed.reading)
        self.findings: list[Finding] = []

    def guess(self) -> Guess:
        self._pack()
        self._choose_target()
        modality, problem, reason = self._choose_problem()
        self._set_target(problem)
        match modality:
            case "tabular":
                self._drop_leaks(problem)
            case "series" if problem == "forecasting":
                self._keep_series()
            case _:
                self._keep_record(modality)
        self._answer_columns(modality, problem)
        division = divide_by(self.columns, modality, problem)
        self.columns |= division.changed
        return self._whole(modality, problem, reason, division)

    # What is predicted

    def _pack(self) -> None:
        """Columns that are the steps of one series a record become one column."""
        able = [name for name, one in self.columns.items() if self.values[name].holds == "number"]
        wanted = self.answers.get("target")
        steps, sure = steps_of(self.values, [name for name in able if name != wanted])
        if not steps:
            return
        self._ask_modality("series", sure, f"the columns {steps[0]} to {steps[-1]} follow each other like time steps")
        if self.answers.get("modality", "series") != "series":
            return
        kept = [name for name in self.columns if name not in steps]
        packed = ColumnGuess(
            PACKED, steps[0], "series", "feature", None, sure, f"{len(steps)} columns, a step each", parts=steps
        )
        self.columns = {name: self.columns[name] for name in kept} | {steps[0]: packed}

    def _choose_target(self) -> None:
        wanted = self.answers.get("target")
        if wanted is not None:
            self.target = self._source_name(wanted)
            column = self.columns.get(self.target)
            if column is None or column.what in ("image", "series", "nested", "empty", "constant"):
                what = column.what if column else "a step of a series"
                raise UsageError(f"the column {wanted!r} can't be predicted, since it is {what}: name another one")
            return
        found = only_number(self.timed, self.columns) or choose_target(
            list(self.columns.values()), self.values, self.source.features
        )
        if found is None:
            raise UsageError(
                f"none of the columns {', '.join(self.columns)} can be predicted (they are identifiers, dates, free "
                "texts or the same in every record): name one with --target"
            )
        self.target = self._source_name(found.value)
        self.sure = min(self.sure, found.confidence)
        self._ask("target", "Which column is to be predicted?", (), found)

    # What kind of problem it is

    def _choose_problem(self) -> tuple[Modality, Problem, str]:
        single = next((one for one in self.columns.values() if one.what in ("image", "series")), None)
        found = choose_problem(self.values[self.target], self.target)
        if single is not None and self.target != single.source:
            modality: Modality = "tabular"
            # of feature: series
            if single.what == "series":
                modality = "series"
            # end
            # of feature: image
            if single.what == "image":
                modality, found = "image", Chosen("classification", 0.95, "images have classes here")
            # end
            return modality, self._problem(found, ("classification", "regression")), single.reason
        # of feature: series
        forecast = likely_forecast(self.timed, self.columns, self.values, self.target)
        if forecast is not None and self.values[self.target].holds == "number":
            chosen = self._problem(forecast, ("forecasting", "regression", "classification"))
            if chosen == "forecasting":
                return "series", "forecasting", forecast.reason
            if forecast.value == "forecasting":
                return "tabular", chosen, found.reason
        # end
        # of feature: text
        text = likely_text(self.columns, self.values, self.target)
        if text is not None:
            self._ask_modality(text.value, text.confidence, text.reason, ("text", "tabular"))
            if self.answers.get("modality", text.value) == "text":
                self._problem(replace(found, confidence=max(found.confidence, SURE)), ("classification",))
                return "text", "classification", text.reason
        # end
        return "tabular", self._problem(found, ("classification", "regression")), found.reason

    def _problem(self, found: Chosen, choices: tuple[Problem, ...]) -> Problem:
        answer = self.answers.get("problem")
        if answer is None:
            likely = found.value if found.value in choices else choices[0]
            self.sure = min(self.sure, found.confidence)
            self._ask("problem", "What is to be learned?", choices, replace(found, value=likely))
            answer = likely
        elif answer not in get_args(Problem):
            raise UsageError(f"the problem is {answer!r}: expected {' or '.join(choices)}")
        return answer  # type: ignore[return-value]

    # What follows for the columns

    def _set_target(self, problem: Problem) -> None:
        column = self.columns[self.target]
        one = self.values[self.target]
        classes: tuple[str, ...] = ()
        if problem == "classification":
            classes, rare = classes_of(one)
            _check_classes(classes, f"the target {self.target!r}", rare)
        elif one.holds not in ("number",):
            raise UsageError(
                f"the target {self.target!r} holds {one.holds} where {problem} needs numbers: say --target, or answer "
                "classification"
            )
        reading = column.reading
        if problem == "classification" and reading.type in ("number", "kept") and one.holds != "number":
            reading = Reading("text", missing=reading.missing)
        # A reserved name is no fault in a target.
        self.columns[self.target] = replace(
            column,
            name=self.target,
            what="category" if classes else "number",
            role="target",
            kind=None,
            confidence=self.sure,
            reason="to be predicted",
            values=classes,
            why=None,
            reading=one.reading if column.reading.type in ("year", "date") else reading,
        )

    def _drop_leaks(self, problem: Problem) -> None:
        names = [name for name, column in self.columns.items() if column.role == "feature"]
        for leak in find_leaks(self.values, names, self.target, classes=problem == "classification"):
            column = self.columns[leak.column]
            self.findings.append(about_leak(leak, column.name))
            if leak.kind == "strong":
                self.columns[leak.column] = replace(column, reason=f"{column.reason}; {leak.reason}")
                continue
            self.columns[leak.column] = replace(
                column, role="ignored", confidence=leak.confidence, reason=leak.reason, why=leak.reason, kind=None
            )

    def _keep_series(self) -> None:
        """Of a forecast the time stamps and the target are read, nothing else."""
        for name, column in self.columns.items():
            assert self.timed is not None
            if name == self.timed.name:
                reason = f"one time stamp a {self.timed.rhythm.step}"
                self.columns[name] = replace(column, role="time", kind=None, why=None, reason=reason, confidence=0.95)
            elif name != self.target and column.role != "ignored":
                why = "a forecast is made of the target's own past"
                self.columns[name] = replace(column, role="ignored", kind=None, why=why, values=())

    def _keep_record(self, modality: Modality) -> None:
        """Of images, texts and whole series one column is the record; what else could be a feature is not read."""
        if modality == "text":
            record = texts_of(self.columns, self.values, self.target)[0]
            self.columns[record] = replace(
                self.columns[record], what="free text", role="feature", kind=None, why=None, reason="the text"
            )
        else:
            record = next(name for name, one in self.columns.items() if one.what in ("image", "series"))
        for name, column in self.columns.items():
            if name not in (record, self.target) and column.role == "feature":
                why = f"a record is one {modality} here: this stands beside it"
                self.columns[name] = replace(column, role="ignored", kind=None, why=why, values=())

    def _answer_columns(self, modality: Modality, problem: Problem) -> None:
        for key, role in self.answers.items():
            if key.startswith("column:"):
                self._answer(self._source_name(key.partition(":")[2]), role, modality)
        asked = modality == "tabular"
        for name, column in self.columns.items():
            if asked and column.role != "target" and column.confidence < SURE and f"column:{name}" not in self.answers:
                found = Chosen(column.role, column.confidence, column.reason)
                self._ask(f"column:{name}", f"What is the column {name!r} for?", self._choices(column), found)
        if modality == "tabular" and not any(column.role == "feature" for column in self.columns.values()):
            said = "; ".join(f"{one.source}: {one.reason}" for one in self.columns.values() if one.role != "target")
            raise UsageError(f"no column is left that {problem} can learn from ({said}): give records with some")

    def _choices(self, column: ColumnGuess) -> tuple[str, ...]:
        usable = column.what in ("number", "category", "ordered", "group", "free text", "identifier")
        return tuple(role for role in ROLES if usable or role not in ("feature", "sensitive", "slice", "group"))

    def _answer(self, name: str, role: str, modality: Modality) -> None:
        column = self.columns.get(name)
        if column is None or column.role == "target":
            raise UsageError(f"{name!r} is the target or a step of a series, whose role is not asked: leave it out")
        if role not in get_args(Role) or role in ("target", "auxiliary"):
            raise UsageError(f"the role of {name!r} is {role!r}: expected {', '.join(ROLES)}")
        one = self.values[name]
        kind = column.kind
        if role == "feature" and modality == "tabular":
            kind = column.kind or ("number" if one.holds == "number" else "category")
        self.columns[name] = replace(
            column,
            role=role,  # type: ignore[arg-type]
            kind=kind if role == "feature" else None,
            confidence=1.0,
            reason="as you said",
            why="as you said" if role == "ignored" else None,
        )

    def _whole(self, modality: Modality, problem: Problem, reason: str, division: Division) -> Guess:
        # Names that are taken are so for columns that are read.
        columns = tuple(
            replace(column, name=column.source) if column.role == "ignored" and not column.parts else column
            for column in self.columns.values()
        )
        target = self.columns[self.target]
        chosen = next((one for one in columns if one.what == "identifier" and self._tells_apart(one)), None)
        favourable = None
        if any(column.role == "sensitive" for column in columns):
            favourable = next((one for one in target.values if set(words(one)) & FAVOURABLE and "not" not in one), None)
        train = raw_table(self.source, "train")
        pictures = length = None
        if modality == "image":
            record = next(column for column in columns if column.what == "image")
            pictures = pictures_of(train.column(record.source))
        elif modality in ("text", "series") and problem != "forecasting":
            record = next(column for column in columns if column.role == "feature")
            length = len(record.parts) or word_lengths(train.column(record.source))
        return Guess(
            modality,
            problem,
            self.sure,
            reason,
            columns,
            target.values,
            favourable,
            division.policy,
            division.why,
            self.parts,
            chosen.name if chosen and modality == "tabular" else None,
            tuple(self.questions),
            self._rhythm() if problem == "forecasting" else None,
            pictures,
            length,
            tuple(self.findings),
        )

    def _rhythm(self) -> Rhythm | None:
        """That of the time stamps, with the season and the gaps of the target."""
        assert self.timed is not None
        return rhythm_of(self.timed.stamps, self.values[self.target].numbers())

    def _tells_apart(self, column: ColumnGuess) -> bool:
        """Whether an identifier has a value of its own in each record of all parts together."""
        one = self.values[column.source]
        return column.role == "ignored" and not one.missing and one.distinct == len(one.array)

    # Questions

    def _ask(self, key: str, text: str, choices: tuple[str, ...], found: Chosen) -> None:
        if key not in self.answers and found.confidence < SURE:
            self.questions.append(Question(key, text, choices, found.value, found.confidence, found.reason))

    def _ask_modality(
        self, likely: str, sure: float, reason: str, choices: tuple[str, ...] = ("series", "tabular")
    ) -> None:
        answer = self.answers.get("modality")
        if answer is not None and answer not in choices:
            raise UsageError(f"the modality is {answer!r}: expected {' or '.join(choices)}")
        if answer is None:
            self.sure = min(self.sure, sure)
        self._ask("modality", "What is a record?", choices, Chosen(likely, sure, reason))

    def _source_name(self, name: str) -> str:
        """The name of a column in the source, by that or by the one in the data set."""
        if name in self.columns:
            return name
        found = [one.source for one in self.columns.values() if one.name == name]
        if not found:
            raise UsageError(f"there is no column {name!r} (there are {', '.join(self.columns)}): name one of them")
        return found[0]


def _check_classes(classes: tuple[str, ...], where: str, rare: Mapping[str, int] | None = None) -> None:
    if len(classes) < 2:
        few = f", and {len(rare)} with fewer than {LEAST_OF_CLASS} records" if rare else ""
        raise UsageError(
            f"{where} has {len(classes)} class with {LEAST_OF_CLASS} records or more{few}: at least two are needed; "
            "name another target, or give more records"
        )
