import numpy as np
import pyarrow as pa
import pytest
from pictures import encode
from tables import ORDERS, SMALL_COLUMNS, config_of, small_frame, spec_of
from texts import make_rows

from lightloop.audit.duplicates import correlated, duplicates, equal_rows, resembling
from lightloop.data.near import SHINGLE
from lightloop.data.splits import read_splits


def jaccard(first, second):
    """Slowly and independently."""

    def sequences(text):
        words = text.casefold().split()
        return {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}

    a, b = sequences(first), sequences(second)
    return len(a & b) / len(a | b) if a | b else 0.0


def test_texts_resemble_each_other_as_counted_by_hand():
    random = np.random.default_rng(0)
    known = [" ".join(random.choice(["a", "b", "c", "d"], size=random.integers(5, 40))) for _ in range(40)]
    asked = [known[3] + " e", known[5].upper(), " ".join(known[7].split()[:-1]), *known[10:12], "a b", "A  b"]
    found = resembling(asked, [*known, "a b"])
    for row, text in enumerate(asked[:5]):
        assert found.similarity_N[row] == pytest.approx(max(jaccard(text, other) for other in known))
    assert found.exact_N.tolist() == [False, True, False, True, True, True, True]
    assert found.copy_N[1] == 5


def test_images_with_copies_and_nearly_copies_are_found(standing):
    _, splits, ruler = standing("fashion")
    train = splits["train"]
    import io

    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(train["image"][4].as_py()))).astype(float)
    brighter = np.clip(pixels * 0.9 + 3, 0, 255).astype(np.uint8)
    images = splits["test"]["image"].to_pylist()
    images[0], images[1] = train["image"][2].as_py(), encode(brighter)
    place = splits["test"].schema.get_field_index("image")
    test = splits["test"].set_column(place, "image", pa.array(images, pa.large_binary()))
    content = duplicates({**splits, "test": test}, ruler)
    pair = content["pairs"][0]
    assert (pair["asked"], pair["known"], pair["n"]) == ("test", "train", len(test))
    assert pair["exact"] == 1
    assert pair["near"] >= 1
    found = {one["id"]: one["copy"] for one in pair["examples"]}
    assert found[test["id"][0].as_py()] == train["id"][2].as_py()
    assert found[test["id"][1].as_py()] == train["id"][4].as_py()
    assert pair["share"]["value"] == (pair["exact"] + pair["near"]) / pair["n"]
    before = duplicates(splits, ruler)["pairs"][0]
    assert before["exact"] == 0
    assert before["near"] < pair["near"]


def test_correlations_are_those_of_numpy():
    random = np.random.default_rng(0)
    known, asked = random.normal(size=(30, 12)), random.normal(size=(5, 12))
    found = correlated(asked, known)
    every = np.corrcoef(asked, known)[:5, 5:]
    assert np.allclose(found.similarity_N, every.max(1), atol=1e-5)
    assert found.copy_N.tolist() == every.argmax(1).tolist()
    assert not found.exact_N.any()


def test_rows_are_the_same_exactly_or_to_three_digits(repository, tmp_path):
    frame = small_frame(80)
    config = config_of(repository, spec_of(tmp_path, frame, SMALL_COLUMNS, orders=ORDERS))
    splits = read_splits(config.data, tmp_path, 0)
    known = splits["train"]
    near = known.slice(0, 3)
    near = near.set_column(
        near.schema.get_field_index("age"), "age", pa.array([v + 1e-6 for v in near["age"].to_pylist()])
    )
    other = near.set_column(near.schema.get_field_index("town"), "town", pa.array(["Lima"] * 3))
    asked = pa.concat_tables([known.slice(5, 2), near, other])
    found = equal_rows(asked, known, config.data)
    assert found.exact_N.tolist() == [True, True, *[False] * 6]
    assert found.similarity_N.tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert found.copy_N[:5].tolist() == [5, 6, 0, 1, 2]


def test_texts_of_one_group_are_not_in_two_splits(standing):
    _, splits, ruler = standing("spam")
    content = duplicates(splits, ruler)
    assert content["method"] == "share of common sequences of 5 words"
    # The groups of the data set were made by the same measure.
    assert all(pair["exact"] == 0 for pair in content["pairs"])
    copied = {**splits, "test": splits["train"].slice(0, 10)}
    pair = duplicates(copied, ruler)["pairs"][0]
    assert (pair["exact"], pair["other_label"], pair["share"]["value"]) == (10, 0, 1.0)
    assert pair["share"]["low"] < 1


def test_windows_of_a_series_are_left_out(standing):
    _, splits, ruler = standing("co2")
    assert duplicates(splits, ruler)["applies"] is False


def test_made_up_texts_differ():
    texts = [row["text"] for row in make_rows(20)]
    assert not resembling(texts[:10], texts[10:]).exact_N.any()
