"""One file that answers as the bundle does, in a process that has NumPy and ONNX Runtime alone."""

import json
import os
import subprocess
import sys
from datetime import datetime

import numpy as np
import onnx
import pytest
from tiny_bundles import SIZE, tiny_bundle
from tokenizers import Tokenizer

from lightloop.compression.edge import edge_tokenizer, write_edge
from lightloop.compression.edge_reader import Edge
from lightloop.config.text import TextPreprocess
from lightloop.data.text.tokenizer import train_tokenizer
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.serving.manifest import HASHES, MANIFEST, hash_files
from lightloop.serving.predictor import Predictor

# Everything that a machine at the edge does not have.
PROGRAM = """
import importlib.abc, sys
class Refusing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"{name} is not on this machine")
REFUSED = {"lightloop", "torch", "pyarrow", "pydantic", "tokenizers", "pandas", "PIL", "scipy", "sklearn", "onnx"}
sys.meta_path.insert(0, Refusing())
import json, pathlib
import numpy as np
from edge import Edge
records = json.loads(pathlib.Path("records.json").read_text())
edge = Edge("edge.onnx")
if edge.input["kind"] == "image":
    records = [np.array(record, np.uint8) for record in records]
print(json.dumps(edge.predict(records)))
assert not REFUSED & {name.partition(".")[0] for name in sys.modules}
"""
TEXTS = ["one two three four", "", "Zwei ZWEI zwei", "two " * 40, "ﬁve ① 五六 ไทย a\u0301 [PAD] <url>"]
RECORDS = {
    "tabular": [
        {"the age": 20, "income €/a": 5.5, "class": "Oslo"},
        {"the age": None, "income €/a": None, "class": None},
        {"the age": 63.5, "class": "nowhere"},
    ],
    "image": [np.full(SIZE, level, np.uint8).tolist() for level in (0, 90, 101, 255)],
    "text": TEXTS,
    "series": [
        {"load": [1.0, None, 3.0, 4.0, 5.0], "day": "2026-01-05"},
        {"load": [], "day": "2026-01-05"},
        {"load": [2.0], "day": "2026-01-06"},
    ],
}


def asked(kind):
    """The records as the bundle takes them."""
    if kind == "image":
        from tiny_bundles import grey

        return [{"image": grey(record[0][0])} for record in RECORDS[kind]]
    if kind == "text":
        return [{"text": text} for text in TEXTS]
    if kind == "series":
        return [record | {"day": datetime.fromisoformat(record["day"])} for record in RECORDS[kind]]
    return [{"income €/a": None} | record for record in RECORDS[kind]]


@pytest.mark.parametrize("kind", RECORDS)
def test_it_answers_as_the_bundle_without_what_the_bundle_needs(kind, tmp_path):
    bundle = tiny_bundle(kind, tmp_path / "bundle")
    size = write_edge(bundle, tmp_path / "edge.onnx", 1.0)
    assert size == (tmp_path / "edge.onnx").stat().st_size
    (tmp_path / "records.json").write_text(json.dumps(RECORDS[kind]))
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=told, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert not (tmp_path / "home").exists(), "nothing is reported to anybody"
    found = json.loads(done.stdout)
    expected = Predictor.load(bundle).predict(asked(kind))
    assert len(found) == len(expected) == len(RECORDS[kind])
    for ours, theirs in zip(found, expected, strict=True):
        if kind == "series":
            assert ours["values"] == pytest.approx(theirs.values, abs=1e-6)
            assert [tuple(ends) for ends in ours["intervals"]] == [pytest.approx(ends) for ends in theirs.intervals]
        else:
            assert (ours["label"], tuple(ours["possible"]), ours["abstains"]) == (
                theirs.label,
                theirs.possible,
                theirs.abstains,
            )
            assert ours["probability"] == pytest.approx(theirs.probability, abs=1e-6)
            assert tuple(ours["probabilities"].values()) == pytest.approx(theirs.probabilities, abs=1e-6)
        assert ours["level"] == theirs.level


