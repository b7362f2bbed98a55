"""The files of `configs/` that an adoption writes, each line with the reason for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightloop.adoption.commented import Said, one_line, to_yaml
from lightloop.adoption.model import SURE, ColumnGuess, Guess
from lightloop.adoption.settings import Settings
from lightloop.config.data import Part

USUAL_LIMIT = Said(0.95, "what alone predicts the target so well stops the data check")
SHARE = {"test": 0.2, "validation": 0.15}
# Of few records a larger share is for validation: a handful tells no model from another, nor when to stop.
ENOUGH, MOST = 30, 0.3


@dataclass(frozen=True)
class DataSet:
    """What the data config says beside the guess.

    Attributes:
        name: of the data set.
        origin: name of the file or folder that was adopted; no path, which is another one on another machine.
        files: by part, relative to the folder of the data set.
        classes: in the order of the outputs.
        window, horizon: of a forecast.
        limit: `leakage_limit`, with the reason.
        left_out: what of the source is not part of the data set, in sentences.
    """

    name: str
    origin: str
    files: Mapping[Part, str]
    classes: tuple[str, ...] = ()
    window: int = 1
    horizon: int = 1
    limit: Said = USUAL_LIMIT
    left_out: tuple[str, ...] = ()


def data_yaml(dataset: DataSet, guess: Guess) -> str:
    """`configs/data/NAME.yaml`.

    Args:
        dataset: what was decided.
        guess: what its columns are.
    """
    head = [
        f"# {guess.records:,} records from {one_line(dataset.origin)}, taken over by `lightloop adopt`.",
        "# Behind each line stands why; a share in brackets is how sure a doubtful guess was. Change what is wrong,",
        f"# and look: `lightloop data check experiment={dataset.name}`.",
        *(f"# {one_line(sentence)}" for sentence in dataset.left_out),
    ]
    tree: dict[str, Any] = {
        "name": dataset.name,
        "modality": guess.modality,
        "problem": Said(guess.problem, guess.reason),
        "path": Said(f"data/{dataset.name}", "what DVC versions; the files below are relative to it"),
        "files": dict(dataset.files),
    }
    if guess.modality == "tabular" and guess.id:
        tree["id"] = Said(guess.id, guess.column(guess.id).reason)
    tree["columns"] = {column.name: _column(column, guess) for column in _read(guess)}
    orders = {
        column.name: list(column.values)
        for column in guess.columns
        if column.role == "feature" and column.kind == "ordered" and column.values
    }
    if guess.modality == "tabular" and orders:
        tree["orders"] = {name: Said(values, "from the lowest") for name, values in orders.items()}
    if dataset.classes:
        tree["classes"] = list(dataset.classes)
    if guess.favourable in dataset.classes:
        tree["favourable"] = Said(guess.favourable, "what people hope for: fairness compares who gets it")
    tree |= _of_modality(dataset, guess)
    tree["split"] = _split(guess)
    tree["expectations"] = Said(dataset.name, f"configs/expectations/{dataset.name}.json")
    tree["leakage_limit"] = dataset.limit
    return "\n".join(head) + "\n" + to_yaml(tree)


def _read(guess: Guess) -> Sequence[ColumnGuess]:
    """The columns that the config names: the column of ids has a key of its own in tables."""
    return [column for column in guess.columns if not (guess.modality == "tabular" and column.name == guess.id)]


def _column(column: ColumnGuess, guess: Guess) -> Said:
    share = f" ({column.confidence:.0%})" if column.confidence < SURE else ""
    why = f"{column.what}{share}: {column.reason}"
    if column.role == "ignored":
        return Said({"role": "ignored", "why": one_line(column.why or column.reason)})
    if column.role != "feature" or guess.modality != "tabular":
        return Said(column.role, why)
    said: dict[str, Any] = {"role": "feature"}
    if column.kind:
        said["kind"] = column.kind
    return Said(said, why)


def _of_modality(dataset: DataSet, guess: Guess) -> dict[str, Any]:
    if guess.modality == "image" and guess.pictures:
        pictures = guess.pictures
        height, width = pictures.commonest
        of_all = "all" if pictures.sizes == 1 else f"most; there are {pictures.sizes} sizes"
        return {
            "size": Said(list(pictures.size), f"height, width in pixels; {height} x {width} are those of {of_all}"),
            "channels": Said(pictures.channels, "1 grey, 3 colour"),
        }
    if guess.modality != "series":
        return {}
    if guess.problem != "forecasting":
        return {"window": Said(dataset.window, "steps that are looked at: as many as the longest series has")}
    rhythm = guess.rhythm
    assert rhythm is not None
    return {
        "window": Said(dataset.window, "steps that a forecast is made of"),
        "horizon": Said(dataset.horizon, "steps that are forecast: say what you need"),
        "season": Said(rhythm.season, "steps after which the series repeats itself; 1 where none was found"),
        "resample": Said(rhythm.resample, f"a step is one {rhythm.step}" if rhythm.resample is None else "takes means"),
    }


def _split(guess: Guess) -> dict[str, Any]:
    split: dict[str, Any] = {"policy": Said(guess.policy, guess.policy_reason)}
    words = {"test": "of all", "validation": "of the rest"}
    shares = SHARE | ({"validation": _of_few(guess)} if guess.problem != "forecasting" else {})
    for part, share in shares.items():
        given = part in guess.parts
        split[part] = Said("predefined" if given else share, "a file of its own" if given else words[part])
    return split


def _of_few(guess: Guess) -> float:
    """The share of the records beside the test that validates, larger where they are few."""
    rest = guess.parts["train"] * (1.0 if "test" in guess.parts else 1 - SHARE["test"])
    return max(SHARE["validation"], round(min(MOST, ENOUGH / rest), 2))


def experiment_yaml(name: str, settings: Settings) -> str:
    """`configs/experiment/NAME.yaml`.

    Args:
        name: of the data set and of its experiment.
        settings: of network and training.
    """
    lines = [
        "# @package _global_",
        f"# {name}, with a network and settings for its size and kind, chosen by `lightloop adopt`. From here on:",
        f"# `lightloop list` shows what else there is, `lightloop sweep experiment={name}` searches.",
        "defaults:",
    ]
    for group, said in settings.groups.items():
        lines.append(f"  - override /{to_yaml({group: said})}")
    head = "\n".join(line.rstrip("\n") for line in lines)
    return f"{head}\n\nname: {name}\n\n{to_yaml(settings.values)}"


def card_yaml(name: str, empty: str, origin: str) -> str:
    """`configs/card/NAME.yaml`: the empty card, about this data set.

    Args:
        name: of the data set.
        empty: text of `configs/card/empty.yaml`.
        origin: what was adopted.
    """
    head = (
        f"# What only a person can say of a model on {name}, adopted from {one_line(origin)}. What is null is listed\n"
        "# as missing in the model card; nothing is guessed.\n"
    )
    body = "".join(line for line in empty.splitlines(keepends=True) if not line.startswith("# ") or "Annex" in line)
    return head + re.sub(r"(?m)^data: null", f"data: {name}", body)
