"""Records that no training record is like, in every modality but tables (`test_bundled.py`), on the shipped data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from serving_world import fresh_world

from lightloop.data.inputs import Feeds
from lightloop.project import Project
from lightloop.serving.predictor import Predictor

pytestmark = pytest.mark.slow
ASKED = 200
GERMAN = (
    "Sehr geehrte Damen und Herren, hiermit bestätigen wir den Eingang Ihrer Bewerbung. Wir melden uns in Kürze. "
    "Morgen fahren wir mit dem Zug nach Hamburg und besuchen dort die Großmutter. Das Wetter soll sonnig werden."
)


def images(_: Predictor, feeds: Feeds, random: np.random.Generator) -> dict[str, Feeds]:
    pixels = feeds["image"][:ASKED]
    drawn = random.integers(0, 256, pixels.shape, dtype=np.uint8)
    return {"noise": {"image": drawn}, "inverted": {"image": 255 - pixels}}


def texts(predictor: Predictor, _: Feeds, random: np.random.Generator) -> dict[str, Feeds]:
    letters = ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz  "), 300)) for _ in range(ASKED)]
    words = GERMAN.split()
    german = [" ".join(random.permutation(words)) for _ in range(ASKED)]
    return {
        kind: predictor.manifest.input.encode(pa.table({"text": said}), predictor.files)
        for kind, said in (("letters", letters), ("German", german))
    }


def series(_: Predictor, feeds: Feeds, random: np.random.Generator) -> dict[str, Feeds]:
    known_NTC = feeds["series"][:ASKED]
    level, spread = np.nanmean(known_NTC[:, :, 0]), np.nanstd(known_NTC[:, :, 0])
    shape = known_NTC.shape[:2]
    courses = {
        "noise": random.normal(level, spread, shape),
        "walk": level + random.normal(0, spread / 10, shape).cumsum(1),
        "backwards": known_NTC[:, ::-1, 0],
    }
    found = {}
    for kind, values_NT in courses.items():
        changed_NTC = known_NTC.copy()
        changed_NTC[:, :, 0] = values_NT
        found[kind] = {"series": changed_NTC}
    return found


@pytest.mark.parametrize(
    ("experiment", "overrides", "strange"),
    [("fashion", ("network.channels=[4,6]",), images), ("spam", (), texts), ("co2", (), series)],
)
def test_strange_records_are_novel_and_ordinary_ones_as_often_as_the_level_says(
    repository: Project,
    tmp_path: Path,
    experiment: str,
    overrides: tuple[str, ...],
    strange: Callable[[Predictor, Feeds, np.random.Generator], dict[str, Feeds]],
) -> None:
    world = fresh_world(repository, tmp_path / "bundle", experiment, *overrides)
    predictor = Predictor.load(world.bundle)
    assert predictor.reference is not None
    assert predictor.manifest.novelty is not None
    level = predictor.manifest.novelty.level

    def called(feeds: Feeds) -> float:
        """The share of the records that is called novel."""
        assert predictor.reference is not None
        return float((predictor.reference.judge(feeds, predictor.run(feeds))[1] <= level).mean())

    test = world.splits["test"].slice(0, 600)
    feeds = predictor.manifest.input.encode(test, predictor.files)
    # Both the test records and the validation records that the p-values are of are a sample.
    chance = np.sqrt(level * (1 - level) * (1 / len(test) + 1 / len(world.splits["validation"])))
    assert called(feeds) <= level + 3 * chance
    for kind, other in strange(predictor, feeds, np.random.default_rng(0)).items():
        assert called(other) > 0.95, kind
