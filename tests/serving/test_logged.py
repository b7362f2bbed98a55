"""Rows of the log: the record as the model took it, and nothing of it that is redacted."""

import base64
import io
import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from tiny_bundles import KINDS, grey, tiny_bundle

from lightloop.config.serve import LogConfig
from lightloop.data.tabular.input import TabularInput
from lightloop.errors import UsageError
from lightloop.service.ids import prediction_id
from lightloop.serving import logged
from lightloop.serving.described import described
from lightloop.serving.logged import Answer, Rows, check_redaction, redacted
from lightloop.serving.predictor import Predictor
from lightloop.serving.records import to_table


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    root = tmp_path_factory.mktemp("bundles")
    return {kind: Predictor.load(tiny_bundle(kind, root / kind)) for kind in KINDS}


def rows_of(predictor: Predictor, key: str | None = None, **settings: Any) -> Rows:
    return Rows(predictor.manifest, "v1", "ab", LogConfig(**settings), key)


def answer(predictor: Predictor, records: Any, *, pixels: bool = False) -> Answer:
    found = predictor.score(predictor.table(records))
    ids = [prediction_id("tiny", 1_700_000_000.25) for _ in found.warnings]
    seen = found.feeds["image"] if pixels else None
    return Answer(ids, 0.5, "current", "/v1/predict", False, records, predictor.told(found), seen)


