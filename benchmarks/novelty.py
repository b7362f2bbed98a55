"""How well a bundle tells records that are unlike its training records, by experiment, and what that costs a request.

    python benchmarks/novelty.py BUNDLE [BUNDLE ...]

Each bundle is asked the test records of its own experiment, which should be called novel about as often as its level
says, and records that no training record is like: images of noise, inverted and turned ones, handwritten digits; rows
whose columns were shuffled each by itself, or drawn evenly between the least and the greatest value; texts of random
letters and in another language, and program code; series of noise, random walks, and backwards. The area under the ROC
curve holds them against the test records; `called` is the share whose p-value is at most the level.
"""

import io
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from _common import find_project
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from lightloop.config.compose import validate_config
from lightloop.data.image.input import ImageInput
from lightloop.data.inputs import Feeds
from lightloop.data.series.input import SeriesInput
from lightloop.data.splits import read_splits
from lightloop.data.tabular.input import TabularInput
from lightloop.serving.predictor import Predictor

ASKED = 500
GERMAN = (
    "Sehr geehrte Damen und Herren, hiermit bestätigen wir den Eingang Ihrer Bewerbung. Wir melden uns in Kürze.",
    "Bitte beachten Sie, dass unser Büro über die Feiertage geschlossen bleibt. Mit freundlichen Grüßen, Ihr Verein.",
    "Morgen fahren wir mit dem Zug nach Hamburg und besuchen dort die Großmutter. Das Wetter soll sonnig werden.",
    "Deshalb nehmen wir auch die Fahrräder mit. Könntest du bitte noch Brot und Käse kaufen, bevor du kommst?",
)


def main() -> None:
    """Print a row a kind of records."""
    print(f"{'bundle':<12} {'records':<12} {'n':>5} {'AUROC':>6} {'called':>7}")
    for name in sys.argv[1:]:
        predictor = Predictor.load(Path(name))
        config = validate_config(predictor.manifest.config)
        test = read_splits(config.data, find_project().root, config.seed)["test"].slice(0, 2000)
        feeds = predictor.manifest.input.encode(test, predictor.files)
        scores, p_values = judge(predictor, feeds)
        level = predictor.manifest.novelty.level  # type: ignore[union-attr]
        print(f"{config.name:<12} {'test':<12} {len(scores):>5} {'':>6} {(p_values <= level).mean():>7.3f}")
        for kind, strange in strangers(predictor, feeds).items():
            theirs, theirs_p = judge(predictor, strange)
            truth = np.r_[np.zeros(len(scores)), np.ones(len(theirs))]
            area = roc_auc_score(truth, np.r_[scores, theirs])
            print(f"{config.name:<12} {kind:<12} {len(theirs):>5} {area:>6.3f} {(theirs_p <= level).mean():>7.3f}")
        print(f"{config.name:<12} microseconds of one record: {cost(predictor, test)}")


def judge(predictor: Predictor, feeds: Feeds) -> tuple[np.ndarray, np.ndarray]:
    """Scores and p-values."""
    return predictor.reference.judge(feeds, predictor.run(feeds))  # type: ignore[union-attr]


def cost(predictor: Predictor, test: pa.Table) -> str:
    """The median of encoding, of the graph, and of novelty."""
    spent: dict[str, list[float]] = {"encode": [], "graph": [], "novelty": []}
    for number in range(200):
        one = test.slice(number % len(test), 1)
        begun = time.perf_counter()
        feeds = predictor.manifest.input.encode(one, predictor.files)
        encoded = time.perf_counter()
        answers = predictor.run(feeds)
        answered = time.perf_counter()
        predictor.reference.judge(feeds, answers)  # type: ignore[union-attr]
        judged = time.perf_counter()
        for kind, seconds in zip(spent, (encoded - begun, answered - encoded, judged - answered), strict=True):
            spent[kind].append(1e6 * seconds)
    return ", ".join(f"{kind} {median(times):.0f}" for kind, times in spent.items())


def strangers(predictor: Predictor, feeds: Feeds) -> dict[str, Feeds]:
    """Records that no training record is like, by kind."""
    schema, random = predictor.manifest.input, np.random.default_rng(0)
    if isinstance(schema, ImageInput):
        pixels, shape = feeds["image"][:ASKED], (ASKED, schema.channels, *schema.size)
        found = {
            "noise": random.integers(0, 256, shape, dtype=np.uint8),
            "inverted": 255 - pixels,
            "turned": np.ascontiguousarray(np.rot90(pixels, 1, (2, 3))),
            "grain": np.clip(pixels + random.normal(0, 60, pixels.shape), 0, 255).astype(np.uint8),
        }
        images = [Image.fromarray((digit * 15.9).astype(np.uint8)) for digit in load_digits().images[:ASKED]]
        found["digits"] = schema.encode(pa.table({"image": pa.array([png(one) for one in images])}), {})["image"]
        return {kind: {"image": values} for kind, values in found.items()}
    if isinstance(schema, TabularInput):
        return {
            "shuffled": {name: random.permutation(values) for name, values in feeds.items()},
            "even": {
                feature.name: random.uniform(feature.low, feature.high, (ASKED, 1)).astype(np.float32)
                if feature.kind == "number"
                else random.choice(np.array(feature.values, dtype=object), (ASKED, 1))
                for feature in schema.features
            },
            "tenfold": {
                name: values * np.float32(10) if values.dtype != object else values for name, values in feeds.items()
            },
        }
    if isinstance(schema, SeriesInput):
        steps, level = schema.window, np.nanmean(feeds["series"][:, :, 0])
        spread = np.nanstd(feeds["series"][:, :, 0])
        courses = {
            "noise": random.normal(level, spread, (ASKED, steps)),
            "walk": level + random.normal(0, spread / 10, (ASKED, steps)).cumsum(1),
            "backwards": feeds["series"][:ASKED, ::-1, 0],
            "flat": np.full((ASKED, steps), level),
        }
        return {kind: {"series": course(feeds["series"], values)} for kind, values in courses.items()}
    letters = ["".join(random.choice(list("abcdefghijklmnopqrstuvwxyz  "), 300)) for _ in range(ASKED)]
    german = [" ".join(random.choice(GERMAN, 3)) for _ in range(ASKED)]
    source = Path(__file__).parent.parent / "src" / "lightloop"
    code = [path.read_text(encoding="utf-8")[:2000] for path in sorted(source.rglob("*.py"))]
    kinds = {"letters": letters, "German": german, "code": code}
    return {kind: schema.encode(pa.table({"text": texts}), predictor.files) for kind, texts in kinds.items()}


def course(series_NTC: np.ndarray, values_NT: np.ndarray) -> np.ndarray:
    """Other values under the same calendar."""
    changed = np.resize(series_NTC, (len(values_NT), *series_NTC.shape[1:])).copy()
    changed[:, :, 0] = values_NT
    return changed.astype(np.float32)


def png(image: Image.Image) -> bytes:
    """As a file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
