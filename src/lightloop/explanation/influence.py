"""influence.json: the training records that helped and hurt the explained answers most, and whether to believe it.

Shapes: N explained records, M training records, S of them that the checks are about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from lightloop.config.schema import Config
from lightloop.data.clean import clean_records
from lightloop.data.image.records import picture
from lightloop.data.splits import SplitName
from lightloop.explanation.curves import mean_interval
from lightloop.explanation.evidence import DIGITS
from lightloop.explanation.reference import frozen
from lightloop.explanation.sample import Sample
from lightloop.explanation.tracin import (
    Judging,
    Taken,
    influence,
    last_layer,
    losses,
    refitted,
    self_influence,
    take,
)
from lightloop.files import replacing
from lightloop.tasks.checkpoint import Model

METHOD = "TracIn on the last layer (captum.influence.TracInCPFast)"
SOURCE = "arXiv:2002.08484"
CHECKPOINTS = (
    "One, the released one: training keeps the checkpoint with the lowest validation loss. Scores are those at the end "
    "of training, not sums over it."
)
UNIT = (
    "by how much the loss of the explained record's label falls, to first order, for a step of size 1 on the training "
    "record; of steps of the last layer's weights alone"
)
MOST = 20_000  # training records that are looked at
CHECKED = 1_000  # training records of the checks, whose last layer is fitted anew
PLANTED = 0.05  # share of them that get a wrong label
REMOVALS = 10  # explained records of which helpers are removed
REMOVED = 0.02  # share of the training records that are removed
EXCERPT = 160  # characters of a text
FEWEST = 40  # training records below which nothing is checked


@dataclass(frozen=True)
class Lists:
    """Row numbers (N, K) of training records and their scores, the strongest first."""

    rows_NK: NDArray[np.int64]
    scores_NK: NDArray[np.float64]


def influence_content(
    config: Config, model: Model, tables: Mapping[SplitName, pa.Table], drawn: Sample, folder: Path
) -> dict[str, Any]:
    """The content of influence.json; pictures of the training records that it names go into `folder`.

    `records`: for each explained record `id`, `label`, `kind`, `loss`, and which training records `helped` and `hurt`
    most, each `id`, `label`, `score` (labels are null where one is many numbers). `training`: by id what there is to
    show: of images a `picture` beside this file, of texts the beginning of the `text`. `strangest`: training records
    with the highest influence on themselves, those that nothing else would have taught. `distinct`: how many different
    records the lists hold. `checks` as those of the attribution methods; `trusted` and `reasons` follow from them.

    Args:
        config: of the run.
        model: the trained one.
        tables: of `data.splits.read_splits`.
        drawn: the explained test records.
        folder: for pictures of images; empty for all others.
    """
    if config.data.problem == "generation":
        return _refused("What was generated has no label whose loss a training record could lower.", folder)
    network = frozen(model.network)
    train = clean_records(tables["train"], config.data, model.config.clean)
    layer = last_layer(model, network, train)
    if isinstance(layer, str):
        return _refused(layer, folder)

    known = len(train)
    if known > MOST:
        train = train.take(np.sort(np.random.default_rng(config.seed).permutation(known)[:MOST]))
    judging, explained = Judging(model), tables["test"].take(drawn.rows)
    trained, asked = take(model, network, layer, train), take(model, network, layer, explained)
    scores_NM = influence(layer, judging, asked, trained).double().numpy()
    own_M = self_influence(layer, judging, trained).double().numpy()
    count = min(config.explain.influential, len(train))
    helped, hurt = strongest(scores_NM, count), strongest(-scores_NM, count)
    strange_K = strongest(own_M[None], count).rows_NK[0]
    named = np.unique(np.concatenate([helped.rows_NK.ravel(), hurt.rows_NK.ravel(), strange_K]))
    checks, reasons = check(config, layer, judging, asked, trained)
    losses_N = losses(layer, judging, asked).tolist()
    return {
        "applies": True,
        "method": METHOD,
        "source": SOURCE,
        "checkpoints": CHECKPOINTS,
        "unit": UNIT,
        "n": len(explained),
        "n_training": len(train),
        "of_training": known,
        "records": [
            {
                "id": record["id"],
                "label": _label(record["label"]),
                "kind": kind,
                "loss": _short(losses_N[row]),
                "helped": _rows(helped, row, 1, train),
                "hurt": _rows(hurt, row, -1, train),
            }
            for row, (record, kind) in enumerate(
                zip(explained.select(["id", "label"]).to_pylist(), drawn.kinds, strict=True)
            )
        ],
        "strangest": _rows(Lists(strange_K[None], own_M[strange_K][None]), 0, 1, train),
        "distinct": {
            "helped": len(np.unique(helped.rows_NK)),
            "hurt": len(np.unique(hurt.rows_NK)),
            "most": int(helped.rows_NK.size),
        },
        "training": _shown(model, train, named, folder),
        "checks": checks,
        "trusted": not reasons,
        "reasons": reasons,
    }


def _refused(why: str, folder: Path) -> dict[str, Any]:
    with replacing(folder) as temporary:
        temporary.mkdir()
    return {"applies": False, "why": why}


def strongest(scores_NM: NDArray[np.float64], count: int) -> Lists:
    """The `count` highest scores of each row; of equal ones the first.

    Examples:
        >>> strongest(np.array([[1.0, 3.0, 2.0]]), 2).rows_NK.tolist()
        [[1, 2]]
    """
    rows_NK = np.argsort(-scores_NM, axis=1, kind="stable")[:, :count]
    return Lists(rows_NK, np.take_along_axis(scores_NM, rows_NK, axis=1))


def check(
    config: Config, layer: nn.Linear, judging: Judging, asked: Taken, trained: Taken
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The checks that could fail, with a sentence for each that did.

    They are about at most CHECKED training records, for which the last layer is fitted anew, the layers below staying
    as they are:

    - `planted_errors`: some labels are made wrong. Is the influence of these records on themselves higher than that of
      the others (area under the ROC curve)? `peer` is the same by their loss alone.
    - `harmful_lists`: of the same, which share of the records that hurt explained records most has a wrong label, and
      which share has one by chance?
    - `removal`: by how much more does an explained record's loss rise when the records that helped it most are left
      out, than when as many others are?
    """
    generator = np.random.default_rng(config.seed)
    rows = np.sort(generator.permutation(len(trained.x_NF))[:CHECKED])
    if len(rows) < FEWEST or len(asked.x_NF) < 2:
        why = f"{len(rows)} training records are too few to check by"
        return {name: _undefined(why) for name in ("planted_errors", "harmful_lists", "removal")}, [
            f"Unchecked: {why}."
        ]
    part = trained.take(torch.from_numpy(rows))
    planted_S, targets = plant(part.targets, generator)
    wrong = part.judged(targets)
    misled = refitted(layer, judging, wrong)
    checks = {
        "planted_errors": _planted_errors(misled, judging, wrong, planted_S, config.seed),
        "harmful_lists": _harmful_lists(misled, judging, asked, wrong, planted_S=planted_S, config=config),
        "removal": _removal(layer, judging, asked, part, config.seed),
    }
    said = {
        "planted_errors": "wrong labels do not stand out by the influence of records on themselves",
        "harmful_lists": "the records that hurt most are wrongly labelled no more often than others",
        "removal": "leaving out the records that helped most does no more harm than leaving out others",
    }
    return checks, [
        f"{name.replace('_', ' ').capitalize()}: {said[name]}." for name, one in checks.items() if not one["passed"]
    ]


