import io

import numpy as np
import pyarrow as pa
import pytest
from pictures import encode
from PIL import Image

from lightloop.audit.corruption import Raw
from lightloop.audit.extremes import extreme_rows, extremes
from lightloop.audit.metamorphic import change_records, judge_change, metamorphic_rows, swapped
from lightloop.config.compose import compose_config, validate_config
from lightloop.config.metamorphic import OF_MODALITY, Metamorphic
from lightloop.errors import RefusedError, UsageError

# The first change that there is.
CHANGE = next(iter(OF_MODALITY.values()))[0]


def check(**values):
    return Metamorphic(**{"name": "a claim", "change": CHANGE, "amount": 1, **values})


def image(table, row=0):
    return np.asarray(Image.open(io.BytesIO(table["image"][row].as_py())))


@pytest.fixture
def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8))
    return pixels, pa.table({"id": ["a"], "image": pa.array([encode(pixels)], pa.large_binary())})


def test_images_are_shifted_mirrored_and_brightened(repository, pictures):
    config = compose_config(repository, ["experiment=fashion"])
    pixels, table = pictures
    right = image(change_records(table, config.data, check(change="shift", amount=2), 0))
    assert (right[:, 2:] == pixels[:, :-2]).all()
    assert (right[:, :2] == pixels[:, :1]).all()
    left = image(change_records(table, config.data, check(change="shift", amount=-1), 0))
    assert (left[:, :-1] == pixels[:, 1:]).all()
    assert (left[:, -1] == pixels[:, -1]).all()
    assert (image(change_records(table, config.data, check(change="flip"), 0)) == pixels[:, ::-1]).all()
    bright = image(change_records(table, config.data, check(change="brighten", amount=1.5), 0))
    assert (bright == np.minimum(255, np.round(pixels * 1.5))).all()


def test_columns_are_set_scaled_and_swapped(repository):
    loans = compose_config(repository, ["experiment=loans"])
    columns = {"black": [0, 1, None], "atotinc": [1.0, None, 3.0], "pubrec": ["0", "1", None]}
    table = pa.table({"id": ["a", "b", "c"], **columns})
    assert change_records(table, loans.data, check(change="swap", column="black"), 0)["black"].to_pylist() == [
        1,
        0,
        None,
    ]
    more = change_records(table, loans.data, check(change="scale", column="atotinc", amount=2), 0)
    assert more["atotinc"].to_pylist() == [2.0, None, 6.0]
    plus = change_records(table, loans.data, check(change="add", column="atotinc", amount=2), 0)
    assert plus["atotinc"].to_pylist() == [3.0, None, 5.0]
    same = change_records(table, loans.data, check(change="set", column="pubrec", text="1"), 0)
    assert same["pubrec"].to_pylist() == ["1"] * 3
    with pytest.raises(RefusedError, match="sets 'black' to 'yes', but it holds int64"):
        change_records(table, loans.data, check(change="set", column="black", text="yes"), 0)
    with pytest.raises(RefusedError, match="changes numbers, but 'pubrec' holds string"):
        change_records(table, loans.data, check(change="add", column="pubrec", amount=1), 0)
    with pytest.raises(RefusedError, match="which records do not have"):
        change_records(table, loans.data, check(change="set", column="male", text="1"), 0)


def test_a_swap_always_gives_another_value():
    values = np.random.default_rng(1).choice(["a", "b", "c"], 200).tolist()
    made = swapped(values, seed=3)
    assert all(a != b for a, b in zip(values, made, strict=True))
    assert set(made) == {"a", "b", "c"}
    assert swapped(["a", None], 0) == ["a", None]


def test_texts_and_series_are_changed(repository):
    spec = compose_config(repository, ["experiment=spam"]).data
    table = pa.table({"id": ["a"], "text": ["Hello"]})
    assert change_records(table, spec, check(change="append", text="!"), 0)["text"].to_pylist() == ["Hello!"]
    assert change_records(table, spec, check(change="prepend", text="Oh. "), 0)["text"].to_pylist() == ["Oh. Hello"]
    spec = compose_config(repository, ["experiment=co2"]).data
    table = pa.table({"id": ["a"], "series": pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32()))})
    made = change_records(table, spec, check(change="forget", amount=2), 0)["series"][0].as_py()
    assert np.array_equal(made, [np.nan, np.nan, 3.0], equal_nan=True)
    assert change_records(table, spec, check(change="add", amount=5), 0)["series"][0].as_py() == [6.0, 7.0, 8.0]


