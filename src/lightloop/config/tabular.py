"""Tables: what a data set of them says, how their columns are prepared and augmented."""

from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lightloop.config.base import Count, Fraction, Frozen, NotNegative, Positive
from lightloop.config.data import DataSpec

# Names that the tables of records and of the data check give to columns of their own.
RESERVED = (
    "id",
    "part",
    "label",
    "stratum",
    "missing_values",
    "hash",
    "copies",
    "in_other_part",
    "copy_labels",
    "class_share",
    # Of the exported graph.
    "numbers",
    "codes",
    "logits",
    "probabilities",
    "prediction",
)


class TabularSpec(DataSpec):
    """A data set in which a record is a row of columns.

    `id` names the column that tells records apart; without it they are numbered. `orders` says for `ordered` features
    how their values follow each other, from the lowest; numbers need none.
    """

    modality: Literal["tabular"]
    id: str | None = None
    orders: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if not self.features:
            raise ValueError("data.columns must name at least one feature for tables, but names none")
        for name in self.columns:
            if name in RESERVED and self.columns[name].role not in ("ignored", "target"):
                raise ValueError(f"data.columns has a column {name!r}, a name that is taken: rename it in the file")
        if self.id is not None and self.id in self.columns and self.columns[self.id].role != "ignored":
            raise ValueError(f"data.id is {self.id!r}, which data.columns gives a role too: give it one of the two")
        for name in self.orders:
            if name not in self.features or self.columns[name].kind != "ordered":
                raise ValueError(f"data.orders names {name!r}, which data.columns does not call an ordered feature")
        return self


class TabularPreprocess(Frozen):
    """How columns become numbers and codes; everything is fitted on the training records alone.

    Number columns pass these steps in this order: `log`, `missing`, `outliers`, `scale`. Ordered columns become ranks,
    which are standardised. Category columns become numbers (`one_hot`, `hashing`, `ordinal`) or codes for a network's
    embedding (`embedding`). Then `selection` keeps some of the number columns and `extraction` turns them.

    Attributes:
        log: number columns of which log(1 + x) is taken; their training values must not be negative.
        missing: what stands for a missing number. `knn` and `iterative` work on standardised columns.
        constant: with `missing: constant`, the number.
        indicator: whether each column that had missing values gets a column of 0 and 1 that says so.
        neighbours: with `missing: knn`, how many.
        rounds: with `missing: iterative`, how many at most.
        outliers: how they are found: farther from the mean than `outlier_limit` deviations, farther outside the
            quartiles than `outlier_limit` times their distance, or by an isolation forest, for whole records.
        outlier_action: `clip` to the limits, or `flag` with a column of 0 and 1.
        outlier_limit: null stands for 3 (`z_score`) or 1.5 (`iqr`).
        scale: of the numbers; `quantile` spreads them like a normal distribution.
        scale_range: with `scale: min_max`.
        categories: see above. `hashing` spreads the values of each column over `buckets` number columns.
        buckets: with `categories: hashing`.
        rare: a category with a smaller share of the training records goes into the bucket of rare and unknown ones.
        selection: by variance, mutual information with the target, recursive elimination, L1 or a forest of trees.
        selected: share of the number columns that is kept; for `variance`, see `min_variance`.
        min_variance: with `selection: variance`, columns with less are left out.
        extraction: principal components, or linear discriminants (classes only).
        components: with `extraction`, how many at most.
    """

    name: Literal["tabular"]
    log: tuple[str, ...] = ()
    missing: Literal["mean", "median", "mode", "constant", "knn", "iterative"] = "median"
    constant: float = 0.0
    indicator: bool = True
    neighbours: Count = 5
    rounds: Count = 5
    outliers: Literal["none", "z_score", "iqr", "isolation_forest"] = "none"
    outlier_action: Literal["clip", "flag"] = "clip"
    outlier_limit: Positive | None = None
    scale: Literal["standard", "min_max", "robust", "quantile", "none"] = "standard"
    scale_range: tuple[float, float] = (0.0, 1.0)
    categories: Literal["one_hot", "embedding", "hashing", "ordinal"] = "one_hot"
    buckets: Annotated[int, Field(ge=2)] = 8
    rare: Fraction = 0.01
    selection: Literal["none", "variance", "mutual_information", "recursive", "l1", "model"] = "none"
    selected: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_variance: NotNegative = 0.0
    extraction: Literal["none", "pca", "lda"] = "none"
    components: Count = 10

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.outliers == "isolation_forest" and self.outlier_action == "clip":
            raise ValueError(
                "preprocess.outliers is isolation_forest, which judges whole records and so has no limits to clip to: "
                "say preprocess.outlier_action=flag, or clean.outliers=isolation_forest to leave records out"
            )
        if self.scale_range[0] >= self.scale_range[1]:
            raise ValueError(
                f"preprocess.scale_range is {list(self.scale_range)}: expected [low, high] with low < high"
            )
        return self


class TabularAugment(Frozen):
    """Random changes of whole training batches: `noise` is added to the numbers, in deviations; each value is swapped
    for another record's value of the same column with probability `swap`.
    """

    name: Literal["tabular"]
    noise: NotNegative = 0.0
    swap: Fraction = 0.0


def check_tabular(data: DataSpec, preprocess: Frozen) -> None:
    """Check that the preprocessing of tables names columns of the data.

    Raises:
        ValueError: it does not.
    """
    if not (isinstance(data, TabularSpec) and isinstance(preprocess, TabularPreprocess)):
        return
    # Which of the others are numbers is known only when the file is read.
    numbers = [name for name in data.features if data.columns[name].kind not in ("category", "ordered")]
    unknown = [name for name in preprocess.log if name not in numbers]
    if unknown:
        near = get_close_matches(unknown[0], numbers, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(numbers)}"
        raise ValueError(f"preprocess.log names {unknown[0]!r}, which is no number feature of data={data.name}: {hint}")
