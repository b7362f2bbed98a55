"""Folds x seeds: every member scored on what it never saw, none trained twice, the test split left alone."""

import shutil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.evaluation.problem import problem_of
from lightloop.files import read_json
from lightloop.project import Project
from lightloop.stages.folds import folds
from lightloop.tasks.checkpoint import load_model
from lightloop.training import member as member_module
from lightloop.training.comparison import summarise
from lightloop.training.folds import family, train_folds

TINY = ["network=mlp", "network.hidden=[8]", "explain=gradients", "trainer.max_epochs=1", "trainer.batch_size=50"]


@pytest.fixture
def two_by_two(repository: Project) -> Config:
    return compose_config(repository, [*TINY, "folds=2", "seeds=2"])


def pooled(project: Project, config: Config) -> dict[str, dict[str, Any]]:
    """The records that are not tested on, by their ids."""
    splits = read_splits(config.data, project.root, config.seed)
    return {row["id"]: row for part in ("train", "validation") for row in splits[part].to_pylist()}


def test_the_result_says_all_that_was_measured(project: Project, two_by_two: Config, capsys: pytest.CaptureFixture):
    folds(two_by_two, project)
    result = read_json(project.folds_result)
    assert [(row["fold"], row["seed"]) for row in result["members"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({row["held_out"] for row in result["members"]}) == 4, "each seed draws other folds"
    pool = len(pooled(project, two_by_two))
    for row in result["members"]:
        counts = row["records"]
        assert sum(counts.values()) == pool
        assert counts["held_out"] == pytest.approx(pool / 2, abs=1)
        assert 0 < counts["validation"] < counts["train"]
        # of feature: image
        assert counts == {"train": 130, "validation": 20, "held_out": 150}
        # end
    assert result["ratio"] == pytest.approx(1.0, abs=0.01)
    # of feature: image
    assert result["ratio"] == pytest.approx(1.0)
    # end
    for name, found in result["metrics"].items():
        values = np.array([row["metrics"][name] for row in result["members"]])
        expected = summarise(values, 1.0)
        said = (found["mean"], found["low"], found["high"])
        assert said == pytest.approx((expected.mean, expected.low, expected.high), rel=1e-12)
        assert found["low"] < found["mean"] < found["high"]
    assert "Nadeau & Bengio" in result["method"]
    assert "2 folds x 2 seeds" in capsys.readouterr().out
    assert list(project.members.iterdir()) == [], "what only measures is not handed over"


def test_a_member_is_scored_on_its_fold_alone(project: Project, two_by_two: Config):
    trained = train_folds(two_by_two, project, scratch=family(project), quiet=True)
    pool, held_out = pooled(project, two_by_two), trained.held_out
    assert held_out is not None
    for seed in (0, 1):
        ids = held_out.filter(np.asarray(held_out.column("seed")) == seed).column("id").to_pylist()
        assert sorted(ids) == sorted(pool), "a seed's folds hold out every record once, and no test record"
    member = trained.content["members"][0]
    first = held_out.column("id").to_pylist()[: member["records"]["held_out"]]
    schema = read_splits(two_by_two.data, project.root, two_by_two.seed)["train"].schema
    table = pa.Table.from_pylist([pool[name] for name in first], schema=schema)
    problem = problem_of(two_by_two.data)
    answers = load_model(trained.checkpoints[0, 0]).answers(table)["probabilities"]
    accuracy = problem.scorer(table, answers).scores(np.ones((1, len(first)), dtype=np.int32))["accuracy"][0]
    assert accuracy == pytest.approx(member["metrics"]["accuracy"])


def test_what_was_killed_in_the_middle_goes_on(project: Project, two_by_two: Config, monkeypatch: pytest.MonkeyPatch):
    original, trained = member_module.fit, []

    def counted(config, *rest, **options):
        if len(trained) == 3:
            raise KeyboardInterrupt("before the fourth member")
        trained.append(config.seed)
        return original(config, *rest, **options)

    monkeypatch.setattr(member_module, "fit", counted)
    with pytest.raises(KeyboardInterrupt, match="before the fourth member"):
        folds(two_by_two, project)
    assert not project.folds_result.exists()
    trained.clear()
    folds(two_by_two, project)
    assert len(trained) == 1, "three of four were kept"
    result = project.folds_result.read_bytes()
    monkeypatch.setattr(member_module, "fit", original)
    shutil.rmtree(family(project))
    folds(two_by_two, project)
    assert project.folds_result.read_bytes() == result, "the same bytes as in one go"


def test_beside_a_predefined_validation_split_the_training_file_is_divided(project: Project, repository: Project):
    folder = project.root / "data" / "fashion"
    whole = pq.read_table(folder / "train.parquet")
    cut = len(whole) - 60
    pq.write_table(whole.slice(cut), folder / "validation.parquet")
    pq.write_table(whole.slice(0, cut), folder / "train.parquet")
    files = "data.files={train:train.parquet,test:test.parquet,validation:validation.parquet}"
    config = compose_config(
        repository, [*TINY, files, "data.split.validation=predefined", "folds=3", "data.split.policy=random"]
    )
    trained = train_folds(config, project, scratch=family(project), quiet=True)
    splits = read_splits(config.data, project.root, config.seed)
    assert len(splits["validation"]) == 60
    assert trained.held_out is not None
    held_out = trained.held_out.column("id").to_pylist()
    assert sorted(held_out) == sorted(splits["train"].column("id").to_pylist()), (
        "each once, and none that is predefined"
    )


def test_seeds_alone_hold_out_the_validation_share(project: Project, repository: Project):
    config = compose_config(repository, [*TINY, "seeds=3"])
    result = train_folds(config, project, scratch=family(project), quiet=True).content
    assert [row["fold"] for row in result["members"]] == [0, 0, 0]
    counts = result["members"][0]["records"]
    assert sum(counts.values()) == len(pooled(project, config))
    assert result["ratio"] == pytest.approx(counts["held_out"] / (counts["train"] + counts["validation"]))
    share = config.data.split.validation
    assert result["ratio"] == pytest.approx(share / (1 - share), abs=0.02)
    # of feature: image
    assert result["ratio"] == pytest.approx(30 / 270)
    # end
    assert len({row["held_out"] for row in result["members"]}) == 3