def with_rules(bundle, rules):
    """The bundle with another calibration."""
    content = json.loads((bundle / MANIFEST).read_text()) | {"calibration": rules}
    (bundle / MANIFEST).write_text(json.dumps(content))
    (bundle / HASHES).write_text(json.dumps(hash_files(bundle)))


APS = {"score": "aps", "n": [99], "levels": [{"level": 0.8, "quantiles": [0.9]}]}
BY_CLASS = {"score": "lac", "by_class": True, "n": [9, 9], "levels": [{"level": 0.8, "quantiles": [0.4, None]}]}


@pytest.mark.parametrize(
    "rules",
    [
        None,
        {"decision": {"name": "threshold", "positive": 1, "threshold": 0.2}, "conformal": APS},
        {"decision": {"name": "costs", "costs": [[0, 9], [1, 0]]}, "conformal": BY_CLASS, "abstain": {"name": "set"}},
        {"abstain": {"name": "accuracy", "limit": 0.97}},
    ],
    ids=["none", "threshold", "costs", "accuracy"],
)
def test_it_decides_and_abstains_by_the_bundles_rules(rules, tmp_path):
    bundle = tiny_bundle("tabular", tmp_path / "bundle", golden=False)
    with_rules(bundle, rules)
    write_edge(bundle, tmp_path / "edge.onnx", 1.0)
    records = [{"the age": age, "income €/a": 1.0, "class": "Rome"} for age in range(20, 90, 3)]
    found = Edge(tmp_path / "edge.onnx").predict(records)
    expected = Predictor.load(bundle).predict(records)
    assert [(one["label"], tuple(one["possible"]), one["abstains"]) for one in found] == [
        (one.label, one.possible, one.abstains) for one in expected
    ]
    assert len({one.label for one in expected}) == 2


@pytest.mark.parametrize(
    ("kind", "record", "sentence"),
    [
        ("image", np.zeros((3, 3), np.uint8), r"record 1 is \(3, 3\) uint8: expected \(4, 6\) uint8"),
        ("image", np.zeros(SIZE), r"record 1 is \(4, 6\) float64: expected \(4, 6\) uint8"),
        ("tabular", {"the age": np.inf}, r"column 'the age' holds an infinite number: expected a finite one"),
        ("series", {"load": [np.inf]}, "a series holds an infinite number: expected finite ones"),
    ],
)
def test_what_does_not_fit_is_one_sentence(kind, record, sentence, tmp_path):
    write_edge(tiny_bundle(kind, tmp_path / "bundle", golden=False), tmp_path / "edge.onnx", 1.0)
    edge = Edge(tmp_path / "edge.onnx")
    with pytest.raises(ValueError, match=sentence):
        edge.predict([record])
    assert edge.predict([]) == []


def test_a_budget_is_kept(tmp_path):
    bundle = tiny_bundle("image", tmp_path / "bundle")
    with pytest.raises(RefusedError, match=r"the edge file would have 0\.00\d+ megabytes, and 0\.001 are allowed"):
        write_edge(bundle, tmp_path / "edge.onnx", 0.001)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_can_not_become_one_file(tmp_path):
    with pytest.raises(UsageError, match="makes images from noise, which the edge reader does not"):
        write_edge(tiny_bundle("noise", tmp_path / "noise"), tmp_path / "edge.onnx", 1.0)
    bundle = tiny_bundle("series", tmp_path / "series", golden=False)
    with pytest.raises(UsageError, match=r"edge\.bin is to be a graph: name it FILE\.onnx"):
        write_edge(bundle, tmp_path / "edge.bin", 1.0)
    content = json.loads((bundle / MANIFEST).read_text())
    content["input"] |= {"clock": {"step": "MS", "anchor": "2020-01-01"}, "calendar": ["year"]}
    (bundle / MANIFEST).write_text(json.dumps(content))
    (bundle / HASHES).write_text(json.dumps(hash_files(bundle)))
    with pytest.raises(UsageError, match=r"steps of the series are 'MS', of unequal length.*preprocess=series_plain"):
        write_edge(bundle, tmp_path / "edge.onnx", 1.0)
    (bundle / "model.onnx").write_bytes(b"else")
    with pytest.raises(LightloopError, match=r"model\.onnx is changed in the bundle"):
        write_edge(bundle, tmp_path / "edge.onnx", 1.0)
    graph = onnx.load(tmp_path / "noise" / "model.onnx")
    onnx.save(graph, tmp_path / "plain.onnx")
    with pytest.raises(
        ValueError, match=r"plain\.onnx is no edge file: write one with `lightloop compress --edge FILE`"
    ):
        Edge(tmp_path / "plain.onnx")


