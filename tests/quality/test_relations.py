"""How records stand to each other, against counting by hand."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from lightloop.quality.relations import relate


@pytest.mark.parametrize("seed", range(5))
def test_relations_are_those_of_counting(seed):
    generator = np.random.default_rng(seed)
    rows = [
        {
            "part": str(generator.choice(["train", "test"])),
            "label": generator.choice(["a", "b", None]),
            "hash": generator.choice(["x", "y", "z", None]),
        }
        for _ in range(int(generator.integers(1, 30)))
    ]
    found = relate(pd.DataFrame(rows).astype("str"))
    for row, (_, got) in zip(rows, found.iterrows(), strict=True):
        twins = [other for other in rows if other["hash"] == row["hash"]]
        if row["hash"] is None:
            assert got[["copies", "in_other_part", "copy_labels"]].isna().all()
        else:
            assert got["copies"] == Counter(twin["part"] for twin in twins)[row["part"]]
            assert got["in_other_part"] == (len({twin["part"] for twin in twins}) == 2)
            assert got["copy_labels"] == len({twin["label"] for twin in twins} - {None})
        if row["label"] is None:
            assert pd.isna(got["class_share"])
            assert pd.isna(got["stratum"])
        else:
            labelled = [other["label"] for other in rows if other["part"] == row["part"] and other["label"]]
            assert got["class_share"] == pytest.approx(labelled.count(row["label"]) / len(labelled))
            assert got["stratum"] == f"{row['part']}/{row['label']}"


def test_an_unlabelled_copy_of_a_training_record_is_in_no_other_part():
    table = pd.DataFrame(
        {
            "part": ["train", "test", "unlabelled", "unlabelled"],
            "label": ["a", "a", None, None],
            "hash": ["x", "y", "x", "y"],
        }
    ).astype("str")
    assert relate(table)["in_other_part"].tolist() == [False, True, False, True]
