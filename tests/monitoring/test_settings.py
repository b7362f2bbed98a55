"""What is typed of times."""

import pytest

from lightloop.errors import UsageError
from lightloop.monitoring.settings import moment, span


@pytest.mark.parametrize("typed", ["", "30", "d", "0d", "-1d", "1w"])
def test_a_length_of_time_is_checked(typed: str) -> None:
    with pytest.raises(UsageError, match="is no length of time: say such as 7d"):
        span(typed)
    with pytest.raises(UsageError, match="is no moment"):
        moment("yesterday")
