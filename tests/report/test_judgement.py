import pytest

from lightloop.report.judgement import judge_gain


def gain(value: float | None, error: float | None) -> dict[str, object]:
    return {"better_than_baseline": {"metric": "auroc", "value": value, "low": 0, "high": 0, "standard_error": error}}


@pytest.mark.parametrize(
    ("value", "error", "better", "said"),
    [
        (0.04, 0.01, True, "The network is better than trees: AUROC by 0.040 (standard error 0.010)"),
        (0.01, 0.01, False, "not better than trees by more than one standard error: AUROC is better by 0.010"),
        (0.0, 0.01, False, "is no better than trees"),
        (-0.04, 0.01, False, "is worse than trees: AUROC differs by 0.040"),
        (None, None, False, "AUROC of network or trees is not defined"),
        (0.04, None, True, "AUROC by 0.040 on"),
    ],
)
def test_what_is_said_follows_from_gain_and_standard_error(
    value: float | None, error: float | None, better: bool, said: str
) -> None:
    judgement = judge_gain(gain(value, error), "AUROC", "trees")
    assert judgement is not None
    assert judgement.better is better
    assert said in judgement.sentence


def test_without_a_comparison_nothing_is_said() -> None:
    assert judge_gain({}, "AUROC", "trees") is None
