"""What is fitted of a table: raw columns to numbers and codes, by scikit-learn, and the state that makes it again.

Shapes: N records, M number columns, R ordered columns, T category columns, F numbers, C codes, P components.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from lightloop.config.tabular import TabularPreprocess
from lightloop.data.tabular import methods
from lightloop.errors import RefusedError

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Raw:
    """The columns of some records by kind: numbers (N, M) float32, ordered (N, R) and categories (N, T) as text."""

    numbers: Floats
    ordered: Texts
    categories: Texts


@dataclass
class Encoder:
    """Fitted preprocessing of a table. A step that is None or empty is left out.

    Attributes:
        names: of the number columns (M), of the numbers (F) and of the codes (C).
        sources: the raw column that each of the numbers is made from; "" where it is all of them.
        logged: places in M of which log(1 + x) is taken.
        standardise: before an imputer that measures distances.
        impute: fills in what is missing.
        missing: places in M that get a column that says whether the value was missing.
        limits: lowest and highest (2, M), of what is no outlier.
        flag: whether outliers get a column, instead of being clipped to the limits.
        forest: which finds records that are outliers as a whole.
        scale: of the numbers.
        rank: of the ordered columns.
        categorise: of the category columns to numbers.
        hash: of the category columns to numbers, one by one.
        code: of the category columns to codes.
        kept: places of the numbers that selection keeps, before which there are more of them.
        offset, projection: extraction, (F,) and (F, P): the network takes (numbers - offset) @ projection.
        cardinalities: of each of the codes, with one for what is rare or unknown.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    logged: list[int] = field(default_factory=list)
    standardise: Any = None
    impute: Any = None
    missing: list[int] = field(default_factory=list)
    limits: Any = None
    flag: bool = False
    forest: Any = None
    scale: Any = None
    rank: Any = None
    categorise: Any = None
    hash: Any = None
    code: Any = None
    kept: Any = None
    offset: Any = None
    projection: Any = None
    cardinalities: list[int] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Everything as plain data, arrays and estimators."""
        return {name: getattr(self, name) for name in asdict(Encoder())}

    def encode(self, raw: Raw) -> tuple[Floats, Integers]:
        """Numbers (N, F) float32 and codes (N, C) int64, -1 for what is rare or unknown."""
        numbers_NF = self.all_numbers(raw)
        if self.kept is not None:
            numbers_NF = numbers_NF[:, self.kept]
        if self.code is None:
            return numbers_NF, np.zeros((len(numbers_NF), 0), dtype=np.int64)
        return numbers_NF, self.code.transform(raw.categories)

    def all_numbers(self, raw: Raw) -> Floats:
        """The numbers before selection."""
        parts: list[Floats] = [np.zeros((len(raw.numbers), 0), np.float32)]
        if raw.numbers.shape[1]:
            filled_NM = self.fill(raw.numbers)
            parts.append(self.scaled(filled_NM))
            if self.missing:
                parts.append(np.isnan(raw.numbers[:, self.missing]))
            if self.limits is not None and self.flag:
                low_M, high_M = self.limits
                parts.append((filled_NM < low_M) | (filled_NM > high_M))
            if self.forest is not None:
                parts.append(self.forest.predict(filled_NM)[:, None] == -1)
        if self.rank is not None:
            parts.append(self.rank.transform(raw.ordered))
        if self.categorise is not None:
            parts.append(self.categorise.transform(raw.categories))
        if self.hash is not None:
            parts += [self.hash.transform(column[:, None]).toarray() for column in raw.categories.T]
        return np.hstack([np.asarray(part, np.float32) for part in parts])

    def fill(self, numbers_NM: Floats) -> Floats:
        """Numbers without a missing value, (N, M) float32, not scaled yet."""
        values_NM = self.logarithms(numbers_NM)
        if self.standardise is not None:
            values_NM = self.standardise.transform(values_NM)
        return np.asarray(self.impute.transform(values_NM), np.float32)

    def logarithms(self, numbers_NM: Floats) -> Floats:
        """The numbers with log(1 + x) in the columns that want it; values below 0 count as 0 there."""
        values_NM = numbers_NM.copy()
        values_NM[:, self.logged] = np.log1p(np.maximum(values_NM[:, self.logged], 0))
        return values_NM

    def scaled(self, filled_NM: Floats) -> Floats:
        """The numbers, clipped and scaled."""
        if self.limits is not None and not self.flag:
            filled_NM = np.clip(filled_NM, *self.limits)
        return filled_NM if self.scale is None else self.scale.transform(filled_NM)


def fit_encoder(
    raw: Raw,
    names: dict[str, list[str]],
    orders: list[list[str]],
    target_N: NDArray[Any],
    settings: TabularPreprocess,
    *,
    classes: bool,
) -> Encoder:
    """Fit every step to training records.

    Args:
        raw: the records.
        names: of their columns, by the fields of `Raw`.
        orders: of each of the ordered columns, its values from the lowest.
        target_N: classes (int64) or numbers, for selection and extraction.
        settings: which methods.
        classes: whether the target is a class.

    Raises:
        RefusedError: the records do not allow what the settings ask for.
    """
    fitted = Encoder(names={"raw": names["numbers"]})
    _fit_numbers(fitted, raw.numbers, settings)
    if orders:
        fitted.rank = methods.ranks([np.array(order, dtype=object) for order in orders]).fit(raw.ordered)
    if names["categories"]:
        _fit_categories(fitted, raw.categories, settings)
    columns = _columns_of(fitted, names, settings)
    numbers_NF = fitted.all_numbers(raw)
    assert numbers_NF.shape[1] == len(columns), (numbers_NF.shape, columns)
    if settings.selection != "none" and columns:
        kept = max(1, round(settings.selected * len(columns)))
        selector = methods.SELECTORS[settings.selection](settings, classes, kept)
        fitted.kept = _fit_selection(selector, numbers_NF, target_N, settings)
        columns = [columns[place] for place in fitted.kept]
        numbers_NF = numbers_NF[:, fitted.kept]
    fitted.names["numbers"], fitted.sources = [name for name, _ in columns], [source for _, source in columns]
    fitted.names["codes"] = names["categories"] if fitted.code is not None else []
    if settings.extraction != "none":
        _fit_extraction(fitted, numbers_NF, target_N, settings, classes)
    return fitted


def _fit_numbers(fitted: Encoder, numbers_NM: Floats, settings: TabularPreprocess) -> None:
    names = fitted.names["raw"]
    fitted.logged = [names.index(name) for name in settings.log]
    for place in fitted.logged:
        if np.nanmin(numbers_NM[:, place]) < 0:
            raise RefusedError(
                f"preprocess.log names {names[place]!r}, whose training values go down to "
                f"{np.nanmin(numbers_NM[:, place]):g}: only columns without negative numbers have a logarithm"
            )
    if not names:
        return
    values_NM = fitted.logarithms(numbers_NM)
    if settings.missing in methods.ON_STANDARDISED:
        fitted.standardise = StandardScaler().fit(values_NM)
        values_NM = fitted.standardise.transform(values_NM)
    fitted.impute = methods.IMPUTERS[settings.missing](settings).fit(values_NM)
    if settings.indicator:
        fitted.missing = np.flatnonzero(np.isnan(numbers_NM).any(axis=0)).tolist()
    filled_NM = fitted.fill(numbers_NM)
    fitted.flag = settings.outlier_action == "flag"
    if settings.outliers in methods.LIMITS:
        limits = methods.LIMITS[settings.outliers](filled_NM, settings.outlier_limit)
        fitted.limits = np.stack(limits).astype(np.float32)
    elif settings.outliers == "isolation_forest":
        fitted.forest = methods.isolation_forest().fit(filled_NM)
    if settings.scale != "none":
        clipped_NM = filled_NM if fitted.flag or fitted.limits is None else np.clip(filled_NM, *fitted.limits)
        fitted.scale = methods.SCALERS[settings.scale](settings, len(clipped_NM)).fit(clipped_NM)


def _fit_categories(fitted: Encoder, texts_NT: Texts, settings: TabularPreprocess) -> None:
    frequent = [frequent_values(column, settings.rare) for column in texts_NT.T]
    match settings.categories:
        case "one_hot":
            fitted.categorise = methods.one_hot(frequent).fit(texts_NT)
        case "ordinal":
            fitted.categorise = methods.ranks(frequent).fit(texts_NT)
        case "hashing":
            fitted.hash = methods.hasher(settings.buckets)
        case "embedding":
            fitted.code = methods.codes(frequent).fit(texts_NT)
            fitted.cardinalities = [len(values) + 1 for values in frequent]


def frequent_values(column: Texts, rare: float) -> Texts:
    """The values with at least the share `rare` of the records, sorted; the most frequent one where none has.

    Examples:
        >>> frequent_values(np.array(["b", "a", "b", "c"], dtype=object), 0.5).tolist()
        ['b']
    """
    values, counts = np.unique(column.astype(str), return_counts=True)
    chosen = counts >= min(rare * len(column), counts.max())
    return values[chosen].astype(object)


def _columns_of(fitted: Encoder, names: dict[str, list[str]], settings: TabularPreprocess) -> list[tuple[str, str]]:
    """Name and source of each of the numbers, in the order of `Encoder.all_numbers`."""
    numbers = names["numbers"]
    columns = [(name, name) for name in numbers]
    columns += [(f"{numbers[place]} missing", numbers[place]) for place in fitted.missing]
    if fitted.limits is not None and fitted.flag:
        columns += [(f"{name} outlier", name) for name in numbers]
    if fitted.forest is not None:
        columns.append(("outlier", ""))
    columns += [(name, name) for name in names["ordered"]]
    for place, name in enumerate(names["categories"]):
        match settings.categories:
            case "one_hot":
                columns += [(f"{name}={value}", name) for value in fitted.categorise.categories_[place]]
            case "hashing":
                columns += [(f"{name}#{bucket}", name) for bucket in range(settings.buckets)]
            case "ordinal":
                columns.append((name, name))
    return columns


def _fit_selection(selector: Any, numbers_NF: Floats, target_N: NDArray[Any], settings: TabularPreprocess) -> Integers:
    try:
        selector.fit(numbers_NF, target_N)
        kept: Integers = selector.get_support(indices=True)
    except ValueError as error:
        raise RefusedError(f"preprocess.selection={settings.selection} can't be fitted: {error}") from None
    if not len(kept):
        raise RefusedError(
            f"preprocess.selection={settings.selection} keeps none of {numbers_NF.shape[1]} columns: "
            "lower preprocess.min_variance, or take another selection"
        )
    return kept


def _fit_extraction(
    fitted: Encoder, numbers_NF: Floats, target_N: NDArray[Any], settings: TabularPreprocess, classes: bool
) -> None:
    """Both kinds are one linear map, which the graph does itself."""
    if not numbers_NF.shape[1]:
        raise RefusedError(f"preprocess.extraction={settings.extraction} needs numbers, but there is no such column")
    if settings.extraction == "lda" and not classes:
        raise RefusedError("preprocess.extraction=lda needs classes to tell apart: say preprocess.extraction=pca")
    most = min(numbers_NF.shape) if settings.extraction == "pca" else len(np.unique(target_N)) - 1
    extractor = methods.EXTRACTORS[settings.extraction](min(settings.components, most, numbers_NF.shape[1]))
    extractor.fit(numbers_NF, target_N)
    if settings.extraction == "pca":
        fitted.offset, fitted.projection = extractor.mean_, extractor.components_.T
    else:
        fitted.offset = extractor.xbar_
        fitted.projection = extractor.scalings_[:, : extractor._max_components]
    fitted.offset = np.asarray(fitted.offset, np.float32)
    fitted.projection = np.ascontiguousarray(fitted.projection, np.float32)
