"""What does not fit together is one sentence, before anything is trained."""

import pytest
from pydantic import ValidationError

from lightloop.config.compose import compose_config
from lightloop.config.search import SweepConfig, count_members
from lightloop.errors import UsageError
from lightloop.project import Project

MEMBERS = ["folds=2", "seeds=2", "explain=gradients"]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["ensemble=mean", "explain=gradients"], "ensemble=mean needs members: say folds=5, or seeds=5, or both"),
        (["ensemble=stacking", "seeds=3", "explain=gradients"], "say folds=5"),
        (["ensemble=snapshots", "seeds=3", "explain=gradients"], "is made of one training"),
        (["ensemble=snapshots", "trainer.max_epochs=3", "explain=gradients"], "each snapshot needs an epoch"),
        (["ensemble=mean", "folds=2"], "an ensemble has no feature maps: say explain=gradients"),
        (["folds=0"], "folds is 0"),
        (["ensemble=median"], "configs/ensemble/ has no 'median'"),
        (["semi=pseudo_labels", "semi.threshold=1.5"], r"semi\.threshold is 1\.5"),
        (["sweep=fashion"], "'sweep' is no config group or key: did you mean"),
    ],
)
def test_what_does_not_fit_is_one_sentence(repository: Project, overrides: list[str], sentence: str):
    with pytest.raises(UsageError, match=sentence) as caught:
        compose_config(repository, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("problem", "name"), [("semi=pseudo_labels", "semi"), ("ensemble=voting", "ensemble")])
def test_only_classification_has_votes_and_pseudo_labels(repository: Project, problem: str, name: str):
    with pytest.raises(UsageError, match=f"{name}=.* is for classification"):
        compose_config(repository, ["experiment=co2", "folds=2", problem])


def test_members_are_counted(repository: Project):
    assert count_members(compose_config(repository)) == 1
    assert count_members(compose_config(repository, [*MEMBERS, "ensemble=mean"])) == 4
    assert count_members(compose_config(repository, ["ensemble=snapshots", "explain=gradients"])) == 5
    assert count_members(compose_config(repository, MEMBERS)) == 1, "members that only measure are not released"


SPACE = {"optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "network.hidden": [[64], [128, 64]]}


def test_short_forms():
    sweep = SweepConfig.model_validate({"sampler": "gp", "pruner": "none", "space": SPACE})
    assert sweep.sampler.name == "gp"
    assert sweep.space["network.hidden"].choices == [[64], [128, 64]]
    assert not sweep.space["optimizer.lr"].whole


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"space": {"a": {"low": 2, "high": 1}}}, "low must be below high"),
        ({"space": {"a": {"low": 0, "high": 1, "log": True}}}, "a logarithmic scale needs numbers above 0"),
        ({"space": {"a": {"low": 1, "high": 9, "log": True, "step": 2}}}, "both log and step"),
        ({"space": {"a": {"low": 1, "high": 9, "step": 0}}}, "step is 0"),
        ({"sampler": "grid", "space": SPACE}, r"sampler=grid needs space\.optimizer\.lr as a list"),
        ({"sampler": "cmaes", "space": SPACE}, "needs at least two ranges"),
        ({"sampler": "nsga2", "pruner": "median", "space": SPACE}, "two objectives"),
        ({"sampler": "annealing", "space": SPACE}, "annealing"),
        ({"space": {}}, "at least 1 item"),
    ],
)
def test_a_search_that_does_not_fit_is_refused(content: dict, sentence: str):
    with pytest.raises(ValidationError, match=sentence):
        SweepConfig.model_validate(content)
