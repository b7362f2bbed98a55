import json
import logging
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from pictures import decode, encode

from lightloop.errors import UsageError
from lightloop.quality.check import run_suite
from lightloop.quality.image.metadata import read_metadata
from lightloop.quality.image.suite import suite_for

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def suite(spec, parts, write):
    return suite_for(spec, read_metadata(spec, write(parts)))


def found(outcome):
    return {(check["column"], check["name"].removeprefix("expect_")) for check in outcome.refusals}


def no_image(parts):
    parts["train"][0]["image"] = None


def no_label(parts):
    parts["test"][0]["label"] = None


def unknown_label(parts):
    parts["train"][0]["label"] = MARKUP


def undecodable(parts):
    parts["train"][0]["image"] = parts["train"][0]["image"][:50]


def empty_class(parts):
    parts["test"] = [row for row in parts["test"] if row["label"] != "owl"]


def duplicate(parts):
    parts["train"][0] = dict(parts["train"][3])


def overlap(parts):
    # The same pixels, encoded anew.
    pixels = decode(parts["train"][0]["image"])
    parts["test"][0]["image"] = encode(pixels, "BMP")


def contradiction(parts):
    parts["test"][1]["image"] = parts["train"][0]["image"]


def wrong_size(parts):
    parts["train"][0]["image"] = encode(np.random.default_rng(1).integers(0, 256, (6, 9)))


def wrong_mode(parts):
    parts["train"][0]["image"] = encode(np.random.default_rng(1).integers(0, 256, (6, 8, 3)))


def cut(parts):
    parts["train"] = parts["train"][:17]


DAMAGES = [
    (no_image, {("bytes", "column_values_to_not_be_null")}, "train/0"),
    (no_label, {("label", "column_values_to_not_be_null")}, "test/0"),
    (unknown_label, {("label", "column_values_to_be_in_set")}, "train/0"),
    (undecodable, {("decodes", "column_values_to_be_in_set")}, "train/0"),
    (empty_class, {("stratum", "column_distinct_values_to_contain_set")}, None),
    (duplicate, {("copies", "column_values_to_be_between")}, "train/0"),
    (overlap, {("in_other_part", "column_values_to_be_in_set")}, "test/0"),
    (
        contradiction,
        {("in_other_part", "column_values_to_be_in_set"), ("copy_labels", "column_values_to_be_between")},
        "test/1",
    ),
    (wrong_size, {("width", "column_values_to_be_between")}, "train/0"),
    (wrong_mode, {("mode", "column_values_to_be_in_set")}, "train/0"),
    (cut, {(None, "table_row_count_to_be_between")}, None),
]


def test_good_data_meets_its_own_suite(spec, parts, write, suite):
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    assert outcome.failed == []
    assert outcome.result["success"] is True
    assert outcome.result["suite"] == "pets"
    assert outcome.result["rows"] == {"train": 36, "test": 12}
    assert [check["name"] for check in outcome.checks] == [one["type"] for one in suite["expectations"]]
    rows = [check["expected"].get("rows") for check in outcome.checks if "row_count" in check["name"]]
    assert rows == ["part == train", "part == test"]


@pytest.mark.parametrize(("damage", "expected", "example"), DAMAGES, ids=[case[0].__name__ for case in DAMAGES])
def test_each_damage_is_found_by_its_own_expectation(spec, parts, write, suite, damage, expected, example):
    damage(parts)
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    assert found(outcome) == expected
    assert outcome.result["success"] is False
    for check in outcome.refusals:
        shown = [row["id"] for row in check["examples"]]
        assert (example in shown) if example else shown == []
        assert all(set(row) == {"id", "part", "label", "value"} for row in check["examples"])


def test_all_damages_are_found_in_one_pass(spec, parts, write, suite):
    parts["train"][1]["image"] = None
    parts["test"][2]["label"] = None
    parts["train"][3]["label"] = MARKUP
    parts["train"][4]["image"] = b"broken"
    parts["train"][6] = dict(parts["train"][9])
    parts["train"][7]["image"] = encode(np.random.default_rng(1).integers(0, 256, (5, 9, 3)))
    contradiction(parts)
    empty_class(parts)
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    assert found(outcome) == {
        *(finding for damage, findings, _ in DAMAGES if damage is not cut for finding in findings),
        ("height", "column_values_to_be_between"),
    }
    label = next(check for check in outcome.refusals if check["column"] == "label" and check["unexpected"] == 1)
    assert label["examples"] == [{"id": "test/2", "part": "test", "label": None, "value": None}]
    missing = next(check for check in outcome.refusals if check["column"] == "stratum")
    assert missing["observed"] == {"missing": ["test/owl"]}
    # Plain JSON without NaN, and the same again.
    again = run_suite(suite, read_metadata(spec, write(parts)))
    assert json.dumps(outcome.result, allow_nan=False) == json.dumps(again.result, allow_nan=False)
    assert outcome.docs == again.docs


