"""A search that does not fit is one sentence, before anything is trained."""

import pytest
from pydantic import ValidationError

from lightloop.config.sweeps import SweepConfig

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
