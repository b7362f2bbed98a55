"""Whether a record is a row of a table, a series or a text, where columns alone do not say so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from adoption_cases import guessed, messages, save

from lightloop.adoption.packing import TIMES


@pytest.mark.parametrize(
    ("stem", "modality"),
    [
        # of feature: series
        *((f"{one}_", "series") for one in sorted(TIMES)),
        # end
        ("v", "tabular"),
    ],
)
def test_rough_series_are_told_by_what_their_columns_are_called(stem: str, modality: str, tmp_path: Path) -> None:
    rough = np.random.default_rng(0).normal(size=(60, 24))
    frame = pd.DataFrame(rough, columns=[f"{stem}{step}" for step in range(24)])
    _, guess = guessed(save(frame.assign(label=np.tile(["slow", "fast"], 30)), tmp_path / "a.csv"))
    assert (guess.modality, [question.key for question in guess.questions]) == (modality, [])


def test_texts_beside_many_columns_are_asked_about(tmp_path: Path) -> None:
    frame = messages()
    random = np.random.default_rng(0)
    for name in ("likes", "replies", "hour", "length", "links", "followers"):
        frame[name] = random.integers(0, 50, len(frame))
    path = save(frame, tmp_path / "a.csv")
    _, guess = guessed(path, target="label")
    assert guess.modality == "tabular"
    (question,) = [one for one in guess.questions if one.key == "modality"]
    assert (question.choices, question.default) == (("text", "tabular"), "tabular")
    _, answered = guessed(path, target="label", answers={"modality": "text"})
    assert (answered.modality, [one.name for one in answered.with_role("feature")]) == ("text", ["text"])
