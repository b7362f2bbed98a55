"""New records of files: each once, on a side of the split for good, and none that the suite refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from adoption_world import (
    changed,
    customers,
    empty_project,
    everything,
    newcomers,
    picture_folder,
    sales,
    with_customers,
)
from registry_world import dvc, git

from lightloop.adoption.add import Addition, add_records
from lightloop.adoption.adopt import Wish, adopt
from lightloop.adoption.said import said_addition
from lightloop.adoption.shown import console
from lightloop.data.splits import read_splits
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for
from lightloop.versions import change
from lightloop.versions.specs import read_spec

pytestmark = pytest.mark.slow  # Great Expectations, DVC


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return with_customers(empty_project(tmp_path / "project"))


def written(frame: pd.DataFrame, path: Path) -> str:
    frame.to_csv(path, index=False)
    return str(path)


def add(project: Project, *files: str, **more) -> Addition:
    return add_records(project, files, dataset="customers", **more)


def ids_of(project: Project, name: str = "customers") -> dict[str, set[str]]:
    spec = read_spec(project.configs, name)
    return {side: set(table.column("id").to_pylist()) for side, table in read_splits(spec, project.root, 42).items()}


def test_they_come_once_and_the_split_of_the_others_stays(project: Project, tmp_path: Path):
    before = ids_of(project)
    file = written(newcomers(), tmp_path / "more.csv")
    looked = add(project, file, dry_run=True)
    assert changed(project) == []
    assert "would add 40 records" in said_addition(looked)
    found = add(project, file)
    assert changed(project) == [" M data.dvc"]
    assert found.added == looked.added
    assert sum(found.added.values()) == sum(found.labels.values()) == 40
    assert found.data_version == project.data_version()
    after = ids_of(project)
    for side, ids in before.items():
        assert ids <= after[side]
        assert len(after[side]) - len(ids) == found.added[side]
    again = add(project, file)
    assert (again.known, again.added) == (40, {})
    assert said_addition(again).endswith("nothing new: the data are as they were")
    assert dvc(project.root, "status", "data.dvc").strip() == "Data and pipelines are up to date."
    more = add(project, written(newcomers(60, seed=8).assign(**{"Kunden-Nr": range(60)}), tmp_path / "x.csv"))
    assert sum(more.added.values()) == 60
    for side, ids in after.items():
        assert ids <= ids_of(project)[side]


def test_a_part_can_be_said(project: Project, tmp_path: Path):
    found = add(project, written(newcomers(), tmp_path / "more.csv"), part="test")
    assert found.added == {"test": 40}
    with pytest.raises(UsageError, match="no part 'tset'"):
        add(project, str(tmp_path / "more.csv"), part="tset")


def test_what_is_known_unlabelled_or_taken_is_counted(project: Project, tmp_path: Path):
    frame = pd.concat([newcomers(20), newcomers(20), customers().head(10)])
    frame.iloc[0, frame.columns.get_loc("bleibt")] = None
    taken = newcomers(3, seed=11).assign(**{"Kunden-Nr": "K00001"})
    found = add(project, written(pd.concat([frame, taken]), tmp_path / "more.csv"))
    assert (found.records, found.unlabelled) == (53, 1)
    assert sum(found.added.values()) == 20
    assert found.known == 29
    assert found.set_aside == {"Kunden-Nr: missing, or that of another record": 3}
    assert found.ignored == ()


def test_a_record_under_another_label_is_set_aside(project: Project, tmp_path: Path):
    wrong = customers().head(1).assign(**{"Kunden-Nr": "new"})
    wrong["bleibt"] = {"ja": "nein", "nein": "ja"}[wrong["bleibt"].iloc[0]]
    found = add(project, written(pd.concat([newcomers(10), wrong]), tmp_path / "more.csv"))
    assert sum(found.added.values()) == 10
    (reason,) = found.set_aside
    assert "under two labels" in reason


def test_types_are_those_of_the_data_set(project: Project, tmp_path: Path):
    frame = newcomers()
    with_euro = frame.assign(
        **{"Einkommen netto": frame["Einkommen netto"].map(lambda one: f"{one:.0f}".replace(".", ","))}
    )
    with_euro.to_csv(tmp_path / "more.csv", index=False, sep=";")
    assert sum(add(project, str(tmp_path / "more.csv"), dry_run=True).added.values()) == 40
    lacking = written(frame.drop(columns="Ort"), tmp_path / "lacking.csv")
    with pytest.raises(RefusedError, match=r"lacking\.csv has no column 'Ort'"):
        add(project, lacking)
    odd = written(frame.assign(**{"Größe (Monate)": "viele"}), tmp_path / "odd.csv")
    with pytest.raises(RefusedError, match=r"odd\.csv: the column 'Größe \(Monate\)' can't be read as int64"):
        add(project, odd)
    other = add(project, written(frame.assign(extra=1), tmp_path / "extra.csv"), dry_run=True)
    assert other.ignored == ("extra",)
    assert changed(project) == []


def test_what_stands_for_a_missing_value_is_missing(project: Project, tmp_path: Path):
    """As in the data set's own CSV files: no town of its own, and no id."""
    frame = newcomers(20)
    frame.loc[:1, "Ort"] = ["NA", ""]
    frame.loc[2:3, "Kunden-Nr"] = ["", "NA"]
    found = add(project, written(frame, tmp_path / "more.csv"))
    assert found.set_aside == {"Kunden-Nr: missing, or that of another record": 2}
    spec = read_spec(project.configs, "customers")
    kept = pq.read_table(project.root / spec.path / "collected-customers.parquet")
    assert kept.column("Ort").null_count == 2


