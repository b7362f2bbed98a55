import io

import numpy as np
import pyarrow as pa
import pytest
from pictures import encode
from PIL import Image
from series_world import small, wave, write
from tables import ORDERS, SMALL_COLUMNS, config_of, loans, loans_config, small_frame, spec_of
from texts import make_spec

from lightloop.audit.corruption import CORRUPTIONS, STRENGTHS, Raw, corruptions, typo
from lightloop.config.compose import compose_config
from lightloop.data.splits import read_splits

GREY = np.full((40, 40), 128)


def kind(modality, name):
    return next(one for one in CORRUPTIONS[modality] if one.name == name)


def pixels(table):
    return [np.asarray(Image.open(io.BytesIO(content)), dtype=float) for content in table["image"].to_pylist()]


@pytest.fixture
def images(repository):
    config = compose_config(repository, ["experiment=fashion"])
    random = np.random.default_rng(0)
    pictures = [GREY, random.integers(0, 256, (40, 40)), random.integers(0, 256, (20, 30, 3))]
    table = pa.table({"id": ["a", "b", "c"], "image": pa.array([encode(one) for one in pictures], pa.large_binary())})
    return Raw(table, config.data, table)


@pytest.fixture(scope="session")
def rows(repository):
    config = loans_config(repository)
    splits = loans(repository, config)
    return Raw(splits["test"], config.data, splits["train"])


@pytest.fixture
def texts(repository):
    words = " ".join(f"word{number}" for number in range(400))
    table = pa.table({"id": ["a", "b"], "text": pa.array([words, ""], pa.large_string())})
    return Raw(table, make_spec(), table)


@pytest.fixture
def series(tmp_path):
    config = small()
    splits = read_splits(config.data, write(tmp_path, wave(300)), 0)
    return Raw(splits["test"], config.data, splits["train"])


def test_noise_on_images_has_the_deviation_that_it_says(images):
    noise = kind("image", "noise")
    for strength, amount in zip(STRENGTHS[:3], noise.amounts[:3], strict=True):
        made = pixels(noise.at(strength, images, 0))[0]
        assert (made - 128).std() == pytest.approx(255 * amount, rel=0.05)
        assert abs((made - 128).mean()) < 2


def test_blur_flattens_and_contrast_shrinks(images):
    before = pixels(images.records)[1].std()
    blurred = [pixels(kind("image", "blur").at(strength, images, 0))[1].std() for strength in STRENGTHS]
    assert before >= blurred[0] > blurred[-1] > 0
    contrast = kind("image", "contrast")
    for strength, amount in zip(STRENGTHS, contrast.amounts, strict=True):
        assert pixels(contrast.at(strength, images, 0))[1].std() == pytest.approx(amount * before, rel=0.02)
    assert [one.shape for one in pixels(contrast.at(1, images, 0))] == [(40, 40), (40, 40), (20, 30, 3)]


def test_missing_values_of_tables_have_the_share_that_it_says(rows):
    missing = kind("tabular", "missing")
    known = rows.records.select(rows.spec.features)
    for strength, amount in zip(STRENGTHS, missing.amounts, strict=True):
        made = missing.at(strength, rows, 0)
        lost = sum(made[name].null_count - known[name].null_count for name in rows.spec.features)
        there = sum(len(known) - known[name].null_count for name in rows.spec.features)
        assert lost / there == pytest.approx(amount, abs=0.02)
        assert made.schema == rows.records.schema
        # What is no feature stays.
        assert made.select(["id", "label", "black"]) == rows.records.select(["id", "label", "black"])


def test_each_record_has_one_number_out_of_range(rows):
    made = kind("tabular", "out_of_range").at(3, rows, 0)
    numbers = [name for name in rows.spec.features if pa.types.is_floating(rows.train.schema.field(name).type)]
    beyond = np.zeros(len(made), dtype=int)
    for name in numbers:
        known = rows.train[name].to_numpy(zero_copy_only=False).astype(float)
        low, high = np.nanmin(known), np.nanmax(known)
        values = made[name].to_numpy(zero_copy_only=False).astype(float)
        changed = values != rows.records[name].to_numpy(zero_copy_only=False).astype(float)
        changed &= ~np.isnan(values)
        assert np.allclose(np.minimum(np.abs(values - high), np.abs(values - low))[changed], 0.5 * (high - low))
        beyond += changed
    assert (beyond == 1).all()


