"""What adoption knows: a source, what each of its columns seems to be, what is asked, what is warned of. No torch.

Everything here is plain and frozen: `source` reads, `guess` guesses, `warnings` warns, and what writes files reads
these objects alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from lightloop.config.data import Kind, Part, Problem, Role

Form = Literal["delimited", "parquet", "json_lines", "excel", "sqlite", "datasets", "images", "texts"]
Modality = Literal["tabular", "image", "text", "series"]
# What folders of files of one form are.
FOLDERS: Final[Mapping[Form, Modality]] = {"images": "image", "texts": "text"}
Policy = Literal["stratified", "group", "time", "random"]
What = Literal[
    "identifier",
    "number",
    "category",
    "ordered",
    "date",
    "free text",
    "constant",
    "group",
    "time",
    "image",
    "series",
    "nested",
    "empty",
]
Severity = Literal["critical", "warning", "note"]
# A guess below this confidence is asked about.
SURE = 0.7


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        encoding: as Python calls it.
        delimiter: one character.
        quote: one character.
        header: whether the first line names the columns.
        skip: lines before the header that are not of the table.
        replace: whether some bytes are no text in the encoding, and are read as U+FFFD.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    skip: int = 0
    replace: bool = False


@dataclass(frozen=True)
class Reading:
    """How the values of a column become what the data set holds.

    Attributes:
        type: `number` is float64 or, where all are whole, int64; `date` a time stamp in seconds; `year` a year as the
            time stamp of its first day; `text` as it is written; `kept` whatever type the file has.
        decimal: the decimal mark of numbers in texts.
        thousands: the mark between thousands, empty for none.
        affix: what stands before or after each number, such as "%" or "$".
        missing: texts, or numbers as texts, that stand for a missing value, besides empty ones.
        format: of dates, as strptime has it; None for ISO 8601.
        values: texts that stand for a missing value elsewhere, and for a value here, such as "None" beside "Some".
    """

    type: Literal["number", "text", "date", "year", "boolean", "kept"] = "kept"
    decimal: str = "."
    thousands: str = ""
    affix: str = ""
    missing: tuple[str, ...] = ()
    format: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnGuess:
    """What a column seems to be.

    Attributes:
        name: in the data set; another one than `source` where that is taken or not usable.
        source: its name where it lies.
        what: in words of people; `role` and `kind` say it in words of the config.
        confidence: 0 to 1; how sure `what` and `role` are.
        reason: one clause that says what made it so; stands in the config as a comment.
        values: of an ordered column from the lowest, of a target its classes; else empty.
        missing: share of the records without a value.
        distinct: number of different values.
        why: for `ignored`, what the config says.
        parts: columns of the source that are packed into lists, a step each: a series a record.
    """

    name: str
    source: str
    what: What
    role: Role
    kind: Kind | None
    confidence: float
    reason: str
    reading: Reading = Reading()
    values: tuple[str, ...] = ()
    missing: float = 0.0
    distinct: int = 0
    why: str | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked when a guess is not sure.

    Attributes:
        key: by which `guess.make_guess` takes the answer: `target`, `problem`, `modality`, `split` or `column:NAME`.
        text: the question.
        choices: the answers that are taken; empty where any name of a column is.
        default: what was guessed; `--yes` takes it.
        confidence: of the default.
        reason: why the default was guessed.
    """

    key: str
    text: str
    choices: tuple[str, ...]
    default: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Rhythm:
    """How the steps of one long series follow each other.

    Attributes:
        step: in words, such as "month".
        resample: the pandas frequency whose means make the steps regular; None where they are.
        season: steps after which the series repeats itself, 1 where none was found.
        steps: how many there are.
        gaps: steps without a value.
    """

    step: str
    resample: str | None
    season: int
    steps: int
    gaps: int = 0


@dataclass(frozen=True)
class Pictures:
    """What the images are.

    Attributes:
        size: height and width that are proposed: the common one, or a smaller one in its proportion.
        channels: 1 where all are grey.
        commonest: height and width of most.
        sizes: number of different ones.
        looked_at: how many images were opened.
    """

    size: tuple[int, int]
    channels: Literal[1, 3]
    commonest: tuple[int, int]
    sizes: int
    looked_at: int


@dataclass(frozen=True)
class Finding:
    """What usually goes wrong, and did.

    Attributes:
        kind: what it is, such as `leak`, `duplicates`, `corrupt file`.
        severity: `critical` makes a model worthless or a run fail; `note` is for information.
        columns: that it is about, by their names in the data set.
        text: one sentence that says what was found.
        advice: what to do, or what was done about it.
        records: ids of those that it is about: paths of files below the source, or row numbers from 1; the first few.
    """

    kind: str
    severity: Severity
    columns: tuple[str, ...]
    text: str
    advice: str
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guess:
    """What a source seems to be, in the words of `config.data`.

    Attributes:
        modality, problem: with `confidence`, the least of both and of the target's.
        columns: in the order of the source.
        classes: names of the classes, in the order of the outputs.
        favourable: the class that people want to be given; None where that is not known.
        policy: of the split, with `policy_reason`.
        parts: records by part; a part that is not there is a share of the training file.
        id: the column that tells records apart; None where there is none.
        questions: what is not sure; `make_guess` with the answers closes them.
        rhythm: of a forecast.
        pictures: of images.
        length: of whole series, the steps of the longest; of texts, the words that 95 % of them have at most.
        findings: what was noticed while guessing: columns that give the target away. `find_warnings` has them too.
    """

    modality: Modality
    problem: Problem
    confidence: float
    reason: str
    columns: tuple[ColumnGuess, ...]
    classes: tuple[str, ...]
    favourable: str | None
    policy: Policy
    policy_reason: str
    parts: Mapping[Part, int]
    id: str | None = None
    questions: tuple[Question, ...] = ()
    rhythm: Rhythm | None = None
    pictures: Pictures | None = None
    length: int | None = None
    findings: tuple[Finding, ...] = ()

    def column(self, name: str) -> ColumnGuess:
        """The column of that name in the data set."""
        return next(column for column in self.columns if column.name == name)

    def with_role(self, *roles: Role) -> tuple[ColumnGuess, ...]:
        """The columns that have one of the roles."""
        return tuple(column for column in self.columns if column.role in roles)

    @property
    def target(self) -> ColumnGuess:
        """The column that is predicted."""
        return self.with_role("target")[0]

    @property
    def records(self) -> int:
        """How many there are in all parts."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class FolderFile:
    """A file of a folder of class folders.

    Attributes:
        path: of the file.
        label: name of its class folder.
    """

    path: Path
    label: str


@dataclass(frozen=True)
class Place:
    """Where a part lies.

    Attributes:
        paths: the file; several where a part is written in several, as the datasets library does; or the folder that
            holds the class folders.
        dialect: of a delimited file.
        table: of a workbook (a sheet) or a database.
    """

    paths: tuple[Path, ...]
    dialect: Dialect | None = None
    table: str | None = None


@dataclass(frozen=True)
class Source:
    """What lies at the paths that were given; `source.open_source` makes it.

    Attributes:
        form: how it is written.
        given: the paths as they were given.
        places: by part.
        features: what a folder of the datasets library says of its columns, by name: class names, images.
        findings: what was noticed while it was opened.
    """

    form: Form
    given: tuple[Path, ...]
    places: Mapping[Part, Place]
    features: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
