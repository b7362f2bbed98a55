"""What `lightloop collect` makes of labelled answers; part of `configs/monitor/`."""

from typing import Annotated

from pydantic import Field

from lightloop.config.base import Frozen


class CollectConfig(Frozen):
    """Attributes:
    test_share: of the collected records, by a hash of the prediction's id, that the gate judges by and nothing is ever
        trained on. Where the data set is divided by time, its own share counts instead.
    newest: records by which it is judged whether older ones still hold: where the simpler model errs less on the newest
        ones without the older ones, those are left out. Null never leaves any out.
    """

    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    newest: Annotated[int, Field(ge=100)] | None = 400
