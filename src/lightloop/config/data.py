"""What a data set is, whatever its modality; what is special to one stands in `image`, `tabular`, `text`, `series`."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lightloop.config.base import Count, Frozen
from lightloop.config.metamorphic import Metamorphic, check_metamorphic

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
    `changeable` is for features of tables: whether a counterfactual may propose another value, or only a higher (`up`)
    or lower one (`down`; of ordered columns too). Without it it may, so say false of what nobody can change.
    """

    role: Role
    kind: Kind | None = None
    why: str | None = None
    classes: tuple[str, ...] = ()
    changeable: bool | Literal["up", "down"] | None = None

    @model_validator(mode="after")
    def _what_changes(self) -> Self:
        if self.changeable is not None and self.role != "feature":
            raise ValueError(f"changeable is for features, but the column is {self.role}: leave it out")
        if isinstance(self.changeable, str) and self.kind == "category":
            raise ValueError(
                f"changeable is {self.changeable}, but the values of a category do not follow each other: say true or "
                "false, or give the column the kind number or ordered"
            )
        return self


class Split(Frozen):
    """How records are divided.

    `test` and `validation` are "predefined" (the spec's files say) or a share. `policy` says how shares are drawn: each
    class alike (`stratified`), whole groups together (`group`), the latest records (`time`), or just so (`random`).
    Folds divide what is not tested on by the policy; where validation is predefined, the training file alone.
    """

    policy: Literal["stratified", "group", "time", "random"] = "stratified"
    test: Literal["predefined"] | Annotated[float, Field(gt=0, lt=1)] = "predefined"
    validation: Literal["predefined"] | Annotated[float, Field(gt=0, lt=1)] = 0.1


class DataSpec(Frozen):
    """What a data set is.

    `path` is the file or folder that DVC versions; `files` are relative to it. `columns` gives each column that is
    read its role. `classes` are the label names, in the order of the outputs. `unlabelled` is a file of records
    without a label, which needs no target column; records of the training file whose label is empty are unlabelled
    as well: nothing is trained or tested on them but by `semi`. `hide_labels` sets that share of the labelled training
    records aside as if they were unlabelled, to see what `semi` and `label-next` make of data whose labels are known.
    `leakage_limit` is the cross-validated AUROC (classes) or R2 (numbers) with which no single feature, token or
    property of a record may predict the target alone: the data check refuses what does. Null looks for none.
    `favourable` is the class that people want to be given, such as the approval of a loan: fairness is about it. `bins`
    divides numbers of sensitive and slice columns at the values that it gives, for groups to be compared (at their
    quartiles where it says nothing). `block` is how many records that follow each other in time are drawn together when
    intervals are made; null stands for the cube root of their number.
    `metamorphic` says what changes of a record must do to the answer; the audit checks it.
    """

    name: str
    problem: Problem
    path: str
    files: dict[Part, str]
    unlabelled: str | None = None
    hide_labels: Annotated[float, Field(ge=0, lt=1)] = 0.0
    columns: dict[str, Column]
    classes: tuple[str, ...] = ()
    favourable: str | None = None
    bins: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    block: Count | None = None
    split: Split = Split()
    expectations: str
    leakage_limit: Annotated[float, Field(gt=0.5, le=1)] | None = 0.95
    metamorphic: tuple[Metamorphic, ...] = ()

    @field_validator("columns", mode="before", json_schema_input_type=dict[str, Column | Role])
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
        if "train" not in self.files:
            raise ValueError("data.files must name a train file")
        for policy, role in (("group", "group"), ("time", "time")):
            if self.split.policy == policy and not self.with_role(role):  # type: ignore[arg-type]
                raise ValueError(f"data.split.policy is {policy}, but data.columns gives no column the role {role}")
        for part, share in (("test", self.split.test), ("validation", self.split.validation)):
            if (share == "predefined") != (part in self.files):
                raise ValueError(
                    f"data.split.{part} and data.files disagree: give a {part} file with `{part}: predefined`, "
                    f"or no {part} file with a share such as `{part}: 0.2`"
                )
        return self

    @model_validator(mode="after")
    def _classes(self) -> Self:
        if self.problem == "classification" and len(self.classes) < 2:
            raise ValueError("data.classes must name at least two classes")
        known = {"classes": self.classes, "unlabelled": self.unlabelled, "hide_labels": self.hide_labels}
        given = [name for name, value in known.items() if value]
        if self.problem not in ("classification", "generation") and given:
            name = given[0]
            raise ValueError(f"data.{name} is for classification, but data.problem is {self.problem}: leave it out")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("data.classes names a class twice: each must stand there once")
        return self

    @model_validator(mode="after")
    def _compared_groups(self) -> Self:
        if self.favourable is not None and self.favourable not in self.classes:
            raise ValueError(
                f"data.favourable is {self.favourable!r}, which is none of data.classes "
                f"({', '.join(self.classes) or 'none'}): name one of them, or leave it out"
            )
        for name, edges in self.bins.items():
            if name not in self.with_role("sensitive", "slice"):
                raise ValueError(f"data.bins names {name!r}, which data.columns calls neither sensitive nor slice")
            if not edges or list(edges) != sorted(set(edges)):
                raise ValueError(f"data.bins.{name} is {list(edges)}: expected rising numbers, at least one")
        return self

    @model_validator(mode="after")
    def _checks(self) -> Self:
        check_metamorphic(self)
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


def one_feature(spec: DataSpec, what: str, problems: tuple[Problem, ...]) -> None:
    """Check that a record is one column, and that the problem is one that is solved for such records.

    Raises:
        ValueError: it is none, or several; or another problem.
    """
    if spec.problem not in problems:
        raise ValueError(f"data.problem is {spec.problem}, but {what} are for {' or '.join(problems)}")
    if len(spec.features) != 1:
        named = ", ".join(spec.features) or "none"
        raise ValueError(f"data.columns must name exactly one feature for {what}, but names {named}")
