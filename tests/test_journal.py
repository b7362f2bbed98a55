"""What a run learns of its stages."""

import pytest

from lightloop.errors import LightloopError, RefusedError
from lightloop.journal import JOURNAL, Journal, recorded
from lightloop.project import Project


@pytest.fixture
def journal(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    started = Journal.start(Project(tmp_path))
    monkeypatch.setenv(JOURNAL, str(started.path))
    return started


def fail(stage: str, error: BaseException) -> None:
    with recorded(stage):
        raise error


def test_stages_that_are_done_are_listed_with_their_seconds(journal: Journal, capsys):
    for stage in ("validate", "train"):
        with recorded(stage):
            pass
    assert list(journal.seconds()) == ["validate", "train"]
    assert journal.failure() is None
    assert "train done in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"), [(RefusedError("no"), 3), (LightloopError("failed"), 1), (ZeroDivisionError("fault"), 1)]
)
def test_a_stage_that_fails_leaves_its_exit_code(journal: Journal, error: BaseException, code: int):
    with recorded("validate"):
        pass
    with pytest.raises(type(error), match=str(error)):
        fail("train", error)
    assert journal.failure() == ("train", code)


def test_a_stage_that_was_killed_left_only_its_start(journal: Journal):
    journal.write("start", "train")
    assert journal.failure() == ("train", None)


def test_without_a_run_nothing_is_written(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.delenv(JOURNAL, raising=False)
    with recorded("train"):
        pass
    assert list(tmp_path.iterdir()) == []
    assert "train ..." in capsys.readouterr().out