ODD = [
    "Straße İstanbul ΣΟΦΟΣ ǅ ŉ",
    "e\u0301te\u0301 cafe\u0301 naïve \u200d\u200b zero",
    "mail me: first.last+tag@example.co.uk or http://x.y/z?a=(b) www.site.org!",
    "１２３ ٣٤٥ 1,234.56 3.14.15 ½ ²",
    "汉字かなカナ ไทย 한국어 हिन्दी עברית العربية",
    "tabs\tand\nlines\r\n\u2028end \x85 \xa0 \u3000",
    "👩‍👩‍👧 🇳🇴 ❤️ <url> <email> <number> [UNK] [PAD]",
    "_under_score__ a_b 'quote' \"double\" — … ½kg",
    "\ud7ff\ue000\U0010ffff\x00\x1f",
]


@pytest.mark.parametrize("vocabulary", ["word", "bpe", "char"])
@pytest.mark.parametrize(
    "normalise",
    [
        ("nfkc", "urls", "emails", "lowercase"),
        ("strip_accents", "numbers"),
        ("lowercase", "digits", "nfkc"),
        (),
    ],
    ids=lambda names: "-".join(names) or "none",
)
def test_texts_are_divided_as_the_tokenizer_divides_them(vocabulary, normalise):
    settings = TextPreprocess(name="text", vocabulary=vocabulary, normalise=normalise, min_count=1, size=120)
    corpus = [*ODD, "the quick brown fox jumps over the lazy dog", "www.site.org the the dog"] * 2
    file = train_tokenizer(settings, corpus)
    edge = Edge.__new__(Edge)
    edge.tokens = json.loads(json.dumps(edge_tokenizer(json.loads(file))))
    edge.input = {"max_length": 10_000, "truncation": "head"}
    theirs = Tokenizer.from_str(file.decode())
    letters = sorted({letter for text in ODD for letter in text})
    generator = np.random.default_rng(0)
    drawn = ["".join(generator.choice(letters, 30)) for _ in range(100)]
    for text in [*corpus, *drawn]:
        assert edge._ids(text) == (theirs.encode(text).ids or [1]), text


# of feature: text
@pytest.mark.parametrize("end", ["head", "tail", "both"])
def test_long_texts_are_cut_as_the_bundle_cuts_them(end, tmp_path):
    bundle = tiny_bundle("text", tmp_path / "bundle", golden=False)
    content = json.loads((bundle / MANIFEST).read_text())
    content["input"] |= {"truncation": end, "max_length": 5}
    (bundle / MANIFEST).write_text(json.dumps(content))
    (bundle / HASHES).write_text(json.dumps(hash_files(bundle)))
    write_edge(bundle, tmp_path / "edge.onnx", 1.0)
    predictor = Predictor.load(bundle)
    texts = ["one two three four five six seven", "seven " * 400 + "one", "one" * 900 + " two three"]
    table = predictor.table([{"text": text} for text in texts])
    expected = predictor.manifest.input.encode(table, predictor.files)["ids"]
    np.testing.assert_array_equal(Edge(tmp_path / "edge.onnx")._text(texts)["ids"], expected)


# end
