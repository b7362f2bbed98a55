import json

import pytest

from lightloop.config.compose import compose_config
from lightloop.errors import UsageError
from lightloop.quality.image.metadata import read_metadata
from lightloop.quality.image.suite import suite_for
from lightloop.quality.suite import load_suite


def test_the_committed_suite_is_what_the_committed_data_gives(repository):
    spec = compose_config(repository).data
    made = suite_for(spec, read_metadata(spec, repository.root))
    assert made == load_suite(repository.expectations / "fashion.json")


def test_a_suite_is_json_and_does_not_hang_on_the_order_of_records(spec, parts, write):
    table = read_metadata(spec, write(parts))
    made = suite_for(spec, table)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert suite_for(spec, table.sample(frac=1, random_state=0)) == made


def test_each_expectation_says_how_severe_it_is_and_why(spec, parts, write):
    for expectation in suite_for(spec, read_metadata(spec, write(parts)))["expectations"]:
        assert expectation["severity"] in {"critical", "warning"}
        assert expectation["notes"].endswith(".")


def test_classes_and_parts_are_those_of_the_spec_not_of_the_records(spec, parts, write):
    parts["test"] = [row for row in parts["test"] if row["label"] != "owl"]
    made = suite_for(spec, read_metadata(spec, write(parts)))
    sets = {
        one["kwargs"]["column"]: one["kwargs"]["value_set"]
        for one in made["expectations"]
        if "value_set" in one["kwargs"]
    }
    assert sets["label"] == ["cat", "dog", "owl"]
    assert "test/owl" in sets["stratum"]
    assert len(sets["stratum"]) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"configs/expectations/pets.json is missing: data.expectations must name a file"),
        ("{", r"configs/expectations/pets.json is not valid JSON \(.*\): restore it from git"),
        ("[]", r"configs/expectations/pets.json holds no suite"),
        ('{"name": "pets", "expectations": []}', r"configs/expectations/pets.json holds no suite"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path, text, message):
    path = tmp_path / "pets.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        load_suite(path)
