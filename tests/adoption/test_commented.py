"""YAML that any reader reads as what was meant."""

import pytest
import yaml
from omegaconf import OmegaConf

from lightloop.adoption.commented import Said, inline, to_yaml
from lightloop.errors import UsageError

ODD = [
    "a b", "1e5", "007", "1_000", "no", "Yes", "null", "~", "", " x ", "a: b", "a #b", "{x}", "[x]", "'", '"', "\\",
    "é", "表", "line\nbreak", "tab\there", "-", "?", "@x", "`", "%", "2020-01-01", "12:30", ".5", "0x1F", "${other}",
    "a${b}c", "*", "&a", "!x", "|", ">", "=", "<<", "nan", ".inf", "true",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_every_text_is_read_back_as_a_name_and_as_a_value(text: str):
    written = to_yaml({"classes": [text, "cat"], "columns": {f"{text}.": Said("feature", "why\nnot # so")}})
    read = OmegaConf.to_container(OmegaConf.create(written), resolve=True)
    assert read["classes"] == [text, "cat"]
    # Names are no values: nothing is looked up in them.
    assert list(read["columns"].values()) == ["feature"]


@pytest.mark.parametrize("text", ODD)
def test_names_of_columns_are_read_back(text: str):
    written = to_yaml({"columns": {text: "feature"}})
    assert list(OmegaConf.to_container(OmegaConf.create(written))["columns"]) == [text]
    assert list(yaml.safe_load(written)["columns"]) == [text]


def test_comments_stand_behind_or_above_and_never_end_a_line():
    written = to_yaml({"a": Said(1, "short"), "b": {"c": Said(2, "long " * 30)}, "d": Said(3, "x\ny")})
    assert written.startswith("a: 1 # short\nb:\n  # long ")
    assert written.endswith("\n  c: 2\nd: 3 # x y\n")
    assert yaml.safe_load(written) == {"a": 1, "b": {"c": 2}, "d": 3}


def test_values():
    assert inline({"role": "ignored", "why": "it's late"}) == '{role: ignored, why: "it\'s late"}'
    assert inline((0.5, 1, None, False)) == "[0.5, 1, null, false]"


def test_what_means_missing_is_refused():
    with pytest.raises(UsageError, match="means `missing` in a config"):
        inline("???")
