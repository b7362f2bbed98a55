"""Tables: what a data set of them says, and how their columns are prepared."""

from typing import Literal

from lightloop.config.base import Frozen
from lightloop.config.data import DataSpec


class TabularSpec(DataSpec):
    """A data set in which a record is a row of columns."""

    modality: Literal["tabular"]


class TabularPreprocess(Frozen):
    """How columns become numbers."""

    name: Literal["tabular"]
