"""Whether the log holds records as the bundle is asked with."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput
from lightloop.data.text.input import TextInput
from lightloop.monitoring.findings import Finding
from lightloop.serving.described import AnyInput

NUMBER, TEXT, BYTES, LIST, TIME = "numbers", "texts", "bytes", "lists of numbers", "times"


def look(records: pa.Table, columns: Mapping[str, str]) -> list[Finding]:
    """A finding for each column that is asked for and not there, or of another type; one that is none where all fit.

    What is no column of the model is not looked at. Nothing is tested here: every finding is final.

    Args:
        records: of the window, as they were asked.
        columns: what each has to hold, of those that `wanted` says.
    """
    found = list(_faults(records, columns))
    return found or [
        Finding(kind="schema", alarm=False, sentence="The records have the columns and types of the model.")
    ]


def wanted(schema: AnyInput) -> dict[str, str]:
    """What each column of a record holds, in words."""
    match schema:
        case TabularInput():
            return {one.name: NUMBER if one.kind == "number" else TEXT for one in schema.features}
        case ImageInput():
            return {"image": BYTES}
        case TextInput():
            return {"text": TEXT}
        case SeriesInput():
            return {schema.column: LIST} | ({schema.time: TIME} if schema.time else {})
        case NoiseInput():
            return {}


def _faults(records: pa.Table, columns: Mapping[str, str]) -> Iterator[Finding]:
    for name, kind in columns.items():
        if name not in records.column_names:
            sentence = f"{name} is in none of the records: expected {kind}."
        elif not _fits(records.schema.field(name).type, kind):
            sentence = f"{name} holds {records.schema.field(name).type} where {kind} were expected."
        else:
            continue
        yield Finding(kind="schema", name=name, alarm=True, sentence=sentence)


def _fits(kind: pa.DataType, wanted: str) -> bool:
    if pa.types.is_null(kind):  # nothing but gaps, which are counted elsewhere
        return True
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    match wanted:
        case "numbers":
            return bool(number)
        case "texts":
            return bool(text or number)  # categories may be numbers
        case "bytes":
            return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
        case "lists of numbers":
            return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
        case _:
            return bool(pa.types.is_temporal(kind) or text)
