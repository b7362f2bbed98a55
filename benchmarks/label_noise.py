"""Precision and recall of doubted labels, where a known share of the labels was made wrong.

    python benchmarks/label_noise.py [only=fashion] [records=3000] [seeds=42,43,44] [OVERRIDES...]

In a share of the training labels another one is put: any other class alike (symmetric), or the one that it is most
often taken for (asymmetric: the class after it in the list of those that the simpler model mixes up). Doubted is what
`lightloop audit` doubts: confident learning on cross-validated answers of the simpler model. Precision by chance is the
share itself. What was wrong before is counted as right, so that precision is a lower bound.
"""

import sys
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from _common import find_project, interval, read_words, those_there
from numpy.typing import NDArray

from lightloop.audit.labels import find_issues, of_simpler
from lightloop.audit.scoring import Ruler
from lightloop.config.audit import Audit
from lightloop.config.compose import compose_config
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName, read_splits

EXPERIMENTS = ("fashion", "spam")
SHARES = (0.05, 0.1, 0.2)


def mixed_up(labels_N: NDArray[np.int64], p_NK: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each class (K,) the other one that its records are most often taken for."""
    classes = p_NK.shape[1]
    sums_KK = np.stack([p_NK[labels_N == code].sum(0) for code in range(classes)])
    np.fill_diagonal(sums_KK, -1)
    return sums_KK.argmax(1)


def planted(
    labels_N: NDArray[np.int64], share: float, others_K: NDArray[np.int64] | None, classes: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labels (N,) of which a share is wrong, and which; symmetric where there is no class that others become."""
    random = np.random.default_rng(seed)
    wrong_N = np.zeros(len(labels_N), dtype=bool)
    wrong_N[random.permutation(len(labels_N))[: round(share * len(labels_N))]] = True
    drawn_N = (labels_N + random.integers(1, classes, len(labels_N))) % classes
    other_N = drawn_N if others_K is None else others_K[labels_N]
    return np.where(wrong_N, other_N, labels_N), wrong_N


def relabelled(train: pa.Table, codes_N: NDArray[np.int64], classes: tuple[str, ...]) -> pa.Table:
    place = train.schema.get_field_index("label")
    return train.set_column(place, "label", pa.array([classes[code] for code in codes_N], pa.string()))


def scores(splits: Mapping[SplitName, pa.Table], ruler: Ruler, wrong_N: NDArray[np.bool_]) -> tuple[float, float]:
    """Precision and recall of the doubted labels."""
    held_out = of_simpler(splits, ruler)
    assert held_out is not None
    place = {name: row for row, name in enumerate(splits["train"].column("id").to_pylist())}
    rows = np.array([place[name] for name in held_out.records.column("id").to_pylist()])
    codes_N = label_codes(held_out.records.column("label").to_pylist(), ruler.config.data.classes)
    issues_N, _ = find_issues(codes_N, held_out.answers_NM)
    found, wrong = issues_N, wrong_N[rows]
    return float((found & wrong).sum() / max(1, found.sum())), float((found & wrong).sum() / wrong.sum())


def main() -> None:
    words = read_words(sys.argv[1:], "only", "records")
    project = find_project()
    for name in (words.own["only"],) if "only" in words.own else those_there(project, EXPERIMENTS):
        config = compose_config(project, [f"experiment={name}", "tracking=none", *words.overrides])
        assert isinstance(config.audit, Audit)
        ruler = Ruler.of(config, config.audit.model_copy(update={"label_records": None}))
        splits = dict(read_splits(config.data, project.root, config.seed))
        most = int(words.own.get("records", 3000))
        rows = np.sort(np.random.default_rng(0).permutation(len(splits["train"]))[:most])
        splits["train"] = splits["train"].take(rows)
        classes = config.data.classes
        labels_N = label_codes(splits["train"].column("label").to_pylist(), classes)
        clean = of_simpler(splits, ruler)
        assert clean is not None
        others_K = mixed_up(labels_N, clean.answers_NM)
        print(f"{name}: {len(labels_N):,} training records, {clean.source}, {clean.folds} folds", flush=True)
        for kind, others in (("symmetric", None), ("asymmetric", others_K)):
            # Of two classes both kinds are the same.
            if kind == "asymmetric" and len(classes) == 2:
                continue
            for share in SHARES:
                found = []
                for seed in words.seeds:
                    codes_N, wrong_N = planted(labels_N, share, others, len(classes), seed)
                    noisy = {**splits, "train": relabelled(splits["train"], codes_N, classes)}
                    found.append(scores(noisy, ruler, wrong_N))
                precision, recall = zip(*found, strict=True)
                print(f"  {kind} {share:.0%}: precision {interval(precision)}, recall {interval(recall)}", flush=True)


if __name__ == "__main__":
    main()
