import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from lightloop.config.compose import validate_config
from lightloop.config.schema import Config
from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import write_json
from lightloop.project import Project
from lightloop.quality.image.metadata import read_metadata
from lightloop.quality.image.suite import suite_for
from lightloop.stages.validate import validate


@pytest.fixture
def checked(project: Project, config: Config) -> Project:
    """A small project whose suite was made from its own data."""
    made = suite_for(config.data, read_metadata(config.data, project.root))
    write_json(project.expectations / f"{config.data.expectations}.json", made)
    return project


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(project: Project, config: Config, row: int, **values: object) -> None:
    path = project.root / config.data.path / "train.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[row] |= values
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_good_data_gives_result_profile_and_docs_the_same_each_time(checked, config, capsys):
    validate(config, checked)
    first = files_below(checked.root / "artifacts")
    assert set(first) == {
        f"validation/{name}" for name in ("result.json", "profile.json", "data.json", "docs/index.html")
    }
    assert json.loads(first["validation/result.json"])["rows"] == {"train": 300, "test": 100}
    assert json.loads(first["validation/profile.json"])["records"] == {"train": 300, "test": 100}
    assert not any(str(checked.root).encode() in content for content in first.values())
    validate(config, checked)
    assert files_below(checked.root / "artifacts") == first
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_what_is_said_about_the_data_reaches_every_later_stage_through_one_file(checked, config, repository: Project):
    validate(config, checked)
    assert (
        validate_config({**config.model_dump(mode="json"), "data": json.loads(checked.checked_data.read_text())})
        == config
    )
    stages = yaml.safe_load((repository.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    first = stages.pop("validate")
    name = checked.relative(checked.checked_data)
    assert first["params"] == ["data"]
    assert any(name in output for output in first["metrics"])
    assert [stage for stage, said in stages.items() if name not in said["deps"]] == []
    assert [stage for stage, said in stages.items() if "data" in said["params"]] == []


def test_bad_data_is_refused_with_examples_and_leaves_earlier_results(checked, config, capsys):
    validate(config, checked)
    earlier = files_below(checked.root / "artifacts")
    change(checked, config, 3, label="hat")
    change(checked, config, 4, image={"bytes": b"broken", "path": "x.png"})
    with pytest.raises(RefusedError, match=r"the data check failed: 2 of 20 expectations were not met; see \S+ "):
        validate(config, checked)
    assert files_below(checked.root / "artifacts") == earlier
    refused = files_below(checked.scratch / "validation")
    assert set(refused) == {"result.json", "profile.json", "data.json", "docs/index.html"}
    assert json.loads(refused["result.json"])["success"] is False
    shown = capsys.readouterr().out
    assert "train/3 (hat)" in shown
    assert "train/4" in shown


def test_the_refused_result_goes_when_the_data_is_good_again(checked, config):
    path = checked.root / config.data.path / "train.parquet"
    good = path.read_bytes()
    change(checked, config, 0, label="hat")
    with pytest.raises(RefusedError, match=r"see \.lightloop/validation/docs/index\.html"):
        validate(config, checked)
    assert (checked.scratch / "validation/docs/index.html").exists()
    path.write_bytes(good)
    validate(config, checked)
    assert not (checked.scratch / "validation").exists()


def test_a_warning_is_shown_and_the_loop_goes_on(checked, config, capsys):
    path = checked.expectations / f"{config.data.expectations}.json"
    suite = json.loads(path.read_text())
    suite["expectations"][-1]["kwargs"] |= {"min_value": 200}
    path.write_text(json.dumps(suite))
    validate(config, checked)
    result = json.loads(checked.validation_result.read_text())
    assert result["success"] is True
    assert [check["severity"] for check in result["checks"] if not check["success"]] == ["warning"]
    assert "mean: mean to be between" in capsys.readouterr().out


def test_a_renamed_column_is_refused(checked, config):
    path = checked.root / config.data.path / "test.parquet"
    pq.write_table(pq.read_table(path).rename_columns(["image", "target"]), path)
    with pytest.raises(RefusedError, match=r"test\.parquet has no column 'label'"):
        validate(config, checked)
    assert not checked.validation.exists()


def test_a_truncated_file_is_an_error(checked, config):
    path = checked.root / config.data.path / "train.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LightloopError, match=r"train\.parquet is not a whole Parquet file"):
        validate(config, checked)


def test_a_missing_suite_is_an_error(checked, config):
    (checked.expectations / f"{config.data.expectations}.json").unlink()
    with pytest.raises(UsageError, match=r"configs/expectations/fashion\.json is missing"):
        validate(config, checked)
