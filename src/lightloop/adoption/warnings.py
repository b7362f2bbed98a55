"""What usually goes wrong with data, looked for before anything is trained on them. No torch.

Each finding is one sentence that says what was found, and one that says what to do or what was done. The data check
looks again at every run; here it is said once, to the person who knows the data, in time.
"""

from collections.abc import Iterator

from lightloop.adoption.copies import about_copies
from lightloop.adoption.files import about_files
from lightloop.adoption.folders import class_files
from lightloop.adoption.model import Finding, Guess, Source
from lightloop.adoption.names import AFTERWARDS, MAYBE_SENSITIVE, says
from lightloop.adoption.profile import values_of
from lightloop.adoption.source import reading_findings
from lightloop.adoption.target import LEAST_OF_CLASS, class_counts, classes_of
from lightloop.adoption.texts import about_texts
from lightloop.adoption.values import MARKERS
from lightloop.data.files import NULLS

ORDER = ("critical", "warning", "note")
# Records that are so few that figures of a test part of them say little.
FEW_RECORDS = 200
# A class with a smaller share, or fewer records, is rarely learned.
RARE_SHARE = 0.05
RARE_RECORDS = 30
MOSTLY_MISSING = 0.5
MANY_VALUES = 100
SHOWN = 5


def find_warnings(source: Source, guess: Guess) -> tuple[Finding, ...]:
    """What is likely to go wrong, the worst first.

    Args:
        source: that was opened.
        guess: of it; a column that gives the target away is left out there already, and told of here.

    Raises:
        UsageError: the source can't be read.
    """
    found = [*source.findings, *reading_findings(source), *guess.findings]
    if source.form in ("images", "texts"):
        found.extend(_about_classes_of_folders(source, guess))
    else:
        found.extend(_about_columns(source, guess))
        found.extend(_about_target(source, guess))
    found.extend(about_files(source, guess))
    found.extend(about_texts(source, guess))
    found.extend(about_copies(source, guess))
    found.extend(_about_size(guess))
    return tuple(sorted(found, key=lambda finding: ORDER.index(finding.severity)))


def _about_size(guess: Guess) -> Iterator[Finding]:
    if guess.records < FEW_RECORDS:
        text = f"there are {guess.records} records"
        yield Finding(
            "few records", "warning", (), text, "figures of so few test records are rough: mind the intervals"
        )


def _about_columns(source: Source, guess: Guess) -> Iterator[Finding]:
    values = values_of(source)
    for column in guess.columns:
        one = values[column.source]
        name = (column.name,)
        if one.odd:
            shown = ", ".join(map(repr, one.odd[:SHOWN]))
            text = f"{column.name!r} holds numbers, but also {shown}"
            yield Finding(
                "mixed types", "warning", name, text, "these are taken for missing; mend them if they are not"
            )
        markers = [mark for mark in column.reading.missing if mark not in one.odd and mark not in NULLS]
        numbers = [mark for mark in markers if mark not in MARKERS]
        if markers:
            text = f"{', '.join(map(repr, markers[:SHOWN]))} in {column.name!r} stand, as it seems, for missing values"
            advice = "they are taken for missing; say so in the source if they are values"
            yield Finding("missing markers", "warning" if numbers else "note", name, text, advice)
        if column.what in ("date", "time") and one.holds == "date" and column.reading.type == "date":
            form = column.reading.format or "ISO 8601"
            text = f"{column.name!r} holds dates as texts ({form})"
            yield Finding(
                "dates as text",
                "note",
                name,
                text,
                "they are written as time stamps; look whether day and month are right"
                if column.reading.format
                else "they are written as time stamps",
            )
        if column.what == "constant":
            yield Finding("constant", "note", name, f"{column.name!r} is the same in every record", "it is left out")
        if column.what == "empty":
            yield Finding("empty", "note", name, f"{column.name!r} has no value in any record", "it is left out")
        yield from _about_role(guess, column.name)
        if column.role == "feature" and column.missing > MOSTLY_MISSING:
            text = f"{column.missing:.0%} of {column.name!r} are missing"
            yield Finding(
                "mostly missing", "warning", name, text, "a column of 0 and 1 says where; think of leaving it out"
            )