def test_violations_are_counted_by_class_by_size_and_by_direction(repository):
    spec = compose_config(repository, ["experiment=loans"]).data
    before = np.array([[0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    after = np.array([[0.4, 0.6], [0.55, 0.45], [0.2, 0.8]])
    assert judge_change(before, after, check(), spec)[1].tolist() == [True, False, False]
    moved, bad = judge_change(before, after, check(tolerance=0.01), spec)
    assert moved.round(3).tolist() == [0.2, 0.05, 0.0]
    assert bad.tolist() == [True, True, False]
    lower = check(expect="lower", label="approved", tolerance=0.1)
    assert judge_change(before, after, lower, spec)[1].tolist() == [True, False, False]
    broken = np.where(np.arange(3)[:, None] == 2, np.nan, after)
    assert judge_change(before, broken, lower, spec)[1].tolist() == [True, False, True]


def test_what_never_enters_the_model_changes_nothing_and_what_does_is_seen(standing):
    model, splits, ruler = standing("loans")
    ignored = check(name="race", change="swap", column="black", tolerance=0.0)
    seen = check(name="income", change="scale", column="atotinc", amount=5, tolerance=0.0)
    rows = metamorphic_rows(model, splits["test"], ruler, [ignored, seen])
    assert rows[0]["passed"]
    assert rows[0]["violating"]["value"] == rows[0]["moved"]["value"] == 0.0
    assert rows[0]["violating"]["high"] > 0  # of so few records a small share can't be ruled out
    assert not rows[1]["passed"]
    assert rows[1]["violating"]["value"] > 0.9
    assert len(rows[1]["examples"]) == 5
    # One of two opposite directions must fail, whatever the weights are.
    claim = {"change": "scale", "column": "atotinc", "amount": 5, "label": "approved", "tolerance": 0.0, "bound": 1}
    both = [check(**claim, name=way, expect=way) for way in ("higher", "lower")]
    rows = metamorphic_rows(model, splits["test"], ruler, both)
    assert rows[0]["moved"] == rows[1]["moved"]
    assert sorted(row["passed"] for row in rows) == [False, True]


@pytest.mark.parametrize(("name", "kinds"), [("fashion", 6), ("loans", 7), ("spam", 8), ("co2", 7)])
def test_extreme_records_are_answered(standing, name, kinds):
    model, splits, ruler = standing(name)
    rows = extreme_rows(model, Raw(splits["test"], ruler.config.data, splits["train"]), ruler)
    assert len(rows) == kinds
    assert [row["name"] for row in rows if not row["passed"]] == []
    assert all(row["finite"] for row in rows)
    if name == "co2":
        assert all(row["lowest"] <= row["highest"] for row in rows)
    else:
        assert all(row["answer"] in ruler.config.data.classes for row in rows)
        assert all(0.1 <= row["confidence"]["mean"] <= row["confidence"]["highest"] <= 1 for row in rows)


def test_an_answer_that_is_no_number_does_not_pass(standing):
    model, splits, ruler = standing("loans")
    raw = Raw(splits["test"], ruler.config.data, splits["train"])
    assert len(extremes(raw)["every value missing"]) == 50
    next(model.network.parameters()).data.fill_(float("nan"))
    rows = extreme_rows(model, raw, ruler)
    assert not any(row["passed"] for row in rows)
    assert not any(row["finite"] for row in rows)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"change": "append", "text": "x"}, "has the change append, but those of image are shift, flip, brighten"),
        ({"change": "shift"}, "has the change shift, which needs amount"),
        ({"change": "shift", "amount": 1, "expect": "higher"}, "needs label: one of ankle-boot"),
        ({"change": "flipp"}, "flipp"),
    ],
)
def test_a_claim_that_says_nothing_is_refused(repository, claim, said):
    raw = compose_config(repository, ["experiment=fashion"]).model_dump(mode="json")
    raw["data"]["metamorphic"] = [{"name": "a claim", **claim}]
    with pytest.raises(UsageError, match=said):
        validate_config(raw)


def test_names_are_unique_and_columns_known(repository):
    raw = compose_config(repository, ["experiment=loans"]).model_dump(mode="json")
    claims = raw["data"]["metamorphic"]
    raw["data"]["metamorphic"] = [claims[0], claims[0]]
    with pytest.raises(UsageError, match="stands there twice"):
        validate_config(raw)
    raw["data"]["metamorphic"] = [claims[0] | {"column": "colour"}]
    with pytest.raises(UsageError, match="names the column 'colour', which is neither a feature nor sensitive"):
        validate_config(raw)
    raw = compose_config(repository, ["experiment=co2"]).model_dump(mode="json")
    raw["data"]["metamorphic"] = [{"name": "a claim", "change": "add", "amount": 1}]
    with pytest.raises(UsageError, match="needs tolerance"):
        validate_config(raw)
