"""What changed of the data is shown before it is committed; what is wrong with them is said."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from adoption_world import changed, customers, empty_project, newcomers, with_customers
from registry_world import dvc, git
from rich.console import Console

from lightloop.errors import RefusedError, UsageError
from lightloop.project import Project
from lightloop.versions.check import check_data
from lightloop.versions.diff import Difference, diff_data
from lightloop.versions.said import print_difference

pytestmark = pytest.mark.slow  # Great Expectations, DVC


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return with_customers(empty_project(tmp_path / "project"))


def rewrite(project: Project, frame: pd.DataFrame) -> None:
    frame.to_parquet(project.root / "data/customers/train.parquet", index=False)


def printed(found: Difference) -> str:
    out = io.StringIO()
    print_difference(found, Console(file=out, width=140))
    return out.getvalue()


def test_nothing_changed(project: Project):
    found = diff_data(project)
    assert (found.added, found.changed, found.removed, found.sets) == ((), (), (), ())
    assert printed(found).startswith("the data are those of HEAD")


def test_records_labels_and_distributions(project: Project):
    more = newcomers(60)
    more["Einkommen netto"] += 2000
    more.loc[:9, "Ort"] = "Graz"
    rewrite(project, pd.concat([customers().iloc[20:], more]))
    (project.root / "data/other/new.txt").write_text("x")
    found = diff_data(project)
    assert found.added == ("data/other/new.txt",)
    assert found.changed == ("data/customers/train.parquet",)
    (one,) = found.sets
    assert one.records == {"train": (240, 280)}
    assert (one.added, one.removed) == (60, 20)
    assert {name: then for name, (then, _) in one.labels.items()} == customers()["bleibt"].value_counts().to_dict()
    by_name = {moved.name: moved for moved in one.moved}
    income, town = by_name["Einkommen netto"], by_name["Ort"]
    assert income.moved > 0.15
    assert income.p < 0.01
    assert income.mean is not None
    assert income.mean[1] - income.mean[0] == pytest.approx(430, abs=150)
    assert town.new_values == ("Graz",)
    assert not by_name["Größe (Monate)"].clear
    text = printed(found)
    assert "records: train 240 -> 280; 60 with new content, 20 gone" in text
    assert "Graz" in text
    assert changed(project) == []


def test_columns_and_types(project: Project):
    frame = customers()
    rewrite(
        project, frame.assign(neu=1, **{"Größe (Monate)": frame["Größe (Monate)"].astype(float)}).drop(columns="Ort")
    )
    (one,) = diff_data(project).sets
    assert set(one.columns) == {
        "train.parquet: the column 'neu' is new (int64)",
        "train.parquet: the column 'Ort' is gone",
        "train.parquet: the column 'Größe (Monate)' holds double, and held int64",
    }
    assert "has no column 'Ort'" in one.note


def test_other_revisions(project: Project):
    rewrite(project, customers(300))
    dvc(project.root, "add", "--quiet", "data")
    git(project.root, "commit", "--quiet", "--all", "--message", "more")
    assert diff_data(project).sets == ()
    (one,) = diff_data(project, "HEAD~1").sets
    assert one.records == {"train": (240, 300)}
    (new,) = diff_data(project, "HEAD~2").sets
    assert new.note == "new: HEAD~2 does not have it"
    with pytest.raises(UsageError, match="git knows no revision 'nope'"):
        diff_data(project, "nope")
    (asked,) = diff_data(project, dataset="customers").sets
    assert all(moved.moved == 0 for moved in asked.moved)
    assert json.loads(asked.model_dump_json())["name"] == "customers"


def check(project: Project, capsys: pytest.CaptureFixture[str]) -> str:
    """By the config, since nothing ran: the experiment names the data set."""
    (project.configs / "experiment/customers.yaml").write_text(
        "# @package _global_\ndefaults:\n  - loans\n  - override /data: customers\n  - override /card: empty\n"
        "name: customers\n"
    )
    check_data(project, ["experiment=customers"])
    return capsys.readouterr().out


def test_sound_data_are_said_to_be(project: Project, capsys: pytest.CaptureFixture[str]):
    said = check(project, capsys)
    assert "customers: 240 records meet" in said
    assert not project.validation.exists()


def test_what_is_wrong_is_shown_and_refused(project: Project, capsys: pytest.CaptureFixture[str]):
    rewrite(project, customers().assign(**{"Größe (Monate)": customers()["bleibt"].map({"ja": 1, "nein": 0})}))
    with pytest.raises(RefusedError, match=r"can be told from each of Größe \(Monate\) alone"):
        check(project, capsys)
    assert "reveal the target" in capsys.readouterr().out
    assert not project.scratch.joinpath("validation").exists()
