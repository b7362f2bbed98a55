import io

from rich.console import Console

from lightloop.quality.table import failures_table


def shown(checks, width=160):
    page = io.StringIO()
    Console(width=width, file=page).print(failures_table(checks))
    return page.getvalue()


def check(**changes):
    return {
        "name": "expect_column_values_to_be_in_set",
        "column": "label",
        "severity": "critical",
        "success": False,
        "expected": {},
        "observed": None,
        "unexpected": 1,
        "examples": [{"id": "train/7", "part": "train", "label": "[red]cat[/red]", "value": None}],
        "why": "A new class.",
    } | changes


def test_an_example_is_shown_as_it_is_even_when_it_looks_like_markup():
    text = shown([check()])
    for words in ("✗", "label: values to be in set", "1 record", "train/7 ([red]cat[/red]): null", "A new class."):
        assert words in text


def test_more_records_than_examples_are_told():
    text = shown([check(severity="warning", unexpected=1200)])
    assert "1,200 records" in text
    assert "..." in text
    assert "!" in text


def test_where_records_are_not_counted_the_observed_value_stands():
    text = shown([check(column=None, unexpected=None, examples=[], observed={"missing": ["test/owl", "test/cat"]})])
    assert "missing: test/owl, test/cat" in text
    assert "table:" in text


def test_nothing_is_cut_off_on_a_narrow_terminal():
    text = shown(
        [check(examples=[{"id": "train/123456789", "part": "train", "label": "x" * 30, "value": 0.123456}])], 60
    )
    assert "…" not in text
    assert "0.1235" in text
