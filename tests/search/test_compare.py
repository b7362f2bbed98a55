"""Comparing settings: on the same folds or not at all, and in words that say no more than the figures."""

from pathlib import Path

import numpy as np
import pytest

from lightloop.errors import UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.search.compare import compare, differences
from lightloop.training import member as member_module
from lightloop.training.comparison import corrected_t_test

TINY = "network=mlp explain=gradients trainer.max_epochs=2 trainer.batch_size=50"


def result(scores: np.ndarray, held_out: str = "same") -> dict:
    members = [
        {"fold": number, "seed": 0, "held_out": f"{held_out} {number}", "metrics": {"accuracy": float(score)}}
        for number, score in enumerate(scores)
    ]
    return {"folds": 5, "seeds": 1, "ratio": 0.25, "drawn": True, "metrics": {"accuracy": {}}, "members": members}


@pytest.mark.slow
def test_two_real_settings_on_the_same_folds(project: Project, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(project.root)
    weak, strong = f"{TINY} optimizer.lr=1e-6", f"{TINY} optimizer.lr=0.01"
    found = compare([weak, strong], folds=3, out=project.root / "found.json")
    assert read_json(project.root / "found.json") == found
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"]) == (weak, strong)
    assert pair["value"] > 0, "a rate of a millionth learns nothing in two epochs"
    assert found["anova"] is None
    output = capsys.readouterr().out
    assert "corrected resampled t-test over 3 folds x 1 seeds" in output

    def trained_again(*arguments: object, **options: object) -> None:
        raise AssertionError("members are kept, not trained again")

    monkeypatch.setattr(member_module, "fit", trained_again)
    again = compare([strong, weak], folds=3, metric_name="log_loss")
    assert again["pairs"][0]["value"] > 0, "log loss keeps its own sign"


def test_what_is_sure_is_said_and_what_is_not_is_not(capsys: pytest.CaptureFixture):
    from lightloop.search.compare import print_comparison

    base = np.array([0.80, 0.81, 0.79, 0.80, 0.82])
    jitter = np.array([0.001, -0.001, 0.0, 0.001, -0.001])
    found = differences({"a": result(base), "b": result(base + 0.1 + jitter), "c": result(base[::-1])}, "accuracy")
    t, p = corrected_t_test(base, base + 0.1 + jitter, 0.25)
    assert (found["pairs"][0]["t"], found["pairs"][0]["p"]) == (pytest.approx(t), pytest.approx(p))
    assert found["pairs"][0]["holm"] == pytest.approx(3 * p)
    assert found["anova"]["p"] < 0.001
    print_comparison(found)
    output = capsys.readouterr().out
    assert "b is better than a" in output
    assert "c is not told apart from a" in output
    assert "c is worse than b" in output


def test_other_records_can_not_be_compared(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root)
    scores = np.array([0.1, 0.2, 0.3])
    for name, held_out in (("a", "same"), ("b", "other")):
        write_json(tmp_path / f"{name}.json", result(scores, held_out))
    with pytest.raises(UsageError, match="do not hold out the same records: compare settings of the same data"):
        compare([str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    with pytest.raises(UsageError, match="has no auroc: its metrics are accuracy"):
        differences({"a": result(scores), "b": result(scores)}, "auroc")


def test_misuse_is_one_sentence(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root)
    with pytest.raises(UsageError, match="two or more settings are compared"):
        compare(["fashion"])
    with pytest.raises(UsageError, match="stands there twice"):
        compare(["fashion", "fashion"])
    with pytest.raises(UsageError, match="one training says nothing about chance"):
        compare(["fashion", "network=mlp"], folds=1)
    write_json(tmp_path / "empty.json", {"members": []})
    with pytest.raises(UsageError, match=r"empty\.json holds no members"):
        compare([str(tmp_path / "empty.json"), "fashion"])
