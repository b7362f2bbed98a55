"""What a request must look like, made from the bundle's schema of a record: real names, types, ranges, examples.

Bodies are validated once, as bytes: what comes out are plain records that `serving.records.to_table` takes.
"""

import base64
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

import numpy as np
import typing_extensions
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema

from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import LARGEST, Feature, TabularInput
from lightloop.data.text.input import TextInput
from lightloop.service.faults import RequestError, sentence
from lightloop.serving.manifest import Manifest
from lightloop.serving.records import to_png

Record = dict[str, Any]
# Bodies are data: a number is no text, and nothing that the schema does not name is there.
STRICT: Final = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, field_title_generator=lambda name, _: name)
# More categories than these are not listed in the schema: a form of them helps nobody.
LISTED: Final = 200
MALFORMED, UNFIT = 400, 422


class Models:
    """The bodies that one bundle takes.

    Attributes:
        examples: records of the training data's form, with which the schema is illustrated.
    """

    def __init__(self, manifest: Manifest, examples: tuple[Record, ...] = (), most: int = 1000) -> None:
        """Make them.

        Args:
            manifest: of the bundle.
            examples: golden records.
            most: records that one request may hold.
        """
        self.examples = examples or (example(manifest),)
        fields = _fields(manifest)
        self._names = tuple(fields)
        # A record of a table may lack any of its columns, but not all of them.
        self._empty = isinstance(manifest.input, TabularInput)
        shown: dict[str, Any] = {"examples": list(self.examples)} | ({"minProperties": 1} if self._empty else {})
        record = _typed("Record", fields, STRICT | {"json_schema_extra": shown}, total=not self._empty)
        listed: Any = Annotated[list[record], Field(min_length=1, max_length=most)]  # type: ignore[valid-type] # made here
        many = _typed("Records", {"records": listed}, STRICT)
        self._one: TypeAdapter[Record] = TypeAdapter(record)
        self._many: TypeAdapter[dict[str, list[Record]]] = TypeAdapter(many)

    def one(self, body: bytes) -> Record:
        """The record that a body holds.

        Raises:
            RequestError: it holds none (400: no JSON at all; 422: another form).

        Examples:
            >>> from lightloop.data.text.input import TextInput
            >>> manifest = Manifest.model_construct(input=TextInput(max_length=8))
            >>> Models(manifest).one(b'{"text": "hello"}')
            {'text': 'hello'}
        """
        try:
            record = self._one.validate_json(body)
        except ValidationError as error:
            raise self._fault(error) from None
        self._complete(record)
        return record

    def many(self, body: bytes) -> list[Record]:
        """The records that a body holds; see `one`."""
        try:
            records = self._many.validate_json(body)["records"]
        except ValidationError as error:
            raise self._fault(error) from None
        for number, record in enumerate(records, start=1):
            self._complete(record, f"record number {number}: ")
        return records

    def checked(self, record: object) -> Record:
        """A record that was put together otherwise, such as from a form."""
        try:
            found = self._one.validate_python(record)
        except ValidationError as error:
            raise self._fault(error) from None
        self._complete(found)
        return found

    @property
    def record_schema(self) -> dict[str, Any]:
        """The JSON schema of a record."""
        return self._one.json_schema()

    @property
    def many_schema(self) -> dict[str, Any]:
        """The JSON schema of a body with several."""
        return self._many.json_schema(ref_template="#/components/schemas/{model}")

    def _complete(self, record: Mapping[str, Any], where: str = "") -> None:
        if self._empty and not record:
            names = ", ".join(self._names[:8]) + (", ..." if len(self._names) > 8 else "")
            raise RequestError(UNFIT, f"{where}the record is empty: expected at least one of {names}")

    def _fault(self, error: ValidationError) -> RequestError:
        malformed = error.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
        return RequestError(MALFORMED if malformed == "json_invalid" else UNFIT, sentence(error, self._names))


