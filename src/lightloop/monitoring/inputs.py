"""All looks at what was asked: schema, expectations, drift of each feature and of all together, gaps."""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lightloop.config.monitoring import MonitorConfig
from lightloop.data.image.input import ImageInput
from lightloop.data.noise import NoiseInput
from lightloop.data.series.input import SeriesInput
from lightloop.data.tabular.input import TabularInput, as_numbers
from lightloop.errors import RefusedError
from lightloop.monitoring import features, gaps, multivariate, schema, suite
from lightloop.monitoring.findings import Finding
from lightloop.monitoring.standing import Standing
from lightloop.monitoring.window import Window
from lightloop.serving.described import AnyInput, Values, described
from lightloop.serving.novelty import Describer

SEED = 0


def look(window: Window, standing: Standing, config: MonitorConfig, withheld: Collection[str] = ()) -> list[Finding]:
    """Everything that needs no answer and no label.

    Args:
        window: of the log, of the records that the bundle answered.
        standing: the bundle.
        config: limits.
        withheld: columns whose values the log does not keep, which are not looked at.

    Returns:
        Candidates: `p_value` is raw; without one the finding is final.
    """
    asked = standing.predictor.manifest.input
    if isinstance(asked, NoiseInput):
        return []
    if isinstance(asked, ImageInput) and "image" not in window.records.column_names:
        # The log keeps numbers that describe images instead of images.
        numbers = {name: as_numbers(window.records.column(name), name) for name in window.records.column_names}
        return _each({name: x[np.isfinite(x)] for name, x in numbers.items()}, standing, config)
    kept = {name: kind for name, kind in schema.wanted(asked).items() if name not in withheld}
    faults = schema.look(window.records, kept)
    records = _whole(window.records, asked, kept)
    if any(one.alarm for one in faults) and not isinstance(asked, TabularInput):
        return faults
    found = [*faults, *_columns(records, standing, config)]
    if any(one.alarm for one in faults) or len(kept) < len(schema.wanted(asked)):
        # Columns that are there are looked at one by one.
        return found
    return [*found, *_together(records, standing, config)]


def _whole(records: pa.Table, asked: AnyInput, kept: Collection[str]) -> pa.Table:
    """The columns of the model, and of what has no gaps the records that are there (an image may not be kept)."""
    names = [name for name in kept if name in records.column_names]
    found = records.select(names)
    if isinstance(asked, TabularInput):
        return found
    for name in names:
        found = found.filter(pc.is_valid(found.column(name)))
    return found


def _columns(records: pa.Table, standing: Standing, config: MonitorConfig) -> list[Finding]:
    predictor, asked = standing.predictor, standing.predictor.manifest.input
    if not isinstance(asked, TabularInput):
        records = drawn(records, config.sample)
    try:
        columns = described(asked, records, predictor.files)
    except RefusedError as error:
        return [Finding(kind="schema", alarm=True, sentence=f"Records of the log can't be read: {error}.")]
    return [*_each(columns, standing, config), *_expectations(columns, records, standing, config)]


def _expectations(
    columns: Mapping[str, Values], records: pa.Table, standing: Standing, config: MonitorConfig
) -> list[Finding]:
    if standing.expected is None:
        return []
    if isinstance(standing.predictor.manifest.input, TabularInput):
        # NaN is what pandas takes for a gap; Arrow does not.
        records = pa.table(
            {name: pa.array(x, from_pandas=True) if isinstance(x, np.ndarray) else x for name, x in columns.items()}
        )
    return suite.look(standing.expected, drawn(records, config.sample), config)


def _each(columns: Mapping[str, Values], standing: Standing, config: MonitorConfig) -> list[Finding]:
    asked, overlap = standing.predictor.manifest.input, 1
    if isinstance(asked, SeriesInput) and standing.predictor.manifest.problem == "forecasting":
        # A series may grow: forecasts start from its level. Neighbouring windows have all but a step in common.
        columns = {name: values for name, values in columns.items() if name != "level"}
        overlap = asked.window
    return [
        *features.look(columns, standing.profile, config, overlap=overlap),
        *gaps.look(columns, standing.profile, config),
    ]


def _together(records: pa.Table, standing: Standing, config: MonitorConfig) -> list[Finding]:
    predictor, asked = standing.predictor, standing.predictor.manifest.input
    forecasts = predictor.manifest.problem == "forecasting"  # whose records overlap: no half of them is independent
    if predictor.reference is None or not len(standing.held.described) or forecasts:
        return []
    some, held = drawn(records, multivariate.MOST), standing.held.described
    describe = Describer(asked, ("input",), predictor.reference.arrays)
    try:
        now = describe(asked.encode(some, predictor.files), {}).astype(np.float32)
    except RefusedError:  # said by `_columns`
        return []
    return multivariate.look(now, held, config)


def drawn(table: pa.Table, count: int) -> pa.Table:
    """At most so many rows, in their order; the same table gives the same rows."""
    if len(table) <= count:
        return table
    return table.take(np.sort(np.random.default_rng(SEED).permutation(len(table))[:count]))