def test_unlabelled_training_records_are_counted_by_a_warning(spec, parts, write, suite):
    for row in parts["train"][::3]:
        row["label"] = None if row is parts["train"][0] else ""
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    (check,) = [check for check in outcome.failed if check["name"] == "expect_column_values_to_not_be_null"]
    assert (check["column"], check["severity"], check["unexpected"]) == ("label", "warning", 12)
    assert [check["column"] for check in outcome.refusals] == ["stratum"]  # all of them were cats
    for row in parts["train"][:6]:
        row["label"] = "cat"
    assert run_suite(suite, read_metadata(spec, write(parts))).refusals == []


def test_a_file_of_unlabelled_records_is_checked_too(spec, parts, write, suite):
    spec = spec.model_copy(update={"unlabelled": "more.parquet"})
    generator = np.random.default_rng(1)
    parts["more"] = [{"image": encode(generator.integers(0, 256, (6, 8))), "label": None} for _ in range(5)]
    good = run_suite(suite, read_metadata(spec, write(parts)))
    assert good.failed == []
    assert good.result["rows"] == {"train": 36, "test": 12, "unlabelled": 5}
    parts["more"][0]["image"] = b"broken"
    parts["more"][1] = dict(parts["train"][0])  # may be trained on, as that one is
    parts["more"][2] = dict(parts["test"][0])
    bad = run_suite(suite, read_metadata(spec, write(parts)))
    shown = {check["column"]: [row["id"] for row in check["examples"]] for check in bad.refusals}
    assert shown == {"decodes": ["unlabelled/0"], "in_other_part": ["test/0", "unlabelled/2"]}


def test_no_more_than_five_examples_and_all_counted(spec, parts, write, suite):
    for row in parts["train"]:
        row["image"] = b"broken"
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    check = next(check for check in outcome.refusals if check["column"] == "decodes")
    assert check["unexpected"] == 36
    assert [row["id"] for row in check["examples"]] == [f"train/{row}" for row in range(5)]


@pytest.mark.parametrize("rows", ["none", "no image decodes"])
def test_data_without_anything_to_measure_fails_and_does_not_raise(spec, parts, write, suite, rows):
    for part in parts.values():
        if rows == "none":
            part.clear()
        for row in part:
            row["image"] = b"broken"
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    assert outcome.result["success"] is False
    json.dumps(outcome.result, allow_nan=False)


