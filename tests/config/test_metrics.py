import math

import pytest

from lightloop.config.metrics import METRICS, is_better, metric, signed
from lightloop.errors import UsageError
from lightloop.evaluation.metrics import CLASSIFICATION
from lightloop.evaluation.number_metrics import FORECASTING


def test_metrics_are_in_the_order_of_display_under_their_own_name():
    names = list(METRICS)
    for family in (CLASSIFICATION, FORECASTING):
        assert [name for name in names if name in family] == list(family)
    assert all(spec.name == name and spec.title and spec.meaning.endswith(".") for name, spec in METRICS.items())


@pytest.mark.parametrize(("name", "direction"), [(name, spec.direction) for name, spec in METRICS.items()])
def test_the_direction_decides_what_is_better(name, direction):
    better, worse = (0.7, 0.3) if direction == "higher" else (0.3, 0.7)
    assert is_better(name, better, worse)
    assert not is_better(name, worse, better)
    assert not is_better(name, worse, worse)
    assert signed(name, better - worse) == pytest.approx(0.4)
    assert math.copysign(1, signed(name, worse - better)) == -1


def test_an_unknown_metric_is_named_with_the_valid_ones():
    with pytest.raises(UsageError, match="'acuracy' is no metric: valid names are accuracy, balanced_accuracy"):
        metric("acuracy")
