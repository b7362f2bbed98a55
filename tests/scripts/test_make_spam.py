"""Reading messages: what is kept, what broken ones become, and which say the same."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from small_project import REPOSITORY


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_spam", REPOSITORY / "scripts/make_spam.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_spam"] = module
    spec.loader.exec_module(module)
    return module


HEAD = "From: a@b.example\nX-Spam: yes\nDate: 2002\nSubject: Hello\n"
PARTS = "\n--B\nContent-Type: text/plain\n\nplain words\n--B\nContent-Type: text/html\n\n<b>html words</b>\n--B--\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HEAD + "\nBody  here\t.\n\n\n\nEnd\n", "Hello\n\nBody here .\n\nEnd"),
        (HEAD, "Hello"),
        ("From: a@b.example\n\nonly a body", "only a body"),
        ("", ""),
        ("From a Mon 2002\nno header at all\n", "no header at all"),
        ("Subject: =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?b?IOKCrA==?=\n\nx", "Grüße €\n\nx"),
        ("Subject: =?no-such-charset?Q?abc?=\n\nx", "abc\n\nx"),
        ("Subject: =?utf-8?b?broken!?=\n\nx", "=?utf-8?b?broken!?=\n\nx"),
        (
            HEAD + "Content-Type: text/html\n\n<html><style>x{}</style>Buy<!--a-->ing&nbsp;<td>a<td>b</html>",
            "Hello\n\nBuying\na\nb",
        ),
        (HEAD + "\n <HTML><body>no type<br>at all", "Hello\n\nno type\nat all"),
        (HEAD + "Content-Type: text/html\n\n<![if !mso]>cut", "Hello\n\ncut"),
        (HEAD + "Content-Transfer-Encoding: quoted-printable\n\n3=20=3D =\nthree", "Hello\n\n3 = three"),
        (
            HEAD + "Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: base64\n\nk0hpIYA=\n",
            "Hello\n\n“Hi!€",
        ),
        (HEAD + "Content-Transfer-Encoding: base64\n\n%%% not base64 %%%", None),
        (
            HEAD + 'Content-Type: text/plain; charset="default"\nContent-Transfer-Encoding: 8bit\n\ncaf\u00e9 \ufffd',
            "Hello\n\ncafé \ufffd",
        ),
        (HEAD + f"Content-Type: multipart/alternative; boundary=B\n{PARTS}", "Hello\n\nplain words"),
        (HEAD + f"Content-Type: multipart/mixed; boundary=B\n{PARTS}", "Hello\n\nplain words\nhtml words"),
        (
            HEAD + f"Content-Type: multipart/alternative; boundary=B\n{PARTS.replace('plain words', ' ')}",
            "Hello\n\nhtml words",
        ),
        (HEAD + "Content-Type: multipart/mixed; boundary=B\n\nno boundary in here", "Hello\n\nno boundary in here"),
        (HEAD + "Content-Type: multipart/mixed\n\n--B\n\nno boundary named", "Hello\n\n--B\n\nno boundary named"),
        (HEAD + "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=", "Hello"),
        (HEAD + "Content-Disposition: attachment; filename=a.txt\n\nfile", "Hello"),
        (HEAD + "\nnul\x00 bell\x07 \ud800 half", "Hello\n\nnul bell ? half"),
        ("Subject: esc\x1b[1m\n\nx", "esc[1m\n\nx"),
    ],
)
def test_subject_and_body_are_kept_and_nothing_else(script, message, expected):
    found = script.record_text(message)
    if expected is not None:
        assert found == expected
    for header in ("a@b.example", "X-Spam", "2002"):
        assert header not in found.replace("From a Mon 2002", "")


def test_random_damage_never_breaks_it(script):
    generator = np.random.default_rng(0)
    whole = HEAD + f"MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=B\n{PARTS}"
    for _ in range(300):
        letters = list(whole)
        for place in generator.integers(len(letters), size=6):
            letters[place] = chr(int(generator.choice([0, 10, 32, 34, 45, 58, 61, 63, 0xFFFD, 0xD800, 60])))
        text = script.record_text("".join(letters[: generator.integers(1, len(letters))]))
        assert text == text.strip()
        text.encode("utf-8")


def test_what_says_nearly_the_same_is_one_cluster(script):
    words = [f"{one}{other}" for one in "bcdfgh" for other in "aeiouwxyz"]
    base = " ".join(words)
    changed = " ".join([*words[:30], "other", *words[31:]])
    half = " ".join([*words[:27], *reversed(words)])
    texts = [base, "quite another text", base.upper() + "!", changed, half, "Call 555-1234", "call 777 8888 ", "", " "]
    # Digits count as digits, whichever they are.
    assert script.clusters_of(texts) == [0, 1, 0, 0, 4, 5, 5, 7, 7]


def test_pairs_are_those_of_exact_counting(script):
    generator = np.random.default_rng(3)
    texts = []
    for _ in range(30):
        words = [f"w{number}" for number in generator.integers(0, 1000, size=50)]
        texts.append(words)
        copy = list(words)
        for place in generator.integers(50, size=int(generator.integers(0, 8))):
            copy[place] = "x"
        texts.append(copy)
    shingles = [script.shingles_of(words) for words in texts]
    sets = [{tuple(words[i : i + 5]) for i in range(46)} for words in texts]
    expected = {
        (a, b) for a in range(60) for b in range(a + 1, 60) if len(sets[a] & sets[b]) >= 0.7 * len(sets[a] | sets[b])
    }
    assert 5 < len(expected) < 30
    assert set(script.similar_pairs(shingles)) == expected


def test_the_table(script, tmp_path, monkeypatch, capsys):
    import pyarrow.parquet as pq

    source = pa.table(
        {
            "id": ["1", "2", "1", "3"],
            "group": ["easy-ham-1", "hard-ham-1", "spam-2", "easy-ham-2"],
            "text": [HEAD + "\nfirst text", HEAD + "\nsecond", HEAD + "\nthird", HEAD + "\nFirst text."],
        }
    )
    pq.write_table(source, tmp_path / "in.parquet")
    contents = []
    for name in ("a", "b"):
        monkeypatch.setattr("sys.argv", ["make_spam.py", str(tmp_path / "in.parquet"), str(tmp_path / name)])
        script.main()
        contents.append((tmp_path / name / "spam.parquet").read_bytes())
    assert contents[0] == contents[1]
    assert "1 lie in several folders, 0 have both labels" in capsys.readouterr().out
    assert pq.read_table(tmp_path / "a/spam.parquet").to_pylist()[1:] == [
        {
            "id": "hard-ham-1/2",
            "text": "Hello\n\nsecond",
            "label": "ham",
            "source": "hard-ham",
            "group": "hard-ham-1/2",
        },
        {"id": "spam-2/1", "text": "Hello\n\nthird", "label": "spam", "source": "spam", "group": "spam-2/1"},
        {
            "id": "easy-ham-2/3",
            "text": "Hello\n\nFirst text.",
            "label": "ham",
            "source": "easy-ham",
            "group": "easy-ham-1/1",
        },
    ]
