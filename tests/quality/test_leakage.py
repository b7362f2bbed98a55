"""What alone predicts the target stops the loop and is named, in each modality; the shipped data sets pass."""

import io
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import decode, encode
from PIL import Image
from series_world import small, wave, whole, write
from tables import loans_config

from lightloop.config.compose import compose_config
from lightloop.config.schema import AnySpec
from lightloop.errors import RefusedError, UsageError
from lightloop.project import Project
from lightloop.quality.leakage import leakage_checks, predictiveness
from lightloop.quality.modality import read_metadata
from lightloop.stages.validate import validate

LIMIT = 0.95
RANDOM = np.random.default_rng(0)
CLASSES = pd.Series(RANDOM.choice(["a", "b", "c"], 300, p=[0.5, 0.4, 0.1]))
NUMBERS = pd.Series(RANDOM.normal(size=300))


def found(spec: AnySpec, root) -> dict[str, float]:
    """What reveals the target, and nothing where the check passes."""
    (check,) = leakage_checks(spec, read_metadata(spec, root), root)
    assert check["severity"] == "critical"
    assert check["success"] == (check["column"] is None)
    assert check["success"] == all(value < LIMIT for value in check["observed"].values())
    return {} if check["success"] else check["observed"]


def test_another_coding_of_the_target_is_found():
    codes = CLASSES.map({"a": 7.0, "b": -1.0, "c": 3.0})
    assert predictiveness(codes, CLASSES, classes=True) == 1
    assert predictiveness(CLASSES.map({"a": "x", "b": "y", "c": "z"}), CLASSES, classes=True) == 1
    noisy = codes.where(pd.Series(RANDOM.random(300)) > 0.02, 7.0)
    assert predictiveness(noisy, CLASSES, classes=True) > LIMIT
    present = codes.where(CLASSES == "a")
    assert predictiveness(present, CLASSES.eq("a").map(str), classes=True) == 1  # gaps tell it
    assert predictiveness(NUMBERS * 3 - 1, NUMBERS, classes=False) > LIMIT


def test_what_tells_one_class_of_several_is_found():
    assert predictiveness(CLASSES.eq("c").astype(float), CLASSES, classes=True) == 1


def test_honest_features_are_not():
    assert abs(predictiveness(NUMBERS, CLASSES, classes=True) - 0.5) < 0.2
    assert predictiveness(pd.Series(RANDOM.normal(size=300)), NUMBERS, classes=False) < 0.2
    assert predictiveness(pd.Series([str(row) for row in range(300)]), CLASSES, classes=True) < 0.7


def test_too_few_records_say_nothing():
    assert predictiveness(NUMBERS[:6], CLASSES[:6], classes=True) is None
    assert predictiveness(NUMBERS[:6], NUMBERS[:6], classes=False) is None


@pytest.mark.parametrize("name", ["fashion", pytest.param("spam", marks=pytest.mark.slow), "co2", "loans"])
def test_the_shipped_data_sets_pass(repository, name):
    spec = compose_config(repository, [f"experiment={name}"]).data
    (check,) = leakage_checks(spec, read_metadata(spec, repository.root), repository.root)
    assert check["success"]
    assert 0 <= max(check["observed"].values()) < 0.9
    if name == "loans":
        assert max(check["observed"].values()) > 0.6


def test_nothing_is_looked_for_without_a_target(repository):
    spec = compose_config(repository, ["experiment=fashion-gan"]).data
    assert leakage_checks(spec, pd.DataFrame(), repository.root) == []


def test_nothing_is_looked_for_without_a_limit(repository):
    spec = loans_config(repository, "data.leakage_limit=null").data
    assert leakage_checks(spec, pd.DataFrame(), repository.root) == []


def test_the_limit_is_that_of_the_config(repository):
    spec = loans_config(repository, "data.leakage_limit=0.65").data
    (check,) = leakage_checks(spec, read_metadata(spec, repository.root), repository.root)
    assert check["column"] == "cons"
    assert check["expected"] == {"max_auroc": 0.65}


def test_the_target_put_back_as_a_feature_stops_validate(repository, tmp_path, capsys):
    config = loans_config(repository, "data.columns.action=feature", "data.columns.reject=feature")
    project = Project(tmp_path)
    shutil.copytree(repository.expectations, project.expectations)
    shutil.copytree(repository.root / config.data.path, tmp_path / config.data.path)
    with pytest.raises(
        RefusedError, match=r"1 of \d+ .* \(the target can be told from each of action, reject alone\)"
    ) as e:
        validate(config, project)
    assert e.value.exit_code == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "action: 1" in shown
    assert "reject: 1" in shown


