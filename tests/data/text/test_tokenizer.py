"""The tokenizer: the same texts give the same bytes in any process; what texts hold can't fool it."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from texts import make_rows

from lightloop.config.text import TextPreprocess
from lightloop.data.text.tokenizer import FILE, NORMALIZERS, read_tokenizer, tokenizer_of, train_tokenizer
from lightloop.errors import LightloopError

TEXTS = [row["text"] for row in make_rows(200)] + ["Ünïcode ¼ ﬁn 拾金不昧", "tie1 tie2 tie3 tie4"] * 2
AGAIN = """
import sys, random
from texts import make_rows
from lightloop.config.text import TextPreprocess
from lightloop.data.text.tokenizer import train_tokenizer
texts = [row["text"] for row in make_rows(200)] + ["Ünïcode ¼ ﬁn 拾金不昧", "tie1 tie2 tie3 tie4"] * 2
random.shuffle(texts)
sys.stdout.buffer.write(train_tokenizer(TextPreprocess(name="text", vocabulary=sys.argv[1], size=60), texts))
"""


def settings(**changes) -> TextPreprocess:
    return TextPreprocess.model_validate({"name": "text", "min_count": 1} | changes)


def tokens(text: str, **changes) -> list[str]:
    return read_tokenizer(train_tokenizer(settings(**changes), [text])).encode(text).tokens


@pytest.mark.parametrize("vocabulary", ["word", "bpe", "char"])
def test_the_same_texts_in_another_order_and_process_give_the_same_bytes(vocabulary):
    here = train_tokenizer(TextPreprocess(name="text", vocabulary=vocabulary, size=60), TEXTS)
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{AGAIN}", vocabulary]
    assert subprocess.run(command, capture_output=True, check=True).stdout == here


@pytest.mark.parametrize("vocabulary", ["word", "bpe", "char"])
def test_padding_is_0_unknown_is_1_and_no_text_can_write_them(vocabulary):
    tokenizer = read_tokenizer(train_tokenizer(settings(vocabulary=vocabulary, size=60), TEXTS))
    assert tokenizer.token_to_id("[PAD]") == 0
    assert tokenizer.token_to_id("[UNK]") == 1
    assert tokenizer.get_vocab_size() <= 60
    assert sorted(tokenizer.get_vocab().values()) == list(range(tokenizer.get_vocab_size()))
    assert 0 not in tokenizer.encode("[PAD] see [PAD][UNK] \x00").ids


def test_words_are_those_that_are_frequent_ties_by_the_alphabet():
    tokenizer = read_tokenizer(train_tokenizer(settings(size=8, min_count=2), ["b b b c a c a d d, , e"]))
    assert sorted(tokenizer.get_vocab(), key=tokenizer.token_to_id) == ["[PAD]", "[UNK]", "b", ",", "a", "c", "d"]


@pytest.mark.parametrize(
    ("normalise", "text", "expected"),
    [
        ([], "Don't STOP", ["Don", "'", "t", "STOP"]),
        (["lowercase"], "Don't STOP", ["don", "'", "t", "stop"]),
        (["nfkc"], "ﬁn ｆｕｌｌ", ["fin", "full"]),
        (["strip_accents"], "Café naïve", ["Cafe", "naive"]),
        (["urls"], "See HTTPS://a.b/c?d=e, or www.x.y!", ["See", "<url>", "or", "<url>"]),
        (["emails"], "to a.b+c@d-e.co.uk.", ["to", "<email>", "."]),
        (["numbers"], "$1,000.50 in 2002", ["$", "<number>", "in", "<number>"]),
        (["digits"], "$1,000 a4", ["$", "0", ",", "000", "a0"]),
        (["urls", "emails", "numbers", "lowercase"], "WWW.a.b A@b.c 5", ["<url>", "<email>", "<number>"]),
        ([], "拾金 ab カナ 😀", ["拾", "金", "ab", "カ", "ナ", "😀"]),
    ],
)
def test_normalisation_by_name(normalise, text, expected):
    assert tokens(text, normalise=normalise) == expected


def test_every_name_of_the_config_is_in_the_table():
    assert set(NORMALIZERS) == {"nfkc", "lowercase", "strip_accents", "urls", "emails", "numbers", "digits"}


def test_byte_pair_encoding_takes_words_apart_and_loses_nothing():
    tokenizer = read_tokenizer(train_tokenizer(settings(vocabulary="bpe", size=200, normalise=["lowercase"]), TEXTS))
    text = "winner pills pillskernel now"
    found = tokenizer.encode(text).tokens
    assert "".join(found) == text
    # A frequent word is one token, one that was never seen is several.
    assert found == ["winner", " pills", " pills", "kernel", " now"]


def test_characters():
    assert tokens("ab  A\nb", vocabulary="char", normalise=[]) == ["a", "b", " ", "A", " ", "b"]


def test_what_was_made_to_be_slow_is_not():
    tokenizer = read_tokenizer(train_tokenizer(settings(normalise=["nfkc", "urls", "emails", "numbers"]), TEXTS))
    started = time.perf_counter()
    for text in (
        "a" * 30_000,
        "a." * 15_000,
        "x@" * 15_000,
        "a-" * 15_000,
        "1," * 15_000,
        "www." * 8_000,
        "\u0301" * 30_000,
    ):
        tokenizer.encode(text)
    assert time.perf_counter() - started < 5


def test_the_file_alone_is_enough():
    content = train_tokenizer(settings(), TEXTS)
    assert json.loads(content)["added_tokens"] == []
    assert tokenizer_of({FILE: content}) is tokenizer_of({FILE: bytes(bytearray(content))})
    with pytest.raises(LightloopError, match=r"tokenizer\.json is missing among the files of the preprocessing"):
        tokenizer_of({})
    with pytest.raises(LightloopError, match=r"tokenizer\.json is not a whole tokenizer \(.*\): run the train stage"):
        tokenizer_of({FILE: content[:100]})


def test_random_unicode_never_breaks_it():
    generator = np.random.default_rng(0)
    # All of Unicode but the surrogates, which no valid string in Arrow holds.
    points = np.concatenate([np.arange(0xD800), np.arange(0xE000, 0x110000)])
    tokenizer = read_tokenizer(train_tokenizer(settings(normalise=list(NORMALIZERS)), TEXTS))
    for _ in range(200):
        text = "".join(map(chr, generator.choice(points, size=50)))
        assert 0 not in tokenizer.encode(text).ids
