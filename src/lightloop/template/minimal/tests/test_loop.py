"""The loop on a small made table: one record is worth approving the more, the more `size` it has and if `kind` is b."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from lightloop.errors import RefusedError, UsageError
from lightloop.files import read_json, write_json
from lightloop.template.minimal.loop.config import Config, read_config
from lightloop.template.minimal.loop.data import Preprocessor, read_table, split
from lightloop.template.minimal.loop.evaluate import evaluate
from lightloop.template.minimal.loop.explain import explain
from lightloop.template.minimal.loop.export import export
from lightloop.template.minimal.loop.gate import gate
from lightloop.template.minimal.loop.metrics import difference, draws, score
from lightloop.template.minimal.loop.paths import Project
from lightloop.template.minimal.loop.predictor import Predictor, predict
from lightloop.template.minimal.loop.report import report
from lightloop.template.minimal.loop.train import train
from lightloop.template.minimal.loop.validate import validate

ROOT = Path(__file__).parent.parent
SUITE = [
    {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "size", "min_value": -10, "max_value": 10},
        "severity": "critical",
        "why": "another unit would be far off",
    }
]


def table(records: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    size, kind = draw.normal(size=records), draw.choice(["a", "b"], records)
    wanted = size + 2.0 * (kind == "b") + draw.normal(scale=0.5, size=records) > 0.5
    columns = {"id": [f"r{row:04}" for row in range(records)], "size": size, "noise": draw.normal(size=records)}
    return pd.DataFrame({**columns, "kind": kind, "approve": np.where(wanted, "yes", "no")})


@pytest.fixture(scope="module")
def config() -> Config:
    """That of the project, for the made table, shortened."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["data"] |= {"path": "data/made.parquet", "positive": "yes", "name": "made"}
    content["data"] |= {"numbers": ["size", "noise"], "categories": ["kind"]}
    content["trainer"] |= {"max_epochs": 15, "lr": 0.01}
    content["tracking"] |= {"mode": "disabled"}
    content["gate"] |= {"resamples": 100, "bounds": {"auroc": 0.8}}
    return Config.model_validate(content)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Project:
    """A folder in which every stage has run; to be read only."""
    project = Project(tmp_path_factory.mktemp("project"))
    (project.root / "data").mkdir()
    table().to_parquet(project.root / config.data.path)
    write_json(project.root / "configs" / "expectations" / "made.json", {"expectations": SUITE})
    write_json(project.champion, {"version": None, "digest": None})
    validate(config, project)
    train(config, project)
    evaluate(config, project)
    explain(config, project)
    export(config, project)
    gate(config, project, fail=False)
    report(config, project)
    return project


def test_params_are_those_of_the_schema() -> None:
    assert read_config(ROOT / "params.yaml").data.target == "approve"


def test_a_typo_in_params_is_one_sentence(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("max_epochs", "max_epoch")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"params.yaml: trainer\.max_epoch"):
        read_config(tmp_path / "params.yaml")


def test_the_target_is_no_feature(config: Config) -> None:
    content = config.model_dump()
    content["data"]["numbers"].append("approve")
    with pytest.raises(ValueError, match="approve is no feature"):
        Config.model_validate(content)