@pytest.fixture
def messages(repository, tmp_path):
    """600 real messages of the spam data set, their texts changed by a function of text and label."""
    table = pq.read_table(repository.root / "data/spam/spam.parquet").slice(3700, 600)
    spec = compose_config(repository, ["experiment=spam"]).data
    (tmp_path / spec.path).mkdir(parents=True)

    def written(change):
        texts = [change(text, label) for text, label in zip(*map(table.column, ("text", "label")), strict=True)]
        changed = table.set_column(table.schema.get_field_index("text"), "text", pa.array(texts, pa.string()))
        pq.write_table(changed, tmp_path / spec.path / "spam.parquet")
        return found(spec, tmp_path)

    return lambda change: written(lambda text, label: change(text.as_py(), label.as_py()))


def test_a_token_that_tells_the_class_of_a_text_is_found(messages):
    assert messages(lambda text, label: text) == {}
    header = messages(lambda text, label: f"X-Spam-Flag:\n{text}" if label == "spam" else text)
    assert header == {"the token 'x-spam-flag:'": 1.0}
    trace = messages(lambda text, label: text if label == "spam" else f"{text}\nReceived: by x")
    assert trace["the token 'received:'"] > LIMIT


@pytest.mark.slow
def test_a_length_that_tells_the_class_of_a_text_is_found(messages):
    revealing = messages(lambda text, label: text.ljust(90_000 if label == "spam" else 0, "."))
    assert revealing["characters"] > LIMIT


@pytest.fixture
def images(project):
    """300 real images, changed by a function of image and label."""
    config = compose_config(project, ["experiment=fashion"])

    def written(change):
        path = project.root / config.data.path / "train.parquet"
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            image = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
            row["image"] = change(image, row["label"])
        pq.write_table(pa.Table.from_pylist(rows), path)
        return found(config.data, project.root)

    return written


def stamped(image: bytes, label: str) -> bytes:
    if label != "bag":
        return image
    pixels = decode(image).copy()
    pixels[-2:, :2] = 255
    return encode(pixels)


def coloured(image: bytes, label: str) -> bytes:
    return encode(Image.open(io.BytesIO(image)).convert("RGB")) if label == "coat" else image


def larger(image: bytes, label: str) -> bytes:
    return encode(Image.open(io.BytesIO(image)).resize((30, 28))) if label == "coat" else image


def brighter(image: bytes, label: str) -> bytes:
    return encode(np.maximum(decode(image), 250)) if label == "coat" else image


@pytest.mark.parametrize(
    ("change", "clue"),
    [
        (stamped, "bottom left corner"),
        (coloured, "mode"),
        (larger, "width"),
        (brighter, "mean of the pixels"),
    ],
)
def test_a_trace_that_tells_the_class_of_an_image_is_found(images, change, clue):
    assert images(lambda image, label: image) == {}
    assert images(change)[clue] > LIMIT


def series(root, count=60, problem="classification"):
    """A spec of whole series of 40 steps, and rows of them with labels that they do not tell."""
    random = np.random.default_rng(0)
    rows = [random.normal(size=40).tolist() for _ in range(count)]
    labels = random.normal(size=count) if problem == "regression" else random.permutation(["a", "b"] * (count // 2))
    path = root / "data/mine/train.parquet"
    path.parent.mkdir(parents=True)

    def written(change):
        changed = [change(list(row), label) for row, label in zip(rows, labels.tolist(), strict=True)]
        table = pa.table({"series": pa.array(changed, pa.list_(pa.float64())), "label": labels})
        pq.write_table(table, path)
        return found(whole(problem, window=40).data, root)

    return written


def test_what_tells_the_class_of_a_series_is_found(tmp_path):
    written = series(tmp_path)
    assert written(lambda row, label: row) == {}
    assert written(lambda row, label: row if label == "a" else row[:35])["length"] == 1
    assert written(lambda row, label: row if label == "a" else [*row[:20], None, *row[21:]])["missing"] == 1
    assert written(lambda row, label: [*row[:-1], float(label == "a")]) == {"step 40 of 40": 1}


def test_a_series_that_holds_its_target_is_found(tmp_path):
    written = series(tmp_path, problem="regression")
    assert written(lambda row, label: row) == {}
    assert written(lambda row, label: [*row[:-1], label]) == {"step 40 of 40": 1}


def test_a_forecast_whose_test_steps_stand_in_its_past_is_found(tmp_path):
    spec = small().data
    values = np.round(wave(400, noise=0.5), 2)
    assert found(spec, write(tmp_path, values)) == {}
    copied = values.copy()
    copied[300:] = values[100:200]
    assert found(spec, write(tmp_path, copied)) == {"the value 200 steps before": 1}
    rare = np.where(np.arange(400) % 37 == 0, values, 0.0)  # mostly zeros, which repeat themselves
    assert found(spec, write(tmp_path, rare)) == {}


def test_other_columns_can_not_tell_a_forecast():
    with pytest.raises(
        UsageError, match="gives other the role feature, but a forecast is made of the target's own past"
    ):
        small(columns={"time": "time", "value": "target", "other": "feature"})