def test_a_warning_is_recorded_and_does_not_refuse(spec, parts, write, suite):
    for row in parts["train"] + parts["test"]:
        row["image"] = encode(255 - decode(row["image"]) // 4)
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    assert {check["column"] for check in outcome.failed} == {"mean", "std"}
    assert outcome.refusals == []
    assert outcome.result["success"] is True


def test_what_was_observed_is_the_extent_of_the_column(spec, parts, write, suite):
    table = read_metadata(spec, write(parts))
    outcome = run_suite(suite, table)
    observed = {(check["column"], check["name"]): check["observed"] for check in outcome.checks}
    assert observed["std", "expect_column_values_to_be_between"] == {
        "min": table["std"].min(),
        "max": table["std"].max(),
    }
    assert observed["mean", "expect_column_mean_to_be_between"] == pytest.approx(table["mean"].mean())
    assert observed["mode", "expect_column_values_to_be_in_set"] == {"values": ["L"]}


def test_an_expectation_on_an_unknown_column_has_failed(spec, parts, write, suite):
    suite["expectations"][-1]["kwargs"]["column"] = "colour"
    outcome = run_suite(suite, read_metadata(spec, write(parts)))
    assert [check["column"] for check in outcome.failed] == ["colour"]
    assert "colour" in outcome.failed[0]["observed"]["error"][0]
    assert "could not be checked" in outcome.docs


def test_the_same_expectation_twice_is_two_checks(spec, parts, write, suite):
    suite["expectations"] = [suite["expectations"][3]] * 2
    assert len(run_suite(suite, read_metadata(spec, write(parts))).checks) == 2


def expect(name, **kwargs):
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": "critical", "notes": "Because."}


ON_TEST = {"type": "comparison", "column": {"name": "part"}, "operator": "==", "parameter": "test"}
# Expectations that a person may add, what is to be counted, observed, and shown first as an example.
OTHERS = [
    (
        expect("column_distinct_values_to_equal_set", column="label", value_set=["cat", "dog", "hen"]),
        None,
        {"missing": ["hen"], "unexpected": ["owl"]},
        None,
    ),
    (
        expect("column_distinct_values_to_be_in_set", column="label", value_set=["cat", "dog"]),
        None,
        {"unexpected": ["owl"]},
        None,
    ),
    (
        expect("compound_columns_to_be_unique", column_list=["part", "label"]),
        48,
        None,
        {"id": "train/0", "part": "train", "label": "cat", "value": {"part": "train", "label": "cat"}},
    ),
    (
        expect("column_values_to_be_in_set", column="label", value_set=["cat"], row_condition=ON_TEST),
        8,
        {"values": ["cat", "dog", "owl"]},
        {"id": "test/1", "part": "test", "label": "dog", "value": "dog"},
    ),
    (expect("table_row_count_to_equal", value=1), None, 48, None),
    (
        expect(
            "column_kl_divergence_to_be_less_than",
            column="label",
            threshold=0.01,
            partition_object={"values": ["cat", "dog", "owl"], "weights": [0.8, 0.1, 0.1]},
        ),
        None,
        pytest.approx(sum(math.log(1 / 3 / weight) / 3 for weight in (0.8, 0.1, 0.1))),
        None,
    ),
]


@pytest.mark.parametrize(
    ("expectation", "unexpected", "observed", "example"), OTHERS, ids=[case[0]["type"] for case in OTHERS]
)
def test_expectations_of_other_kinds_are_told_as_plainly(
    spec, parts, write, expectation, unexpected, observed, example, caplog
):
    outcome = run_suite({"name": "other", "expectations": [expectation]}, read_metadata(spec, write(parts)))
    check = outcome.refusals[0]
    assert check["unexpected"] == unexpected
    assert check["observed"] == observed
    assert (check["examples"][0] if example else check["examples"]) == (example or [])
    assert "<script" not in outcome.docs
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "expect_nothing", "kwargs": {}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"colum": "label", "value_set": []}},
        {"kwargs": {}},
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 1}, "severity": "fatal"},
    ],
)
def test_a_suite_that_is_none_is_refused(spec, parts, write, suite, wrong):
    suite["expectations"].append(wrong)
    with pytest.raises(UsageError, match=r"expectation 20 of the suite 'pets' can't be read \(.+\): mend"):
        run_suite(suite, read_metadata(spec, write(parts)))


class Links(HTMLParser):
    """Every attribute by which a page can load or lead somewhere, and every tag."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.targets, self.ids = set(), set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "action", "data", "poster"}:
                self.targets.add(value)
            if name == "id":
                self.ids.append(value)


def test_the_page_loads_nothing_runs_nothing_and_leads_nowhere_else(spec, parts, write, suite, caplog):
    unknown_label(parts)
    parts["train"][1]["image"] = None
    page = run_suite(suite, read_metadata(spec, write(parts))).docs
    links = Links(page)
    assert "script" not in links.tags
    assert "img" not in links.tags
    assert all(target == "data:," or target.removeprefix("#") in links.ids for target in links.targets)
    assert not re.search(r"https?:|url\(|@import|\bon\w+=", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_page_shows_each_reason_beside_its_expectation(spec, parts, write, suite):
    unknown_label(parts)
    page = run_suite(suite, read_metadata(spec, write(parts))).docs
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    start = text.index("values must belong to this set: cat dog owl")
    reason = text.index("A label outside the data set&#x27;s classes")
    between = text[start:reason]
    assert "1 train/0" in between
    assert between.endswith("critical ")
    assert "values must" not in between.removeprefix("values must")
    for expectation in suite["expectations"]:
        assert expectation["notes"].replace("'", "&#x27;") in page
