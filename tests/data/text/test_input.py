"""From texts to ids: padding, truncation, and texts that are none or too long."""

import time

import numpy as np
import pyarrow as pa
import pytest
from texts import make_rows

from lightloop.config.text import TextPreprocess
from lightloop.data.text.input import REACH, TextInput
from lightloop.data.text.tokenizer import FILE, read_tokenizer, train_tokenizer
from lightloop.errors import RefusedError

TEXTS = [row["text"] for row in make_rows(60)]
FILES = {FILE: train_tokenizer(TextPreprocess(name="text", min_count=1), TEXTS)}


def table(*texts: str | None) -> pa.Table:
    return pa.table({"text": pa.array(texts, pa.large_string())})


def ids(text: str) -> list[int]:
    return read_tokenizer(FILES[FILE]).encode(text).ids


def test_records_are_padded_to_the_longest_with_0():
    found = TextInput(max_length=50).encode(table(*TEXTS), FILES)["ids"]
    assert found.dtype == np.int64
    assert found.shape == (60, max(len(ids(text)) for text in TEXTS))
    for row, text in zip(found.tolist(), TEXTS, strict=True):
        expected = ids(text)
        assert row == expected + [0] * (found.shape[1] - len(expected))


@pytest.mark.parametrize("truncation", ["head", "tail", "both"])
@pytest.mark.parametrize("length", [1, 2, 5, 8])
def test_longer_texts_are_cut(truncation, length):
    found = TextInput(max_length=length, truncation=truncation).encode(table(*TEXTS), FILES)["ids"]
    assert found.shape[1] == length
    for row, text in zip(found.tolist(), TEXTS, strict=True):
        whole = ids(text)
        if len(whole) <= length:
            assert row[: len(whole)] == whole
            continue
        head = {"head": length, "tail": 0, "both": length - length // 2}[truncation]
        assert row == whole[:head] + whole[len(whole) - (length - head) :]


def test_an_empty_text_is_one_unknown_token():
    found = TextInput(max_length=5).encode(table("", " \n\t ", "\x00", "see"), FILES)["ids"]
    assert found[:3].tolist() == [[1], [1], [1]]
    assert found[3].tolist() == ids("see")


def test_characters_and_words_never_seen_are_unknown():
    assert TextInput(max_length=5).encode(table("see ζ 😀 qwertz"), FILES)["ids"].tolist() == [[*ids("see"), 1, 1, 1]]


def test_no_records_are_an_empty_batch():
    assert TextInput(max_length=5).encode(table(), FILES)["ids"].shape == (0, 1)


def test_a_null_is_refused_by_name():
    with pytest.raises(RefusedError, match=r"record number 2 has no text: leave it out"):
        TextInput(max_length=5).encode(table("see", None), FILES)
    named = table("see", None).append_column("id", pa.array(["train/0", "train/1"]))
    with pytest.raises(RefusedError, match=r"record train/1 has no text: leave it out"):
        TextInput(max_length=5).encode(named, FILES)


@pytest.mark.parametrize("truncation", ["head", "tail", "both"])
def test_of_a_text_of_a_megabyte_only_the_ends_that_are_kept_are_looked_at(truncation):
    reader = TextInput(max_length=16, truncation=truncation)
    text = "see " * 100 + "x" * 1_000_000 + " now" * 100
    started = time.perf_counter()
    found = reader.encode(table(text), FILES)["ids"][0].tolist()
    assert time.perf_counter() - started < 0.5
    see, now = ids("see"), ids("now")
    assert found == {"head": see * 16, "tail": now * 16, "both": see * 8 + now * 8}[truncation]
    assert len(reader.reach(text)) <= 2 * REACH * 16 + 1
    assert reader.reach("short") == "short"


def test_the_schema_survives_json():
    reader = TextInput(max_length=16, truncation="both")
    assert TextInput.model_validate_json(reader.model_dump_json()) == reader
    assert reader.feeds == {"ids": ("int64", (None, None))}
