"""Calibration, decision and uncertainty as a person types them: what can't be meant is refused in one sentence."""

import pytest

from lightloop.config.compose import compose_config
from lightloop.errors import UsageError
from lightloop.project import Project


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["decision=threshold"], "decision=threshold is for two classes, but data=fashion has 10: say decision=costs"),
        (
            ["experiment=spam", "decision=threshold", "decision.positive=junk"],
            "decision.positive names 'junk', which is no class of the data set: they are ham, spam",
        ),
        (
            ["experiment=spam", "decision=costs", "decision.costs={ham: {junk: 3}}"],
            "decision.costs names 'junk', which is no class of the data set: they are ham, spam",
        ),
        (
            ["experiment=co2", "calibration=isotonic"],
            "calibration=isotonic is for classes, but data=co2 is forecasting: say calibration=none",
        ),
        (
            ["experiment=co2", "decision=costs"],
            "decision=costs is for classes, but data=co2 is forecasting: say decision=argmax",
        ),
        (["uncertainty.levels=[0.9,0.9]"], "uncertainty.levels names a level twice"),
        (["uncertainty.levels=[1.0]"], "uncertainty.levels.0 is 1.0: input should be less than 1"),
        (["uncertainty.samples=1"], "uncertainty.samples is 1, and one answer disagrees with nothing"),
        (["calibration=temperatur"], "configs/calibration/ has no 'temperatur': did you mean 'temperature'"),
    ],
)
def test_refused(repository: Project, overrides: list[str], message: str):
    with pytest.raises(UsageError, match="^" + message.replace("?", "[?]")):
        compose_config(repository, overrides)


def test_defaults_and_costs(repository: Project):
    config = compose_config(repository, ["experiment=loans", "decision=costs", "decision.costs.rejected.approved=4"])
    assert (config.calibration.name, config.uncertainty.levels) == ("auto", (0.9,))
    assert config.decision.costs == {"rejected": {"approved": 4.0}}
