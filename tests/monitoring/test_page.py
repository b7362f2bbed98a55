"""The monitoring page: what stands on it, the same bytes for the same result, and that the loop keeps it."""

import re
from html import unescape
from pathlib import Path

import pytest
from monitoring_page import NASTY, result

from lightloop.monitoring.page import keep_page, write_page
from lightloop.project import Project


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("page"))
    write_page(project, result())
    return project


def text_of(page: Path) -> str:
    shown = re.sub(r"<(script|svg|style)\b.*?</\1>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", shown).split()))


def test_it_says_what_is_to_be_done_and_why_and_what_alarmed_when(written: Project):
    text = text_of(written.reports / "monitoring.html")
    assert (
        "Retrain The model is to be trained again. 5,002 predictions in the newest window, 800 with a label; " in text
    )
    assert "2 alarms among 4 looks" in text
    assert "Drift of features (obrat) in 2 of the last 3 windows: obrat moved" in text
    assert "Drift of features obrat 0.020 well 0.120 alarm 0.220 alarm" in text
    assert f"Drift of features {NASTY} 0.070 well 0.070 well 0.070 alarm" in text
    assert "Performance accuracy 0.900 well" not in text, "what never alarmed is not in the table of windows"


def test_objectives_with_budgets_and_burn_rates(written: Project):
    text = text_of(written.reports / "monitoring.html")
    assert "Availability 99.50 % promised over 28 days 99.71 % budget left 42 % of the budget left, of 120,000" in text
    assert "1 hour 20.1 alarm 13.4 3 days – 0.9" in text
    assert "98.40 % overspent -60 % of the budget left, of 119,000" in text
    assert "Quality 90.00 % promised over 28 days – nothing to count" in text


def test_columns_that_alarm_come_first_and_all_are_there(written: Project):
    page = (written.reports / "monitoring.html").read_text(encoding="utf-8")
    titles = [unescape(one) for one in re.findall(r'chart-title">([^<]+)<', page)]
    drawn = titles[titles.index(NASTY) if titles.index(NASTY) < titles.index("obrat") else titles.index("obrat") :]
    assert set(drawn[:2]) == {"obrat", NASTY}
    assert "3 other columns" in text_of(written.reports / "monitoring.html")
    assert "<b>town" not in page


def test_nothing_is_loaded_from_elsewhere_and_the_assets_are_there(written: Project):
    page = (written.reports / "monitoring.html").read_text(encoding="utf-8")
    addresses = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert [one for one in addresses if "://" in one] == []
    assert [one for one in addresses if one.startswith("assets/") and not (written.reports / one).is_file()] == []


def test_the_same_result_gives_the_same_bytes_also_after_the_loop_removed_the_report(written: Project):
    page = written.reports / "monitoring.html"
    before = page.read_bytes(), (written.reports / "monitoring.json").read_bytes()
    for file in (page, written.reports / "monitoring.json"):
        file.unlink()
    keep_page(written)
    assert (page.read_bytes(), (written.reports / "monitoring.json").read_bytes()) == before


def test_before_anything_was_looked_at_the_page_says_how(tmp_path: Path):
    keep_page(Project(tmp_path))
    assert "Nothing was looked at yet: lightloop monitor" in text_of(tmp_path / "reports" / "monitoring.html")
    (tmp_path / ".lightloop" / "monitoring").mkdir(parents=True)
    (tmp_path / ".lightloop" / "monitoring" / "last.json").write_text('{"model": ')
    (tmp_path / "reports" / "monitoring.html").unlink()
    keep_page(Project(tmp_path))
    assert "Nothing was looked at yet" in text_of(tmp_path / "reports" / "monitoring.html")


def test_one_window_where_all_is_well(tmp_path: Path):
    write_page(
        Project(tmp_path), result(windows=1, act="nothing").model_copy(update={"distributions": [], "objectives": []})
    )
    text = text_of(tmp_path / "reports" / "monitoring.html")
    assert "All well Nothing is to be done." in text
    assert "None has a target." in text
    assert "The newest window has no records of this release." in text
