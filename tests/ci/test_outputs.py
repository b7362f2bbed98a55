"""What a step says to GitHub, and that it says nothing there on a laptop."""

from pathlib import Path
from typing import Any

import pytest

from lightloop.ci.outputs import SUMMARY, put, summarise, warn
from lightloop.errors import LightloopError


def test_outputs_reach_later_steps(step: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(changed=True, give_back=None, number=3)
    assert step.outputs == {"changed": "true", "give-back": "", "number": "3"}
    assert "changed=true" in capsys.readouterr().out


def test_an_output_can_not_name_further_ones(step: Any) -> None:
    with pytest.raises(LightloopError, match="the output reason has more than one line: 'drift'"):
        put(reason="drift\nact=rollback")
    assert step.outputs == {}


def test_a_summary_stays_below_what_github_drops(step: Any) -> None:
    summarise("first")
    summarise("a line that is repeated\n" * 100_000)
    assert step.summary.startswith("first\n\n")
    assert len(step.summary.encode()) <= SUMMARY + len("first\n\n")
    assert step.summary.endswith("(cut off: it was longer)\n")


def test_a_warning_stays_one_command(step: Any, capsys: pytest.CaptureFixture[str]) -> None:
    warn("100 % sure\n::error::no")
    assert capsys.readouterr().out == "::warning::100 %25 sure%0A::error::no\n"


def test_on_a_laptop_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    put(changed=False)
    summarise("text")
    warn("careful")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == "changed=false\nwarning: careful\n"