def inputs(predictor: Predictor, answers: list[Answer], **settings: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows_of(predictor, **settings).table(answers).column("input").to_pylist()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_holds_the_record_as_the_model_took_it_and_its_answer(
    predictors: dict[str, Predictor], kind: str
) -> None:
    predictor = predictors[kind]
    records = list(predictor.golden.records)
    one = answer(predictor, records)
    everything: dict[str, Any] = {}
    # of feature: image
    everything["images"] = True
    # end
    batch = rows_of(predictor, **everything).table([one])
    expected = to_table(predictor.manifest, records).to_pylist()
    # As text, in which a gap in a series is the same as another.
    assert [str(one) for one in batch.column("input").to_pylist()] == [str(one) for one in expected]
    assert batch.column("prediction_id").to_pylist() == one.ids
    assert {time.timestamp() for time in batch.column("time").to_pylist()} == {1_700_000_000.25}
    for row, prediction in zip(batch.to_pylist(), one.predictions, strict=True):
        assert row["warnings"] == len(prediction.warnings)
        assert row["label"] == getattr(prediction, "label", None)
        assert row["values"] == (list(prediction.values) if hasattr(prediction, "values") else None)
        if hasattr(prediction, "probabilities"):
            assert row["probabilities"] == pytest.approx(prediction.probabilities)
            assert row["probability"] == pytest.approx(prediction.probability)
        novelty = getattr(prediction, "novelty", None)
        assert row["novelty"] == (None if novelty is None else pytest.approx(novelty.p_value))


def odd_records(schema: TabularInput) -> list[dict[str, Any]]:
    """What requests may hold beside the usual: absent columns, nulls, truths, unknown and numeric categories."""
    number = next(one.name for one in schema.features if one.kind == "number")
    category = next(one for one in schema.features if one.kind != "number")
    return [
        {number: 1.5, category.name: category.values[0]},
        {number: True, category.name: "never seen"},
        {number: None},
        {category.name: None},
        {number: 7, category.name: 1.0},
        {category.name: False},
    ]


def test_odd_records_of_a_table_are_logged_as_they_were_read(predictors: dict[str, Predictor]) -> None:
    predictor = predictors["tabular"]
    schema = predictor.manifest.input
    assert isinstance(schema, TabularInput)
    odd = odd_records(schema)
    # In every order and company, since a column is made at once.
    for records in (odd, odd[::-1], odd[:1], [odd[0], odd[1]], [odd[0], odd[5]]):
        together = inputs(predictor, [answer(predictor, records)])
        assert together == to_table(predictor.manifest, records).to_pylist()
        assert inputs(predictor, [answer(predictor, [one]) for one in records]) == together


def test_records_that_came_as_a_table_stand_beside_others_in_their_order(predictors: dict[str, Predictor]) -> None:
    predictor = predictors["tabular"]
    records = list(predictor.golden.records[:3])
    expected = to_table(predictor.manifest, records).to_pylist()
    ways = {True: to_table(predictor.manifest, records), False: records}
    for pattern in itertools.product(ways, repeat=3):
        found = inputs(predictor, [answer(predictor, ways[as_table]) for as_table in pattern])
        assert found == expected * 3


def test_of_an_image_only_its_description_is_kept_unless_asked_for(predictors: dict[str, Predictor]) -> None:
    predictor = predictors["image"]
    levels = np.random.default_rng(0).integers(0, 256, 3).tolist()
    records = [{"image": grey(level, (8, 9))} for level in levels]
    expected = described(predictor.manifest.input, to_table(predictor.manifest, records), {})
    for pixels in (True, False):
        found = inputs(predictor, [answer(predictor, records, pixels=pixels)])
        assert [set(one) for one in found] == [set(expected)] * 3
        for name, values in expected.items():
            assert [one[name] for one in found] == pytest.approx(list(values)), name
    kept = inputs(predictor, [answer(predictor, records)], images=True)
    assert [one["image"] for one in kept] == [one["image"] for one in records]


def test_sizes_of_images_of_any_kind_and_form_are_those_of_the_file() -> None:
    for kind in ("PNG", "JPEG", "BMP"):
        stream = io.BytesIO()
        Image.new("L", (31, 17)).save(stream, kind)
        text = base64.b64encode(stream.getvalue()).decode()
        for form in (stream.getvalue(), text, f"data:image/x;base64,{text}"):
            assert logged._size(form) == (31, 17)


def test_pixels_that_came_without_a_file_are_described_and_other_tensors_are_not_known(
    predictors: dict[str, Predictor],
) -> None:
    image, text = predictors["image"], predictors["text"]
    one = answer(image, [{"image": grey(90)}], pixels=True)._replace(records=None)
    found = inputs(image, [one])[0]
    assert found["brightness"] == pytest.approx(90 / 255, abs=1e-3)
    assert found["width"] is None
    other = answer(text, [{"text": "words"}])._replace(records=None)
    assert inputs(text, [other]) == [None]


def test_what_is_redacted_is_nowhere_in_the_rows(predictors: dict[str, Predictor]) -> None:
    predictor = predictors["text"]
    one = answer(predictor, [{"text": "a secret"}, {"text": "a secret"}, {"text": "another"}])
    dropped = rows_of(predictor, redact=("text",)).table([one])
    assert "input" not in dropped.schema.names
    first = inputs(predictor, [one], redact=("text",), redaction="hash", key="k" * 16)
    again = inputs(predictor, [one], redact=("text",), redaction="hash", key="k" * 16)
    other = inputs(predictor, [one], redact=("text",), redaction="hash", key="l" * 16)
    assert first == again, "the same key tells the same"
    assert first[0] == first[1] != first[2]
    assert first[0] != other[0], "without the key nobody can try values"
    assert "secret" not in str(first)


def test_a_sensitive_column_is_redacted_by_itself(predictors: dict[str, Predictor]) -> None:
    manifest = predictors["tabular"].manifest
    schema = manifest.input
    assert isinstance(schema, TabularInput)
    name = schema.features[0].name
    config = manifest.config | {"data": {"columns": {name: {"role": "sensitive"}, "elsewhere": {"role": "sensitive"}}}}
    told = manifest.model_copy(update={"config": config})
    assert redacted(told, LogConfig()) == {name}
    rows = Rows(told, "v1", "ab", LogConfig(), None)
    kept = {field.name for field in rows.schema.field("input").type}
    assert kept == {one.name for one in schema.features} - {name}
    record = dict(predictors["tabular"].golden.records[0])
    batch = rows.table([answer(predictors["tabular"], [record])])
    assert set(batch.column("input").to_pylist()[0]) == kept


@pytest.mark.parametrize(
    ("settings", "key", "sentence"),
    [
        ({"redact": ("clas",)}, None, "names 'clas', no column of this model: did you mean 'class'"),
        ({"redaction": "hash"}, None, "LIGHTLOOP_LOG_KEY has no key"),
        ({"redaction": "hash"}, "short", "at least 16 random characters"),
    ],
)
def test_a_wrong_redaction_is_refused_before_anything_is_kept(
    predictors: dict[str, Predictor], settings: dict[str, Any], key: str | None, sentence: str
) -> None:
    manifest = predictors["tabular"].manifest
    with pytest.raises(UsageError, match=sentence):
        check_redaction(manifest, LogConfig(**settings), key)
    check_redaction(manifest, LogConfig(folder=None, **settings), key)


def test_rows_of_any_pieces_are_one_table(predictors: dict[str, Predictor]) -> None:
    predictor = predictors["series"]
    rows = rows_of(predictor)
    batches = [rows.table([answer(predictor, [one])]) for one in predictor.golden.records]
    assert pa.Table.from_batches(batches, rows.schema).num_rows == len(predictor.golden.records)
