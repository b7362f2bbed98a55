import math

import pytest

from lightloop.report.figures import MISSING, count, estimate, figure, interval, percent, plain, plural, settings, size


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, MISSING),
        (0.0, "0.000"),
        (1.0, "1.000"),
        (0.91249, "0.912"),
        (-0.0131, "−0.013"),
        (1234.5678, "1,234.568"),
        (0.0004, "4.0 × 10⁻⁴"),
        (-2.4e-7, "−2.4 × 10⁻⁷"),
    ],
)
def test_a_figure_is_rounded_but_never_to_nothing(value: float | None, shown: str) -> None:
    assert figure(value) == shown


@pytest.mark.parametrize("exponent", range(-12, 4))
def test_a_figure_that_is_not_zero_is_never_shown_as_zero(exponent: int) -> None:
    shown = figure(3.7 * 10.0**exponent)

    assert any(digit in shown for digit in "123456789")


def test_what_is_undefined_is_shown_as_missing_and_never_as_zero() -> None:
    undefined = {"value": None, "low": None, "high": None}

    assert estimate(undefined) == estimate(None) == plain(None) == count(None) == percent(None) == size(None) == MISSING
    assert interval(undefined) == ""
    assert plain({"a": None}) == f"a {MISSING}"


def test_an_estimate_without_interval_is_its_value() -> None:
    assert estimate({"value": 0.5, "low": None, "high": None}) == "0.500"


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.9999, ">99 %"),
        (0.0001, "<1 %"),
        (0.5, "50 %"),
        (0.004, "<1 %"),
        (0.996, ">99 %"),
    ],
)
def test_a_share_is_not_rounded_to_certainty(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (-3, "−3"),
        (14000, "14,000"),
        (0.0, "0"),
        (0.8600000001, "0.86"),
        (1e-4, "1.0 × 10⁻⁴"),
        ([], MISSING),
        ({}, MISSING),
        ({"value": 0.5, "low": 0.4, "high": 0.6}, "0.500 [0.400, 0.600]"),
        ({"min_value": 1, "max_value": [2, 3]}, "min value 1, max value 2, 3"),
        ("as it is", "as it is"),
    ],
)
def test_any_value_of_evidence_has_a_short_form(value: object, shown: str) -> None:
    assert plain(value) == shown


def test_powers_of_ten_keep_two_digits_of_the_number() -> None:
    shown = figure(6.557e-07)
    mantissa, exponent = shown.split(" × 10")

    exact = float(mantissa) * 10 ** int(exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    assert math.isclose(exact, 6.557e-07, rel_tol=0.05)


def test_words_around_numbers() -> None:
    assert plural(1, "check") == "1 check"
    assert plural(0, "check") == "0 checks"
    assert plural(2, "class", "classes") == "2 classes"
    assert settings({"name": "sgd", "nesterov": True}) == "sgd: nesterov yes"
