"""Images that do not decode, or differ in size and colour. No torch."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lightloop.adoption.folders import class_files
from lightloop.adoption.model import Finding, Guess, Source
from lightloop.adoption.source import raw_table
from lightloop.data.image.records import FORMS

SHOWN = 5
# Images are decoded to find damage; JPEG at an eighth of the size, which finds it as well.
SMALL = (32, 32)
# Sides that differ by more than this change what an image shows when they are scaled to one size.
STRETCHED = 1.5


@dataclass
class _Seen:
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def about_files(source: Source, guess: Guess) -> Iterator[Finding]:
    """What is wrong with the images of a source; nothing of other modalities."""
    if guess.modality != "image":
        return
    seen = _Seen()
    for part, place in source.places.items():
        if source.form == "images":
            files = class_files(place.paths[0], source.form)
            names = [file.path.relative_to(place.paths[0]).as_posix() for file in files]
            _look_at([file.path for file in files], names, seen)
        else:
            column = raw_table(source, part).column(guess.with_role("feature")[0].source)
            _look_at(_contents(column), [f"{part}/{row}" for row in range(len(column))], seen)
    total = sum(seen.sizes.values()) + len(seen.broken)
    if seen.broken:
        text = f"{len(seen.broken)} of {total} images do not decode ({', '.join(seen.broken[:SHOWN])})"
        advice = (
            "they are left out; replace them if they matter" if source.form == "images" else "leave these records out"
        )
        yield Finding("corrupt file", "critical", (), text, advice, tuple(seen.broken))
    if len(seen.sizes) > 1:
        assert guess.pictures is not None
        shapes = [width / height for height, width in seen.sizes]
        height, width = guess.pictures.size
        text = f"images are of {len(seen.sizes)} sizes, most of {_size(seen.sizes.most_common(1)[0][0])} pixels"
        stretched = max(shapes) / min(shapes) > STRETCHED
        advice = f"all are scaled to {_size((height, width))}" + (
            ", which stretches some a good deal: cut them to one shape if that matters" if stretched else ""
        )
        yield Finding("image sizes", "warning" if stretched else "note", (), text, advice)
    if len(seen.modes) > 1 and {"grey", "colour"} <= set(seen.modes):
        text = f"{seen.modes['grey']} of {total} images are grey, the others in colour"
        yield Finding("image colours", "note", (), text, "all are read in colour; look whether one class alone is grey")


def _look_at(images: Sequence[Path | bytes | None], names: Sequence[str], seen: _Seen) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        for name, found in zip(names, pool.map(opened_image, images), strict=True):
            if found is None:
                seen.broken.append(name)
            else:
                size, mode = found
                seen.sizes[size] += 1
                seen.modes[mode] += 1


def opened_image(image: Path | bytes | None) -> tuple[tuple[int, int], str] | None:
    """Height and width, and whether it is grey; None where it does not decode wholly."""
    if image is None:
        return None
    try:
        with Image.open(image if isinstance(image, Path) else io.BytesIO(image), formats=FORMS) as opened:
            size, mode = (opened.height, opened.width), opened.mode
            opened.draft(None, SMALL)
            opened.load()
            return size, "grey" if mode in ("1", "L", "LA", "I", "I;16", "F") else "colour"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _contents(column: pa.ChunkedArray) -> list[bytes | None]:
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    contents: list[bytes | None] = column.to_pylist()
    return contents


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
