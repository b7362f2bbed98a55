"""What is known of each text, and how texts relate, against counting by hand."""

from collections import Counter

import pandas as pd
import pytest
from texts import make_rows, make_spec, write_rows

from lightloop.errors import RefusedError
from lightloop.quality.text.metadata import COLUMNS, describe_text, read_metadata
from lightloop.quality.text.profile import profile_of


@pytest.mark.parametrize(
    ("text", "characters", "words", "empty", "letters", "replaced", "controls", "longest"),
    [
        ("", 0, 0, True, 0, 0, 0, 0),
        (" \n\t", 3, 0, True, 0, 0, 0, 0),
        ("Hi, you 2", 9, 3, False, 5 / 9, 0, 0, 3),
        ("拾金 ö_1", 6, 2, False, 0.5, 0, 0, 3),
        ("a\ufffd\ufffdb", 4, 2, False, 0.5, 0.5, 0, 4),
        ("a\x00b\x1b\r\n", 6, 2, False, 2 / 6, 0, 2, 4),
        ("😀", 1, 0, False, 0, 0, 0, 1),
    ],
)
def test_what_a_text_says(text, characters, words, empty, letters, replaced, controls, longest):
    found = describe_text(text)
    assert found[:3] == (characters, words, empty)
    assert found.letters == pytest.approx(letters)
    assert found.replaced == pytest.approx(replaced)
    assert (found.controls, found.longest) == (controls, longest)


def test_the_hash_is_of_what_is_said():
    same = {describe_text(text).hash for text in ("Buy  now ﬁne", "buy now fine", "\nBUY\tNOW FINE ")}
    assert len(same) == 1
    assert describe_text("buy now fine!").hash not in same


def test_every_record_has_a_row_and_what_is_missing_is_null(tmp_path):
    rows = make_rows(20)
    rows[3]["text"] = None
    rows[4]["label"] = None
    table = read_metadata(make_spec(), write_rows(tmp_path, rows))
    assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS
    assert len(table) == 20
    of_text = ["characters", "words", "empty", "letters", "replaced", "hash", "copies", "in_other_part", "copy_labels"]
    assert table.loc[3, of_text].isna().all()
    assert table.loc[4, ["label", "stratum", "class_share"]].isna().all()
    assert table.drop(index=[3, 4]).notna().all(axis=None)
    assert table.loc[0, "class_share"] == pytest.approx(9 / 19)


def test_relations_are_those_of_counting(tmp_path):
    spec = make_spec(
        files={"train": "train.parquet", "test": "test.parquet"}, split={"test": "predefined", "validation": 0.2}
    )
    train, test = make_rows(12), make_rows(6, seed=1)
    train[1] = dict(train[0], text=train[0]["text"].upper(), label="spam", group="other")
    train[2] = dict(train[0])
    test[0] = dict(train[4])
    write_rows(tmp_path, train, spec)
    table = read_metadata(spec, write_rows(tmp_path, test, spec, "test"))
    rows = [("train", row) for row in train] + [("test", row) for row in test]
    keys = [" ".join(row["text"].casefold().split()) for _, row in rows]
    for (part, _), key, (_, found) in zip(rows, keys, table.iterrows(), strict=True):
        twins = [pair for pair, other in zip(rows, keys, strict=True) if other == key]
        assert found["copies"] == Counter(name for name, _ in twins)[part]
        assert found["in_other_part"] == (len({name for name, _ in twins}) == 2)
        assert found["copy_labels"] == len({row["label"] for _, row in twins})
        assert found["copy_groups"] == len({row["group"] for _, row in twins})


def test_without_groups_and_without_records(tmp_path):
    spec = make_spec(columns={"text": "feature", "label": "target"}, split={"test": 0.2})
    table = read_metadata(spec, write_rows(tmp_path, make_rows(4)))
    assert table["copy_groups"].isna().all()
    empty = read_metadata(spec, write_rows(tmp_path, []))
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == COLUMNS
    assert profile_of(empty)["characters"] is None


def test_texts_that_are_none_are_refused(tmp_path):
    root = write_rows(tmp_path, make_rows(4))
    spec = make_spec(columns={"body": "feature", "label": "target", "group": "group"})
    with pytest.raises(RefusedError, match="has no column 'body'"):
        read_metadata(spec, root)


def test_the_profile_counts(tmp_path):
    rows = make_rows(20)
    rows[0]["text"], rows[1]["text"], rows[2]["text"], rows[3]["label"] = None, "", "x\ufffd", None
    rows[4] = dict(rows[6])
    table = read_metadata(make_spec(), write_rows(tmp_path, rows))
    found = profile_of(table)
    assert found["records"] == {"train": 20}
    assert found["classes"] == {"train": {"ham": 10, "spam": 9}}
    assert found["duplicates"] == {"train": 1, "across_parts": 0}
    assert found["missing"] == {"text": 1, "label": 1, "empty": 1}
    assert found["replaced"] == 1
    lengths = sorted(len(row["text"]) for row in rows if row["text"] is not None)
    assert found["characters"] == {"min": 0, "median": lengths[9], "p95": lengths[17], "max": lengths[-1]}
    assert found["letters"] == pytest.approx(pd.Series(table["letters"]).mean(), abs=1e-6)
