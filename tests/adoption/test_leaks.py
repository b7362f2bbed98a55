"""What the target is made of is found, also where numbers lost digits on the way."""

from pathlib import Path

import numpy as np
import pandas as pd
from adoption_cases import guessed, save


def test_parts_in_single_precision_are_left_out(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(650, 20, (300, 3)).astype(np.float32), columns=["reading", "maths", "money"])
    score = ((frame["reading"] + frame["maths"]) / np.float32(2)).astype(np.float64)
    exact = frame.astype(np.float64).assign(score=score)
    apart = np.abs(exact["score"] - (exact["reading"] + exact["maths"]) / 2).max()
    assert apart > 1e-6 * exact["score"].std(), "digits were lost"
    _, guess = guessed(save(exact, tmp_path / "a.csv"), target="score")
    assert {column.name for column in guess.with_role("feature")} == {"money"}
    # What only comes near to it is a measurement.
    near = exact.assign(score=score + random.normal(0, 0.05, 300))
    _, guess = guessed(save(near, tmp_path / "b.csv"), target="score")
    assert {"reading", "maths"} <= {column.name for column in guess.with_role("feature")}


def test_codes_that_somebody_kept_apart_are_asked_about(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    code = random.choice(np.arange(61_000, 75_000), 400, replace=False)
    income = random.integers(61_000, 75_000, 400)
    assert len(set(income)) < 400, "chance repeats some"
    frame = pd.DataFrame({"code": code, "income": income, "label": random.choice(["a", "b"], 400)})
    _, guess = guessed(save(frame, tmp_path / "a.csv"), target="label")
    assert [question.key for question in guess.questions] == ["column:code"]
    assert {column.name for column in guess.with_role("feature")} == {"income"}