def test_what_breaks_the_suite_alone_is_set_aside_and_together_refused(project: Project, tmp_path: Path):
    strange = newcomers(5).assign(bleibt="vielleicht")
    found = add(
        project, written(pd.concat([newcomers(10, 3).assign(**{"Kunden-Nr": range(10)}), strange]), tmp_path / "a.csv")
    )
    assert sum(found.added.values()) == 10
    assert sum(found.set_aside.values()) == 5


def test_where_dvc_fails_all_is_as_it_was(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = written(newcomers(), tmp_path / "more.csv")
    before = everything(project.root)
    real = change.dvc

    def fail(root: Path, *words: str) -> str:
        if words[0] == "add":
            raise LightloopError("`dvc add` failed: no room")
        return real(root, *words)

    monkeypatch.setattr(change, "dvc", fail)
    with pytest.raises(LightloopError, match="no room"):
        add(project, file)
    assert everything(project.root) == before


def test_groups_stay_together(tmp_path: Path):
    frame = customers()
    frame["Haushalt"] = [f"h{number // 4}" for number in range(len(frame))]
    project = with_customers(empty_project(tmp_path / "project"), frame)
    path = project.configs / "data/customers.yaml"
    text = path.read_text().replace("Haushalt: {role: feature, kind: category}", "Haushalt: group")
    path.write_text(text.replace("policy: stratified", "policy: group"))
    spec = read_spec(project.configs, "customers")
    write_json(project.expectations / "customers.json", suite_for(spec, read_metadata(spec, project.root)))
    more = newcomers(80)
    more["Haushalt"] = [f"h{number // 2}" for number in range(80)]
    found = add_records(project, [written(more, tmp_path / "more.csv")], dataset="customers")
    assert sum(found.added.values()) == 80
    sides: dict[str, set[str]] = {}
    for side, table in read_splits(spec, project.root, 42).items():
        for group in table.column("Haushalt").to_pylist():
            sides.setdefault(group, set()).add(side)
    assert all(len(one) == 1 for one in sides.values())


def taken(project: Project, path: Path) -> None:
    adopt(project, Wish([str(path)], yes=True, fit=False), console(), terminal=False)
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "adopted")


def test_pictures_of_class_folders(tmp_path: Path):
    project = empty_project(tmp_path / "project")
    taken(project, picture_folder(tmp_path / "bands"))
    more = picture_folder(tmp_path / "more", 12, seed=5)
    (more / "down/known.png").write_bytes((tmp_path / "bands/down/003.png").read_bytes())
    (more / "down/broken.png").write_bytes(b"no image")
    found = add_records(project, [str(more)], dataset="bands")
    assert (found.known, sum(found.added.values()), sum(found.set_aside.values())) == (1, 24, 1)
    assert changed(project) == [" M data.dvc"]
    assert sum(map(len, ids_of(project, "bands").values())) == 104


def test_steps_of_a_series(tmp_path: Path):
    project = empty_project(tmp_path / "project")
    whole = sales(192)
    whole.head(180).to_csv(tmp_path / "sales.csv", index=False)
    taken(project, tmp_path / "sales.csv")
    whole.tail(20).to_csv(tmp_path / "more.csv", index=False)
    found = add_records(project, [str(tmp_path / "more.csv")], dataset="sales")
    assert (found.known, found.added) == (8, {"time": 12})
    spec = read_spec(project.configs, "sales")
    assert pq.read_metadata(project.root / spec.path / "collected-sales.parquet").num_rows == 12
    last = read_splits(spec, project.root, 42)["test"]
    assert np.array(last["label"][-1].as_py())[-1] == pytest.approx(whole["sales"].iloc[-1])
    with pytest.raises(UsageError, match="divided by time"):
        add_records(project, [str(tmp_path / "more.csv")], dataset="sales", part="test")


def test_the_command_line(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    from lightloop.cli import application

    written(newcomers(), tmp_path / "more.csv")
    monkeypatch.chdir(project.root)
    words = ["lightloop", "data", "add", str(tmp_path / "more.csv"), "--data", "customers", "--json"]
    monkeypatch.setattr("sys.argv", words)
    application.main()
    assert sum(json.loads(capsys.readouterr().out)["added"].values()) == 40
    monkeypatch.setattr("sys.argv", [*words[:5], "nope"])
    with pytest.raises(SystemExit) as ended:
        application.main()
    assert ended.value.code == 2
    assert "there is no data set 'nope'" in capsys.readouterr().err