def test_noise_on_tables_moves_numbers_and_swaps_categories(rows):
    made = kind("tabular", "noise").at(2, rows, 0)
    moved = made["appinc"].to_numpy() - rows.records["appinc"].to_numpy()
    assert moved.std() == pytest.approx(0.2 * rows.train["appinc"].to_numpy().std(), rel=0.15)
    swapped = np.mean([a != b for a, b in zip(made["prop"].to_pylist(), rows.records["prop"].to_pylist(), strict=True)])
    assert 0 < swapped <= 0.06
    assert set(made["prop"].to_pylist()) <= set(rows.train["prop"].to_pylist()) | {None}


def test_typos_change_as_many_words_as_they_say_and_dropping_drops_them(texts):
    before = texts.records["text"][0].as_py().split(" ")
    for strength, amount in zip(STRENGTHS, kind("text", "typos").amounts, strict=True):
        after = kind("text", "typos").at(strength, texts, 0)["text"].to_pylist()
        assert after[1] == ""
        words = after[0].split(" ")
        assert len(words) == len(before)
        assert np.mean([a != b for a, b in zip(before, words, strict=True)]) == pytest.approx(amount, abs=0.06)
        kept = kind("text", "dropped_words").at(strength, texts, 0)["text"][0].as_py().split(" ")
        lost = kind("text", "dropped_words").amounts[strength - 1]
        assert 1 - len(kept) / len(before) == pytest.approx(lost, abs=0.07)
        assert [word for word in before if word in set(kept)] == kept


def test_a_typo_is_one_slip():
    random = np.random.default_rng(0)
    for _ in range(300):
        made = typo("monday", random)
        assert made != "monday"
        assert abs(len(made) - 6) <= 1
        # One edit away: a letter exchanged, lost, doubled or replaced.
        assert len(set("monday") & set(made)) >= 5


def test_series_lose_steps_or_get_noise(series):
    known = np.array(series.records["series"].to_pylist())
    for strength, amount in zip(STRENGTHS, kind("series", "dropped_steps").amounts, strict=True):
        made = np.array(kind("series", "dropped_steps").at(strength, series, 0)["series"].to_pylist(), dtype=float)
        assert np.isnan(made).mean() == pytest.approx(amount, abs=0.05)
        assert (made == known)[~np.isnan(made)].all()
    noise = kind("series", "noise")
    made = np.array(noise.at(5, series, 0)["series"].to_pylist())
    shares = (made - known).std(1) / known.std(1)
    assert shares.mean() == pytest.approx(noise.amounts[-1], rel=0.1)


# Fixtures by the modality of their records.
RAW = {"image": "images", "tabular": "rows", "text": "texts", "series": "series"}


@pytest.mark.parametrize("modality", RAW)
def test_the_same_seed_makes_the_same_records(modality, request):
    raw = request.getfixturevalue(RAW[modality])
    for one in corruptions(raw.spec):
        # As text, since NaN equals nothing.
        first, second = (str(one.at(4, raw, 7).to_pylist()) for _ in range(2))
        assert first == second != str(raw.records.to_pylist())
        assert one.at(4, raw, 7).schema.metadata == raw.records.schema.metadata


def test_categories_of_any_table_can_be_disturbed(repository, tmp_path):
    spec = spec_of(tmp_path, small_frame(), SMALL_COLUMNS, orders=ORDERS)
    config = config_of(repository, spec)
    splits = read_splits(config.data, tmp_path, 0)
    raw = Raw(splits["test"], config.data, splits["train"])
    for one in corruptions(config.data):
        assert one.at(5, raw, 0).column_names == raw.records.column_names