def test_splits_share_no_record_and_hold_all(project: Project, config: Config) -> None:
    parts = split(read_table(project.root / config.data.path, config.data), config.data, config.seed)
    ids = [set(part["id"]) for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 400


def test_preprocessing_learns_of_training_alone_and_stands_new_values(config: Config) -> None:
    fitted = Preprocessor.fit(table(), config.data)
    again = Preprocessor(**json.loads(json.dumps(fitted.to_dict())))
    odd = pd.DataFrame({"size": [None, 1e9], "noise": [0.0, 0.0], "kind": [None, "never seen"]})
    numbers_NF, codes_NC = again.encode(odd)
    assert np.isfinite(numbers_NF).all()
    assert codes_NC.tolist() == [[0], [0]]
    with pytest.raises(UsageError, match="the records lack kind"):
        fitted.encode(odd.drop(columns="kind"))
    with pytest.raises(UsageError, match="size holds something that is no number"):
        fitted.encode(odd.assign(size=["x", "y"]))


def test_the_network_learned_what_the_table_holds(project: Project) -> None:
    found = read_json(project.metrics)
    assert found["metrics"]["auroc"]["low"] > 0.85
    assert found["metrics"]["auroc"]["low"] <= found["metrics"]["auroc"]["value"] <= found["metrics"]["auroc"]["high"]


def test_explanations_find_what_was_put_in(project: Project) -> None:
    found = read_json(project.explanation)
    assert found["importance"][-1]["column"] == "noise"
    assert next(check for check in found["checks"] if check["name"] == "completeness")["passed"]


def test_the_bundle_answers_as_the_network_did(project: Project, tmp_path: Path) -> None:
    assert read_json(project.parity)["max_difference"] < 1e-5
    table(5).to_csv(tmp_path / "records.csv", index=False)
    assert predict(project.bundle, tmp_path / "records.csv", tmp_path / "answers.csv") == 5
    answers = pd.read_csv(tmp_path / "answers.csv")["probability of yes"]
    assert np.allclose(answers, Predictor(project.bundle).probabilities(table(5)))


def test_training_again_gives_the_same_bytes(project: Project, config: Config) -> None:
    before = (project.bundle / "model.onnx").read_bytes()
    train(config, project)
    export(config, project)
    assert (project.bundle / "model.onnx").read_bytes() == before


def test_a_suite_that_is_not_met_refuses(config: Config, tmp_path: Path) -> None:
    other = Project(tmp_path)
    (tmp_path / "data").mkdir()
    broken = table()
    broken.loc[3, "size"] = 1000.0
    broken.to_parquet(tmp_path / config.data.path)
    write_json(tmp_path / "configs" / "expectations" / "made.json", {"expectations": SUITE})
    with pytest.raises(RefusedError, match=r"size: .* found 1 of 400 records, such as 1000"):
        validate(config, other)
    assert not read_json(other.validation)["success"]


def test_the_gate_refuses_what_is_below_its_bound(project: Project, config: Config) -> None:
    strict = config.model_copy(update={"gate": config.gate.model_copy(update={"bounds": {"auroc": 1.0}})})
    with pytest.raises(RefusedError, match=r"auroc is 0\.\d+, asked for is at least 1"):
        gate(strict, project)
    gate(config, project, fail=False)


def test_the_report_stands_by_itself(project: Project) -> None:
    page = project.report.read_text(encoding="utf-8")
    assert "completeness" in page
    assert "src=" not in page
    assert "http" not in page


def test_metrics_agree_with_their_definitions() -> None:
    said_N, label_N = np.array([0.9, 0.6, 0.4, 0.2]), np.array([1, 0, 1, 0])
    assert score("auroc", said_N, label_N) == pytest.approx(0.75)
    assert score("log_loss", said_N, label_N) == pytest.approx(
        -np.mean([np.log(0.9), np.log(0.4), np.log(0.4), np.log(0.8)])
    )


def test_a_model_is_no_better_than_itself_and_better_than_a_worse_one() -> None:
    draw = np.random.default_rng(1)
    label_N = draw.integers(0, 2, 300)
    good_N = np.clip(label_N * 0.6 + draw.uniform(0, 0.4, 300), 0.01, 0.99)
    drawn_RN = draws(300, 100, 0)
    assert difference("auroc", good_N, good_N, label_N, drawn_RN, 0.95) == {"value": 0.0, "low": 0.0, "high": 0.0}
    for name in ("auroc", "accuracy", "log_loss"):
        assert difference(name, good_N, 1 - good_N, label_N, drawn_RN, 0.95)["low"] > 0, name
