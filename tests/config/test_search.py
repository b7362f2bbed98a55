"""What does not fit together is one sentence, before anything is trained."""

import pytest

from lightloop.config.compose import compose_config
from lightloop.config.search import count_members
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
        (["experiment=fashion", "ensemble=mean", "folds=2"], "an ensemble has no feature maps: say explain=gradients"),
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