def _typed(name: str, fields: dict[str, Any], config: ConfigDict, *, total: bool = True) -> Any:
    """A TypedDict: its keys may be any text, and what is checked stays a plain dictionary."""
    make: Any = typing_extensions.TypedDict
    made = make(name, fields, total=total)
    made.__pydantic_config__ = config
    return made


def example(manifest: Manifest) -> Record:
    """A record that the bundle answers, for one that has no golden records: the least of all.

    Examples:
        >>> example(Manifest.model_construct(input=NoiseInput(size=2)))
        {'noise': [0.0, 0.0]}
    """
    match manifest.input:
        case TabularInput(features=features):
            return {
                feature.name: feature.low if feature.kind == "number" else next(iter(feature.values), None)
                for feature in features
            }
        case ImageInput(channels=channels, size=size):
            return {"image": base64.b64encode(to_png(np.zeros((channels, *size), dtype=np.uint8))).decode()}
        case SeriesInput(column=column, window=window, time=time):
            return {column: [0.0] * window} | ({time: "2026-01-05"} if time else {})
        case NoiseInput(size=size):
            return {"noise": [0.0] * size}
        case TextInput():
            return {"text": "an example"}


def _fields(manifest: Manifest) -> dict[str, Any]:
    """By name the type of each field."""
    match manifest.input:
        case TabularInput(features=features):
            return {feature.name: _column(feature) for feature in features}
        case ImageInput(channels=channels, size=(height, width)):
            colour = "grey" if channels == 1 else "colour"
            about = f"a PNG, JPEG or the like, as Base64; it is scaled to {width} x {height} pixels, {colour}"
            encoded = Field(description=about, min_length=1, json_schema_extra={"contentEncoding": "base64"})
            return {"image": Annotated[str, encoded]}
        case SeriesInput() as schema:
            return _series(schema)
        case NoiseInput(size=size):
            number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
            about = f"{size} standard normal numbers"
            return {"noise": Annotated[list[number], Field(min_length=size, description=about)]}
        case TextInput():
            return {"text": Annotated[str, Field(description="of any length; an empty one is one too")]}


def _column(feature: Feature) -> Any:
    """The type of a column's value. Unknown categories and numbers outside the range are answered with a warning."""
    missing = "; null or absent where it is missing" + ("" if feature.missing else ", which no training record was")
    shown: dict[str, Any]
    if feature.kind == "number":
        span = "" if feature.low is None else f"{feature.low:g} to {feature.high:g} in the training records"
        shown = {"type": ["number", "null"], "description": (span or "a number") + missing}
        if feature.low is not None:
            shown["examples"] = [feature.low, feature.high]
            shown["x-range"] = [feature.low, feature.high]
        # A column of true and false may have been read as numbers.
        return Annotated[Annotated[float, Field(ge=-LARGEST, le=LARGEST)] | bool | None, WithJsonSchema(shown)]
    known = list(feature.values)
    order = " in this order" if feature.kind == "ordered" else ""
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    shown = {
        "type": ["string", "number", "boolean", "null"],
        "description": f"known{order}: {listed}{missing}" if known else f"a category{missing}",
    }
    if known:
        shown["examples"] = known[:3]
        shown["x-values"] = known[:LISTED]
    return Annotated[str | float | bool | None, WithJsonSchema(shown)]


def _series(schema: SeriesInput) -> dict[str, Any]:
    number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)] | None
    about = f"the last {schema.window} values, the oldest first; null in gaps; of more the last ones are taken"
    found: dict[str, Any] = {
        schema.column: Annotated[
            list[number], Field(min_length=1, description=about, json_schema_extra={"x-window": schema.window})
        ]
    }
    if schema.time:
        shown = {
            "type": "string",
            "description": "date or time of the last value, as ISO 8601",
            "anyOf": [{"format": "date"}, {"format": "date-time"}],
        }
        found[schema.time] = Annotated[str, BeforeValidator(_time), WithJsonSchema(shown)]
    return found


def _time(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        datetime.fromisoformat(value)
    except ValueError:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ValueError("expected a date or time such as 2026-01-05") from None
    return value
