"""The suite of texts: good data meets it, each kind of damage does not."""

import json

import pytest
from texts import make_rows, make_spec, write_rows

from lightloop.config.compose import compose_config
from lightloop.quality.check import run_suite
from lightloop.quality.suite import load_suite
from lightloop.quality.text.metadata import read_metadata
from lightloop.quality.text.suite import suite_for


@pytest.mark.slow
def test_the_committed_suite_is_what_the_committed_data_gives(repository):
    spec = compose_config(repository, ["experiment=spam"]).data
    made = suite_for(spec, read_metadata(spec, repository.root))
    assert made == load_suite(repository.expectations / "spam.json")


def test_a_suite_is_json_and_does_not_hang_on_the_order_of_records(tmp_path):
    table = read_metadata(make_spec(), write_rows(tmp_path, make_rows()))
    made = suite_for(make_spec(), table)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert suite_for(make_spec(), table.sample(frac=1, random_state=0)) == made
    for expectation in made["expectations"]:
        assert expectation["severity"] in {"critical", "warning"}
        assert expectation["notes"].endswith(".")


def test_without_groups_copies_are_refused(tmp_path):
    spec = make_spec(columns={"text": "feature", "label": "target"}, split={"test": 0.2})
    table = read_metadata(spec, write_rows(tmp_path, make_rows()))
    copies = [one for one in suite_for(spec, table)["expectations"] if one["kwargs"].get("column") == "copies"]
    assert [(one["severity"], one["kwargs"]["max_value"]) for one in copies] == [("critical", 1)]


def test_good_texts_pass_and_each_damage_is_found(tmp_path):
    """One run of the suite a set of damages, since Great Expectations takes a second."""
    good = make_rows()
    good[3] = dict(good[1])
    spec = make_spec()
    suite = suite_for(spec, read_metadata(spec, write_rows(tmp_path, good)))
    assert run_suite(suite, read_metadata(spec, tmp_path)).failed == []

    bad = [dict(row) for row in good]
    bad[5]["text"] = None
    bad[6]["text"] = "  "
    bad[7]["label"] = "sham"
    bad[9]["label"] = None
    bad[3]["group"] = "elsewhere"
    bad[13] = dict(bad[12], label="spam")
    bad[20]["text"] = "x" * 100_000
    for row in bad[30:40]:
        row["text"] += "\ufffd\x00"
    found = run_suite(suite, read_metadata(spec, write_rows(tmp_path, bad)))
    assert {(check["column"], check["severity"]) for check in found.failed} == {
        ("characters", "critical"),
        ("characters", "warning"),
        ("empty", "critical"),
        ("label", "critical"),
        ("label", "warning"),
        ("class_share", "warning"),
        ("copies", "warning"),
        ("copy_groups", "critical"),
        ("copy_labels", "critical"),
        ("replaced", "warning"),
        ("controls", "warning"),
    }
    refused = {check["column"]: [row["id"] for row in check["examples"]] for check in found.refusals}
    assert refused["empty"] == ["train/6"]
    assert refused["copy_groups"] == ["train/1", "train/3"]
    assert not found.result["success"]
