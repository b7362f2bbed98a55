"""All that the doctor looks at in one go: outside of a project, in one that is damaged, and in lines and JSON."""

import json
from pathlib import Path

import pytest

from lightloop.doctor.doctor import examine
from lightloop.doctor.said import as_json, lines
from lightloop.project import Project


def test_outside_of_a_project_the_machine_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = examine()
    assert found[0].state == "broken"
    assert "is not inside a Lightloop project" in found[0].said
    assert {finding.area for finding in found} == {"project", "machine", "environment"}


@pytest.mark.parametrize(
    ("name", "text", "area"),
    [
        (".dvc/config", "{", "data"),
        (".dvc/config", "\0\udcff", "data"),
        ("dvc.yaml", "stages: [", "data"),
        ("dvc.lock", "{", "data"),
        ("configs/config.yaml", "defaults: {", "loop"),
        ("requirements.lock", "numpy==\n==3\n", "packages"),
        ("pyproject.toml", "[", "packages"),
    ],
)
@pytest.mark.slow
def test_whatever_is_damaged_the_doctor_says_something(
    well: Project, monkeypatch: pytest.MonkeyPatch, name: str, text: str, area: str
):
    monkeypatch.chdir(well.root)
    (well.root / name).write_bytes(text.encode(errors="surrogateescape"))
    found = examine()
    assert len(found) > 15
    assert area in {finding.area for finding in found if finding.state != "ok"}, lines(found)
    assert "Traceback" not in lines(found)


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(well: Project, monkeypatch: pytest.MonkeyPatch):
    (well.root / "pyproject.toml").write_text("[project\n")
    (well.root / ".dvc/config").write_text("")
    monkeypatch.chdir(well.root)
    found = examine()
    failed = [finding for finding in found if finding.name == "check"]
    assert [finding.area for finding in failed] == ["packages"]
    assert "could not be looked at" in failed[0].said
    assert {"git", "data", "tracking", "environment"} <= {finding.area for finding in found}
    # Lines and JSON say the same.
    content = json.loads(as_json(found))
    assert content["broken"] == sum(finding.state == "broken" for finding in found) >= 2
    assert len(content["findings"]) == len(found) == content["ok"] + content["look"] + content["broken"]
    text = lines(found)
    assert "          -> lightloop remote set storage" in text
    assert f"{content['broken']} broken" in text.splitlines()[-1]
    assert text.count("\nmachine\n") + text.startswith("machine\n") == 1
