"""Tensors of the Open Inference Protocol: in JSON, or as bytes behind it (its binary extension), and NumPy arrays."""

import base64
import struct
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lightloop.service.faults import RequestError

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
KINDS: Final = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
} | {name: name.lower() for name in get_args(Datatype) if "INT" in name}
NAMES: Final = {kind: name for name, kind in KINDS.items()} | {"object": "BYTES", "str": "BYTES"}
UNFIT: Final = 422


class Tensor(BaseModel):
    """An input of a request, as the protocol has it."""

    model_config = ConfigDict(allow_inf_nan=False)

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(min_length=1, max_length=8)]
    datatype: Datatype
    data: list[Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class Wanted(BaseModel):
    """An output that a request asks for."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class Inference(BaseModel):
    """The body of `/infer`. What the protocol lets clients add is not looked at."""

    id: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=4096)]
    outputs: list[Wanted] | None = None


def array_of(tensor: Tensor, raw: bytes | None) -> NDArray[Any]:
    """The values of an input, of its shape; texts and bytes as objects.

    Args:
        tensor: of the request.
        raw: its bytes, where they are not in its `data`.

    Raises:
        RequestError: values, datatype and shape do not fit each other.
    """
    count = int(np.prod(tensor.shape, dtype=np.float64))
    where = f"input {tensor.name[:40]!r}"
    if raw is not None:
        values = _of_bytes(tensor, raw, where)
    elif tensor.data is None:
        raise RequestError(UNFIT, f"{where} has neither data nor bytes")
    else:
        values = _of_list(tensor, where)
    if values.size != count:
        raise RequestError(UNFIT, f"{where} has {values.size} values, but its shape {tensor.shape} needs {count}")
    return values.reshape(tensor.shape)


def _of_list(tensor: Tensor, where: str) -> NDArray[Any]:
    flat: list[Any] = []
    stack: list[Any] = [tensor.data]
    while stack:
        top = stack.pop()
        if isinstance(top, list):
            stack.extend(reversed(top))
        else:
            flat.append(top)
    if tensor.datatype == "BYTES":
        if not all(isinstance(value, str) for value in flat):
            raise RequestError(UNFIT, f"{where} is BYTES: expected texts in its data")
        found = np.empty(len(flat), dtype=object)
        found[:] = flat
        return found
    kinds = (bool,) if tensor.datatype == "BOOL" else (int,) if "INT" in tensor.datatype else (int, float)
    # true is an int to Python, and none to the protocol.
    if not all(isinstance(value, kinds) and (bool in kinds or value.__class__ is not bool) for value in flat):
        raise RequestError(UNFIT, f"{where} is {tensor.datatype}: expected such values in its data")
    try:
        with np.errstate(over="ignore"):
            found = np.array(flat, dtype=KINDS[tensor.datatype])
    except (OverflowError, ValueError):
        raise RequestError(UNFIT, f"{where} has a value that {tensor.datatype} can't hold") from None
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise RequestError(UNFIT, f"{where} has a value that {tensor.datatype} can't hold")
    return found


def _of_bytes(tensor: Tensor, raw: bytes, where: str) -> NDArray[Any]:
    if tensor.datatype == "BYTES":
        parts, place = [], 0
        while place < len(raw):
            length = struct.unpack_from("<I", raw, place)[0] if place + 4 <= len(raw) else len(raw)
            place += 4
            if place + length > len(raw):
                raise RequestError(UNFIT, f"{where} ends in the middle of a value")
            parts.append(raw[place : place + length])
            place += length
        found = np.empty(len(parts), dtype=object)
        found[:] = parts
        return found
    kind = np.dtype(KINDS[tensor.datatype]).newbyteorder("<")
    if len(raw) % kind.itemsize:
        raise RequestError(UNFIT, f"{where} has {len(raw)} bytes, which is no number of {tensor.datatype} values")
    values = np.frombuffer(raw, dtype=kind)
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise RequestError(UNFIT, f"{where} has an infinity: expected finite numbers")
    return values.astype(KINDS[tensor.datatype])


def text_of(value: str | bytes, name: str) -> str:
    """A value of BYTES as text.

    Raises:
        RequestError: it is none.
    """
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise RequestError(UNFIT, f"input {name[:40]!r} is not UTF-8 text") from None


def bytes_of(value: str | bytes, name: str) -> bytes:
    """A value of BYTES as bytes; in JSON it is Base64.

    Raises:
        RequestError: it is not.
    """
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise RequestError(UNFIT, f"input {name[:40]!r} is not Base64 text") from None


def described(name: str, values: NDArray[Any]) -> dict[str, Any]:
    """Name, datatype and shape of an output."""
    return {"name": name, "datatype": NAMES[values.dtype.name], "shape": list(values.shape)}


def packed(values: NDArray[Any]) -> bytes:
    """An output as bytes of the binary extension."""
    if values.dtype == object:
        parts = [str(value).encode() for value in values.ravel().tolist()]
        return b"".join(struct.pack("<I", len(part)) + part for part in parts)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()
