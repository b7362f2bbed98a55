"""Whether one text is the record, and not one column of many. No torch."""

from collections.abc import Mapping

from lightloop.adoption.model import ColumnGuess
from lightloop.adoption.target import Chosen, choose_problem
from lightloop.adoption.values import Values

# So many texts tell how long they are.
LOOKED_AT = 500
# Different values from which on short texts, such as names, may be what is told apart.
MANY = 50


def texts_of(columns: Mapping[str, ColumnGuess], values: Mapping[str, Values], target: str) -> list[str]:
    """Columns that may be the text of a record: free texts before short ones, the longest first."""
    able = [
        name
        for name, column in columns.items()
        if name != target
        and values[name].holds == "text"
        and (column.what == "free text" or (column.what == "identifier" and values[name].distinct > MANY))
    ]

    def rank(name: str) -> tuple[bool, float]:
        texts = values[name].counts().index[:LOOKED_AT]
        return columns[name].what == "free text", sum(map(len, texts)) / max(1, len(texts))

    return sorted(able, key=rank, reverse=True)


def likely_text(columns: Mapping[str, ColumnGuess], values: Mapping[str, Values], target: str) -> Chosen | None:
    """Whether a text is the record (`text`) or one column of many (`tabular`); None where no text is there."""
    numbers = values[target].holds == "number"
    if numbers and choose_problem(values[target], target).value != "classification":
        return None
    texts = texts_of(columns, values, target)
    if not texts:
        return None
    beside = [name for name, column in columns.items() if column.role == "feature" and name not in (target, *texts)]
    if not beside:
        return Chosen("text", 0.92, f"{texts[0]!r} is the only column that says something of the target")
    free = [name for name in texts if columns[name].what == "free text"]
    if free and len(beside) <= 2:
        return Chosen("text", 0.72, f"{free[0]!r} holds texts, and only {len(beside)} other columns are there")
    # A table does not read texts: that it may lose what the target hangs on is asked, however many others there are.
    if free:
        return Chosen("tabular", 0.65, f"{len(beside)} columns of numbers and categories beside {free[0]!r}")
    return None