def _about_role(guess: Guess, name: str) -> Iterator[Finding]:
    column = guess.column(name)
    if column.what == "identifier" and column.role == "ignored":
        yield Finding("identifier", "note", (name,), f"{name!r} tells records apart: {column.reason}", "it is left out")
    if column.role == "sensitive":
        advice = "fairness compares by it and the model does not see it; say that it is a feature if that is meant"
        yield Finding("protected trait", "note", (name,), f"{name!r} may be a trait that law protects", advice)
    if column.role != "feature":
        return
    if says(name, MAYBE_SENSITIVE):
        text = f"{name!r} may be a trait that law protects, and is a feature"
        yield Finding(
            "protected trait", "note", (name,), text, "say that it is sensitive if answers must not hang on it"
        )
    after = says(column.source, AFTERWARDS)
    if after and not any(name in finding.columns for finding in guess.findings):
        text = f"{name!r} may be known only after the target ({after!r} in its name)"
        yield Finding(
            "known only afterwards", "warning", (name,), text, "leave it out if the service can't be asked with it"
        )
    if column.kind == "category" and column.distinct > MANY_VALUES:
        text = f"{name!r} has {column.distinct} different values"
        yield Finding("many values", "note", (name,), text, "those in less than 1 % of the records count as one")


def _about_target(source: Source, guess: Guess) -> Iterator[Finding]:
    one = values_of(source)[guess.target.source]
    target = (guess.target.name,)
    if one.missing:
        text = f"{one.missing:.1%} of the target {guess.target.name!r} are missing"
        done = "count as unlabelled" if guess.problem == "classification" else "are left out"
        if guess.problem == "forecasting":
            done = "are gaps"
        yield Finding("missing targets", "warning", target, text, f"these records {done}")
    if guess.problem != "classification":
        return
    _, rare = classes_of(one)
    counts = one.counts() if one.holds != "number" else None
    labels = [str(label) for label in counts.index] if counts is not None else []
    if rare:
        text = f"{len(rare)} classes have fewer than {LEAST_OF_CLASS} records ({', '.join(list(rare)[:SHOWN])})"
        yield Finding("rare class", "warning", target, text, "their records are left out: no part could have one each")
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    for several in alike.values():
        if len(several) > 1:
            text = f"the classes {', '.join(map(repr, several))} differ in case or blanks alone"
            yield Finding("classes written twice", "critical", target, text, "write them alike in the source")
    shares = {name: count for name, count in class_counts(one).items() if name in guess.classes}
    yield from _about_shares(shares, target)


def _about_classes_of_folders(source: Source, guess: Guess) -> Iterator[Finding]:
    by_part = {part: class_files(place.paths[0], source.form) for part, place in source.places.items()}
    counts: dict[str, int] = {}
    for file in (file for files in by_part.values() for file in files):
        counts[file.label] = counts.get(file.label, 0) + 1
    left = [name for name in counts if name not in guess.classes]
    if left:
        text = f"{len(left)} classes have fewer than {LEAST_OF_CLASS} files ({', '.join(sorted(left)[:SHOWN])})"
        yield Finding("rare class", "warning", ("label",), text, "they are left out: no part could have one each")
    for part, files in by_part.items():
        absent = sorted({file.label for file in files} - {file.label for file in by_part["train"]})
        if absent:
            text = f"the {part} part has the class {absent[0]!r}, which the training records lack"
            yield Finding("unknown class", "critical", ("label",), text, "give training records of it, or leave it out")
    yield from _about_shares({name: counts[name] for name in guess.classes}, ("label",))


def _about_shares(counts: dict[str, int], target: tuple[str, ...]) -> Iterator[Finding]:
    total = sum(counts.values())
    # With many classes none has a large share: a fifth of an equal one is rare.
    share = min(RARE_SHARE, 0.2 / max(1, len(counts)))
    few = {name: count for name, count in counts.items() if count < RARE_RECORDS or count < share * total}
    if few and total >= LEAST_OF_CLASS * len(counts):
        shown = ", ".join(f"{name} {count}" for name, count in sorted(few.items(), key=lambda one: one[1])[:SHOWN])
        text = f"{len(few)} of {len(counts)} classes are rare ({shown} of {total} records)"
        advice = "accuracy says little of them: look at the figures by class, and at `balance` in the config"
        yield Finding("rare class", "warning", target, text, advice)
