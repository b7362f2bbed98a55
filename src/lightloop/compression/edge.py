"""The edge bundle: one file that ONNX Runtime alone answers with, and a reader of one file beside it.

The graph carries the rest as its metadata: schema of a record, classes, how answers are decided, the tokenizer. What
needs more than NumPy stays behind: decoding pictures, explanations, novelty, warnings, steps of unequal length.
"""

import base64
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import onnx

from lightloop.data.series.input import SeriesInput
from lightloop.data.text.input import TextInput
from lightloop.data.text.tokenizer import UNSPACED
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import replacing
from lightloop.serving.manifest import GRAPH, PREPROCESSING, Manifest, read_manifest, verify_bundle

READER = Path(__file__).parent / "edge_reader.py"
HELD = "lightloop"
TOKENIZER = "tokenizer"
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
# Where Unicode has letters, marks, digits and blanks: all but lone surrogates, empty planes and private ones.
ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))


def write_edge(bundle: Path, target: Path, megabytes: float) -> int:
    """Write a bundle as one file, and its reader `edge.py` beside it.

    Args:
        bundle: the folder.
        target: the file, such as `edge.onnx`; what lies there is replaced.
        megabytes: that it may have.

    Returns:
        Its size in bytes.

    Raises:
        LightloopError: the bundle is not whole.
        UsageError: the records of the bundle can't be read with NumPy alone, or the target is no .onnx file.
        RefusedError: the file is larger than the budget. Then nothing is written.
    """
    if target.suffix != ".onnx":
        raise UsageError(f"{target} is to be a graph: name it FILE.onnx")
    digest = verify_bundle(bundle)
    manifest = read_manifest(bundle)
    graph = onnx.load(bundle / GRAPH)
    _hold(graph, HELD, json.dumps(_about(manifest, digest), sort_keys=True))
    if isinstance(manifest.input, TextInput):
        content = json.loads((bundle / PREPROCESSING / manifest.input.tokenizer).read_bytes())
        told = json.dumps(edge_tokenizer(content), sort_keys=True).encode()
        _hold(graph, TOKENIZER, base64.b64encode(told).decode())
    whole = graph.SerializeToString(deterministic=True)
    if len(whole) > megabytes * 1e6:
        raise RefusedError(
            f"the edge file would have {len(whole) / 1e6:.3g} megabytes, and {megabytes:g} are allowed: make it "
            "smaller (`lightloop run compress=full`), or allow more by compress.edge_megabytes or --budget"
        )
    with replacing(target) as temporary:
        temporary.write_bytes(whole)
    shutil.copyfile(READER, target.parent / "edge.py")
    return len(whole)


def _about(manifest: Manifest, digest: str) -> dict[str, Any]:
    """What of a manifest the reader needs."""
    schema = manifest.input
    if manifest.problem == "generation":
        raise UsageError("the bundle makes images from noise, which the edge reader does not: serve it as a bundle")
    if isinstance(schema, SeriesInput) and schema.clock is not None and not schema.clock.seconds:
        needed = schema.phase or schema.calendar
        if needed:
            raise UsageError(
                f"the steps of the series are {schema.clock.step!r}, of unequal length, whose dates need pandas: say "
                "preprocess=series_plain, which does not look at them"
            )
    content = manifest.model_dump(
        mode="json", include={"name", "modality", "problem", "classes", "answer", "calibration"}
    )
    return {**content, "input": schema.model_dump(mode="json"), "digest": digest}


def _hold(graph: onnx.ModelProto, key: str, value: str) -> None:
    entry = graph.metadata_props.add()
    entry.key, entry.value = key, value


def edge_tokenizer(content: dict[str, Any]) -> dict[str, Any]:
    """A `tokenizer.json` for Python's own `re` and `unicodedata`.

    Oniguruma, which the tokenizers library divides texts by, and Python do not agree on what a letter is, and Python
    knows no scripts: classes of characters are written out, as the library itself sees them.

    Raises:
        LightloopError: it has parts that the reader does not know.
    """
    model = content["model"]
    normalise: list[list[str]] = []
    for step in content["normalizer"]["normalizers"]:
        for one in step["normalizers"] if step["type"] == "Sequence" else [step]:
            normalise.append(_normaliser(one))
    merges = None
    if model["type"] == "BPE":
        merges = {" ".join(pair) if isinstance(pair, list) else pair: rank for rank, pair in enumerate(model["merges"])}
    elif model["type"] != "WordLevel":
        raise LightloopError(f"the tokenizer is {model['type']}, which the edge reader does not know")
    return {
        "normalise": normalise,
        "pattern": _python(content["pre_tokenizer"]["pattern"]["Regex"]),
        "vocabulary": model["vocab"],
        "merges": merges,
    }


def _normaliser(step: dict[str, Any]) -> list[str]:
    match step["type"]:
        case "Replace":
            return ["replace", _python(step["pattern"]["Regex"]), step["content"]]
        case "Lowercase":
            return ["lowercase"]
        case "StripAccents":
            return ["strip"]
        case form if form in FORMS:
            return [form]
    raise LightloopError(f"the tokenizer normalises by {step['type']}, which the edge reader does not know")


def _python(pattern: str) -> str:
    """A pattern of Oniguruma in Python's words."""
    spaced = rf"[\w&&[^{UNSPACED}]]"
    # Oniguruma's letters inside of a class are others than those outside.
    inside, blank, letter = characters(r"[\w]"), characters(r"\s"), characters(r"\w")
    either = characters(r"[\w\s]")
    found = pattern.replace(spaced, f"[{characters(spaced)}]").replace(
        f"[{UNSPACED}]", f"[{characters(f'[{UNSPACED}]')}]"
    )
    found = found.replace(r"[^\w\s]", f"[^{either}]")
    found = found.replace(r"[^\s", f"[^{blank}").replace(r"[\w", f"[{inside}")
    found = found.replace(r"\s", f"[{blank}]").replace(r"\w", f"[{letter}]")
    re.compile(found)
    return found


@cache
def characters(pattern: str) -> str:
    r"""All characters that a pattern of one character fits, as the inside of a class for Python's `re`.

    Examples:
        >>> characters("[a-c]")
        '\\U00000061-\\U00000063'
    """
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    codes = [code for part in ASSIGNED for code in part]
    found = []
    for start in range(0, len(codes), 65536):
        some = codes[start : start + 65536]
        fitting = {word for word, _ in split.pre_tokenize_str("".join(map(chr, some)))}
        found += [code for code in some if chr(code) in fitting]
    ranges: list[list[int]] = []
    for code in found:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
