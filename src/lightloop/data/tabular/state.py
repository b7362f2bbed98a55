"""The fitted state as a file: skops, which loads no classes but those named here. The same bytes each time."""

import io
import json
import re
import zipfile
from typing import Any

import skops.io

from lightloop.data.tabular.encoder import Encoder
from lightloop.errors import LightloopError

# Beyond what skops trusts by itself.
TRUSTED = [
    "numpy.dtype",
    "sklearn.impute._iterative._ImputerTriplet",
    "sklearn.tree._tree.Tree",
]
EPOCH = (1980, 1, 1, 0, 0, 0)


def dump_encoder(encoder: Encoder) -> bytes:
    """The state of an encoder, as a zip file of skops."""
    return _reproducible(skops.io.dumps(encoder.state()))


def load_encoder(content: bytes) -> Encoder:
    """What `dump_encoder` wrote.

    Raises:
        LightloopError: the file is damaged, or holds a class that is not to be trusted.
    """
    try:
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
        if foreign:
            raise LightloopError(
                f"the preprocessing holds {foreign[0]}, which was not written by Lightloop: not loaded"
            )
        return Encoder(**skops.io.loads(content, trusted=TRUSTED))
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise LightloopError(f"the preprocessing can't be read ({error}): train again") from None


def _reproducible(content: bytes) -> bytes:
    """The same without times and memory addresses, which skops uses as ids and file names."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = files.pop("schema.json").decode()
    numbers: dict[str, str] = {}

    def renumber(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: number(inner) if key == "__id__" else renumber(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [renumber(inner) for inner in value]
        if isinstance(value, str) and value in files:
            stem, _, suffix = value.partition(".")
            return f"{number(stem)}.{suffix}"
        return value

    def number(identity: Any) -> Any:
        given = numbers.setdefault(str(identity), str(len(numbers) + 1))
        return int(given) if isinstance(identity, int) else given

    renumbered = json.dumps(renumber(json.loads(schema)), indent=1)
    assert not re.search(r'"\d{9,}\.npy"', renumbered)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, payload in sorted({**_renamed(files, numbers), "schema.json": renumbered.encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), payload, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _renamed(files: dict[str, bytes], numbers: dict[str, str]) -> dict[str, bytes]:
    return {f"{numbers[name.partition('.')[0]]}.{name.partition('.')[2]}": content for name, content in files.items()}
