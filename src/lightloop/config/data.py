"""What a data set is, whatever its modality; what is special to one stands in `image`, `tabular`, `text`, `series`."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lightloop.config.base import Frozen

Role = Literal["feature", "target", "auxiliary", "group", "time", "sensitive", "slice", "ignored"]
Kind = Literal["number", "category", "ordered"]
Problem = Literal["classification", "regression", "forecasting", "generation"]
Part = Literal["train", "validation", "test"]


class Column(Frozen):
    """What a column is for.

    `feature` enters the model; `target` is predicted; `auxiliary` is predicted beside it (multi-task); records of one
    `group` never straddle a split; `time` orders records; `sensitive` and `slice` are read for evaluation and never
    enter the model; `ignored` is not read, and `why` says why not, such as that it is known only after the answer.
    `kind` is for features of tables; without it the file's type decides (numbers are numbers, the rest categories).
    `classes` are for an auxiliary column: with them a class is predicted, without them a number.
    """

    role: Role
    kind: Kind | None = None
    why: str | None = None
    classes: tuple[str, ...] = ()


class Split(Frozen):
    """How records are divided.

    `test` and `validation` are "predefined" (the spec's files say) or a share. `policy` says how shares are drawn: each
    class alike (`stratified`), whole groups together (`group`), the latest records (`time`), or just so (`random`).
    """

    policy: Literal["stratified", "group", "time", "random"] = "stratified"
    test: Literal["predefined"] | Annotated[float, Field(gt=0, lt=1)] = "predefined"
    validation: Literal["predefined"] | Annotated[float, Field(gt=0, lt=1)] = 0.1


class DataSpec(Frozen):
    """What a data set is.

    `path` is the file or folder that DVC versions; `files` are relative to it. `columns` gives each column that is
    read its role. `classes` are the label names, in the order of the outputs. `unlabelled` is a file of records
    without a label, which needs no target column; records of the training file whose label is empty are unlabelled
    as well.
    """

    name: str
    problem: Problem
    path: str
    files: dict[Part, str]
    unlabelled: str | None = None
    columns: dict[str, Column]
    classes: tuple[str, ...] = ()
    split: Split = Split()
    expectations: str

    @field_validator("columns", mode="before")
    @classmethod
    def _short_form(cls, columns: Any) -> Any:
        """`name: feature` is short for `name: {role: feature}`."""
        if not isinstance(columns, dict):
            return columns
        return {name: {"role": given} if isinstance(given, str) else given for name, given in columns.items()}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        targets = self.with_role("target")
        if len(targets) != 1 and not (self.problem == "generation" and not targets):
            raise ValueError(f"data.columns must name exactly one target, but names {', '.join(targets) or 'none'}")
        if self.problem == "classification" and len(self.classes) < 2:
            raise ValueError("data.classes must name at least two classes")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("data.classes names a class twice: each must stand there once")
        if "train" not in self.files:
            raise ValueError("data.files must name a train file")
        for part, share in (("test", self.split.test), ("validation", self.split.validation)):
            if (share == "predefined") != (part in self.files):
                raise ValueError(
                    f"data.split.{part} and data.files disagree: give a {part} file with `{part}: predefined`, "
                    f"or no {part} file with a share such as `{part}: 0.2`"
                )
        for policy, role in (("group", "group"), ("time", "time")):
            if self.split.policy == policy and not self.with_role(role):  # type: ignore[arg-type]
                raise ValueError(f"data.split.policy is {policy}, but data.columns gives no column the role {role}")
        return self

    def with_role(self, *roles: Role) -> list[str]:
        """Names of the columns that have one of the roles, in the order of the spec."""
        return [name for name, column in self.columns.items() if column.role in roles]

    @property
    def features(self) -> list[str]:
        """Names of the columns that enter the model."""
        return self.with_role("feature")

    @property
    def feature(self) -> str:
        """The one column that holds the record, where a record is one thing (an image, a text)."""
        return self.features[0]

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self.with_role("target")[0]


def one_feature(spec: DataSpec, what: str) -> None:
    """Check that a record is one column.

    Raises:
        ValueError: it is none, or several.
    """
    if len(spec.features) != 1:
        named = ", ".join(spec.features) or "none"
        raise ValueError(f"data.columns must name exactly one feature for {what}, but names {named}")