def plant(targets: Tensor, generator: np.random.Generator) -> tuple[NDArray[np.bool_], Tensor]:
    """Make some targets wrong: which ones (S,), and the targets with them.

    Classes become another one of those that occur; numbers are given round among the chosen.

    Examples:
        >>> planted, wrong = plant(torch.zeros(40, dtype=torch.int64).index_fill(0, torch.tensor([3]), 1),
        ...     np.random.default_rng(0))
        >>> int(planted.sum()), int((wrong == 1).sum()) in (2, 3)
        (2, True)
    """
    size = len(targets)
    rows = np.sort(generator.permutation(size)[: max(2, round(PLANTED * size))])
    changed = targets.clone()
    if targets.is_floating_point():
        changed[rows] = targets[np.roll(rows, 1)]
    else:
        classes = np.unique(targets.numpy())
        places = np.searchsorted(classes, targets.numpy()[rows])
        moved = (places + generator.integers(1, max(2, len(classes)), len(rows))) % len(classes)
        changed[rows] = torch.from_numpy(classes[moved])
    planted_S = np.zeros(size, dtype=np.bool_)
    planted_S[rows] = True
    return planted_S, changed


def separation(scores_S: NDArray[np.float64], planted_S: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each planted record the share of the others that have a lower score, ties half; the mean is the AUROC.

    Examples:
        >>> separation(np.array([3.0, 1.0, 2.0]), np.array([True, False, False])).tolist()
        [1.0]
    """
    all_S, own_P = rankdata(scores_S)[planted_S], rankdata(scores_S[planted_S])
    return np.asarray((all_S - own_P) / (~planted_S).sum(), dtype=np.float64)


def _planted_errors(
    misled: nn.Linear, judging: Judging, wrong: Taken, planted_S: NDArray[np.bool_], seed: int
) -> dict[str, Any]:
    found_P = separation(self_influence(misled, judging, wrong).double().numpy(), planted_S)
    peer_P = separation(losses(misled, judging, wrong).double().numpy(), planted_S)
    low, high = mean_interval(found_P, seed)
    return {
        **_figure(found_P.mean(), low, high, threshold=0.5),
        "n": len(planted_S),
        "planted": int(planted_S.sum()),
        "peer": {"name": "loss", "value": _short(peer_P.mean())},
    }


def _harmful_lists(
    misled: nn.Linear, judging: Judging, asked: Taken, wrong: Taken, *, planted_S: NDArray[np.bool_], config: Config
) -> dict[str, Any]:
    scores_NS = influence(misled, judging, asked, wrong).double().numpy()
    hurt = strongest(-scores_NS, min(config.explain.influential, len(planted_S)))
    share_N = planted_S[hurt.rows_NK].mean(1)
    low, high = mean_interval(share_N, config.seed)
    return {**_figure(share_N.mean(), low, high, threshold=float(planted_S.mean())), "n": len(share_N)}


def _removal(layer: nn.Linear, judging: Judging, asked: Taken, part: Taken, seed: int) -> dict[str, Any]:
    whole = refitted(layer, judging, part)
    size = len(part.x_NF)
    count = max(1, round(REMOVED * size))
    some = asked.take(torch.linspace(0, len(asked.x_NF) - 1, min(REMOVALS, len(asked.x_NF))).round().long())
    scores_NS = influence(whole, judging, some, part).double().numpy()
    generator = np.random.default_rng(seed + 1)

    def loss_without(removed: NDArray[np.int64], row: int) -> float:
        kept = torch.from_numpy(np.setdiff1d(np.arange(size), removed))
        one = some.take(torch.tensor([row]))
        return float(losses(refitted(whole, judging, part.take(kept)), judging, one)[0])

    more_N = np.array(
        [
            loss_without(helpers, row) - loss_without(generator.permutation(size)[:count], row)
            for row, helpers in enumerate(strongest(scores_NS, count).rows_NK)
        ]
    )
    low, high = mean_interval(more_N, seed)
    return {**_figure(more_N.mean(), low, high, threshold=0.0), "n": len(more_N), "removed": count, "of": size}


def _figure(value: Any, low: float, high: float, *, threshold: float) -> dict[str, Any]:
    return {
        "value": _short(value),
        "low": _short(low),
        "high": _short(high),
        "threshold": _short(threshold),
        "passed": bool(low > threshold),
    }


def _undefined(why: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "threshold": None, "passed": False, "why": why}


def _rows(lists: Lists, row: int, sign: int, train: pa.Table) -> list[dict[str, Any]]:
    """Training records of one list; only those whose score has the sign that the list is about."""
    found = []
    for place, size in zip(lists.rows_NK[row].tolist(), lists.scores_NK[row].tolist(), strict=True):
        if size <= 0:
            break
        found.append(
            {
                "id": train["id"][place].as_py(),
                "label": _label(train["label"][place].as_py()),
                "score": _short(sign * size),
            }
        )
    return found


def _shown(model: Model, train: pa.Table, rows: NDArray[np.int64], folder: Path) -> dict[str, dict[str, Any]]:
    """What there is to show of training records, by id."""
    table, modality = train.take(rows), model.config.data.modality
    ids, shown = table["id"].to_pylist(), {}
    with replacing(folder) as temporary:
        temporary.mkdir()
        if modality == "image":
            (pixels_NCHW,) = model.preprocessor.encode(table)
            for number, (one, pixels_CHW) in enumerate(zip(ids, pixels_NCHW.numpy(), strict=True)):
                name = f"{number:04d}.png"
                picture(pixels_CHW).save(temporary / name, "PNG")
                shown[one] = {"picture": f"{folder.name}/{name}"}
    if modality == "text":
        shown = {one: {"text": _excerpt(text)} for one, text in zip(ids, table["text"].to_pylist(), strict=True)}
    return shown


def _excerpt(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= EXCERPT else words[: EXCERPT - 3] + "..."


def _label(label: Any) -> Any:
    """Of a forecast there are many numbers, which nobody reads in a list."""
    return None if isinstance(label, Sequence) and not isinstance(label, str) else label


def _short(value: Any) -> float | None:
    return float(f"{float(value):.{DIGITS}g}") if np.isfinite(value) else None
